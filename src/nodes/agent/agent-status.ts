import { z } from 'zod';

/** What `GET /status` of the control socket answers, and `larder node status --output json` prints. Times are RFC 3339, UTC. */
export const agentStatusSchema = z.object({
  DataDirectory: z.string(),
  Endpoint: z.string(),
  Pid: z.number(),
  StartedTime: z.string(),
  /** Of the last question to it: `unknown` before the first answer. */
  Server: z.enum(['unknown', 'reachable', 'away']),
  LastContactTime: z.string().optional(),
  /** Why the server is away. */
  ServerError: z.string().optional(),
  /** Names and ids that were chosen and match no cache. */
  Missing: z.array(z.string()),
  Caches: z.array(
    z.object({
      ImageCacheId: z.string(),
      ImageCacheName: z.string(),
      SnapshotId: z.string(),
      Images: z.array(z.string()),
      /**
       * `local`: usable. `fetching`. `waiting`: the server has not built it. `failed`: see Error; it is tried again. `leaving`:
       * no longer chosen.
       */
      State: z.enum(['local', 'fetching', 'waiting', 'failed', 'leaving']),
      Blobs: z.number(),
      Bytes: z.number(),
      /** Of these, what is there. */
      LocalBytes: z.number(),
      Error: z.string().optional(),
    }),
  ),
  Downloads: z.array(z.object({ Blob: z.string(), Bytes: z.number(), LocalBytes: z.number() })),
  /** Of all blobs in the data folder. */
  BlobCount: z.number(),
  BlobBytes: z.number(),
});

export type AgentStatus = z.infer<typeof agentStatusSchema>;
