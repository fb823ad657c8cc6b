import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { z } from 'zod';
import type { Logger } from '../../lib/logger.ts';
import { toGrpcStatus } from './errors.ts';
import type { SnapshotKind, SnapshotRecord } from './snapshot-record.ts';
import type { Snapshotter } from './snapshotter.ts';

/** Snapshots in one message of the stream that List answers with (containerd, services/snapshots/service.go). */
const LIST_BATCH = 100;
const MS_PER_S = 1000;
const NS_PER_MS = 1_000_000;

const KINDS: Readonly<Record<SnapshotKind, string>> = { view: 'VIEW', active: 'ACTIVE', committed: 'COMMITTED' };

const labelsSchema = z.record(z.string(), z.string());
const keySchema = z.object({ key: z.string() });
const newSchema = z.object({ key: z.string(), parent: z.string(), labels: labelsSchema });
const commitSchema = z.object({ name: z.string(), key: z.string(), labels: labelsSchema });
const updateSchema = z.object({
  info: z.object({ name: z.string(), labels: labelsSchema }),
  updateMask: z.object({ paths: z.array(z.string()) }).nullable(),
});
const listSchema = z.object({ filters: z.array(z.string()) });

/** containerd.services.snapshots.v1.Snapshots over a snapshotter. */
export function snapshotsService(snapshotter: Snapshotter, log: Logger): UntypedServiceImplementation {
  /** Parses, runs, and turns what is thrown into a gRPC status. */
  function unary<T>(name: string, schema: z.ZodType<T>, run: (request: T) => Promise<object>) {
    const handle: handleUnaryCall<unknown, object> = (call, answer) => {
      const task = async () => run(schema.parse(call.request));
      task().then(
        (response) => answer(null, response),
        (error: unknown) => answer(fail(name, error, log)),
      );
    };
    return handle;
  }

  const list: handleServerStreamingCall<unknown, object> = (call) => {
    try {
      const found = snapshotter.list(listSchema.parse(call.request).filters);
      for (let at = 0; at < found.length; at += LIST_BATCH) {
        call.write({ info: found.slice(at, at + LIST_BATCH).map(toInfo) });
      }
      call.end();
    } catch (error) {
      // Ends the stream with this status; a stream that is destroyed ends without one.
      call.emit('error', fail('List', error, log));
    }
  };

  return {
    Prepare: unary('Prepare', newSchema, async ({ key, parent, labels }) => ({
      mounts: await snapshotter.prepare(key, parent, labels),
    })),
    View: unary('View', newSchema, async ({ key, parent, labels }) => ({
      mounts: await snapshotter.view(key, parent, labels),
    })),
    Mounts: unary('Mounts', keySchema, async ({ key }) => ({ mounts: await snapshotter.mounts(key) })),
    Commit: unary('Commit', commitSchema, async ({ name, key, labels }) => {
      await snapshotter.commit(key, name, labels);
      return {};
    }),
    Remove: unary('Remove', keySchema, async ({ key }) => {
      await snapshotter.remove(key);
      return {};
    }),
    Stat: unary('Stat', keySchema, async ({ key }) => ({ info: toInfo(snapshotter.stat(key)) })),
    Update: unary('Update', updateSchema, async ({ info, updateMask }) => ({
      info: toInfo(snapshotter.update(info.name, info.labels, updateMask?.paths ?? [])),
    })),
    List: list,
    Usage: unary('Usage', keySchema, async ({ key }) => {
      const { sizeBytes, inodes } = await snapshotter.usage(key);
      return { size: sizeBytes, inodes };
    }),
    Cleanup: unary('Cleanup', z.object({}), async () => {
      await snapshotter.cleanup();
      return {};
    }),
  };
}

function fail(call: string, error: unknown, log: Logger) {
  const { code, details, isFault } = toGrpcStatus(error);
  if (isFault) log.error({ call, reason: details }, 'a call of containerd failed');
  else log.debug({ call, reason: details }, 'a call of containerd was refused');
  return { code, details, metadata: new Metadata() };
}

function toInfo(snapshot: SnapshotRecord): object {
  const { name, parent, kind, labels, createdAtMs, updatedAtMs } = snapshot;
  const times = { createdAt: toTimestamp(createdAtMs), updatedAt: toTimestamp(updatedAtMs) };
  return { name, parent, kind: KINDS[kind], labels, ...times };
}

function toTimestamp(timeMs: number): object {
  return { seconds: Math.floor(timeMs / MS_PER_S), nanos: (timeMs % MS_PER_S) * NS_PER_MS };
}
