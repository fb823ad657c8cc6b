import { z } from 'zod';
import type { AuthenticatedCall, CallOutcome } from '../rpc/index.ts';
import { isReading } from './flow-control.ts';
import { describeResources } from './requested-resources.ts';

/** Of each text and list that a caller sent; ids are far shorter, and nobody may fill the log with one call. */
const MAX_TEXT_CHARS = 128;
const MAX_RESOURCES = 50;

const recordSchema = z.object({
  /** RFC 3339 with milliseconds. */
  time: z.string(),
  action: z.string(),
  /** `OK`, or the code of the refusal. */
  code: z.string(),
  /** Address of the caller; `local` for a command on the server's machine. */
  peer: z.string(),
  /** Ids that the call names or made. */
  resources: z.array(z.string()),
  accountId: z.string().optional(),
  /** `Account`, `SubUser` or `AssumedRoleUser`, with its id. */
  principal: z.object({ type: z.string(), id: z.string() }).optional(),
  accessKeyId: z.string().optional(),
  regionId: z.string().optional(),
  requestId: z.string().optional(),
  status: z.number().optional(),
  /** The user of the operating system who gave a command. */
  operator: z.string().optional(),
});

/** One line of the audit log. It has no field that could hold a password, secret or token. */
export type AuditRecord = z.infer<typeof recordSchema>;

/**
 * What the audit log keeps of a call; undefined for one that only reads, and for one that flow control refused before
 * anything was done: those would push everything else out.
 */
export function auditRecordOf(call: AuthenticatedCall, outcome: CallOutcome): AuditRecord | undefined {
  const code = outcome.code ?? 'OK';
  if (isReading(call.action) || code.startsWith('Throttling')) return undefined;
  const { caller, regionId } = call;
  const made = ['ImageCacheId', 'ContainerGroupId'].flatMap((name) => {
    const value = outcome.result?.[name];
    return typeof value === 'string' ? [value] : [];
  });
  const named = describeResources(call).flatMap(({ cacheId }) => cacheId ?? []);
  return {
    time: new Date(outcome.nowMs).toISOString(),
    requestId: call.requestId,
    action: call.action.name,
    code,
    status: outcome.status,
    accountId: caller.accountId,
    principal: caller.principal,
    ...(caller.accessKeyId === '' ? {} : { accessKeyId: caller.accessKeyId }),
    regionId: short(regionId),
    resources: [...new Set([...named, ...made])].slice(0, MAX_RESOURCES).map(short),
    peer: call.request.peer,
  };
}

/** The record of a line; undefined for what is none, such as a line that a crash left half written. */
export function parseAuditRecord(line: string): AuditRecord | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function short(text: string): string {
  return text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}…` : text;
}

/** The pipeline's hook: writes the record of every changing call before it is answered. */
export function createAudit(log: {
  write(record: AuditRecord): Promise<void>;
}): (call: AuthenticatedCall, outcome: CallOutcome) => Promise<void> {
  return async (call, outcome) => {
    const record = auditRecordOf(call, outcome);
    if (record) await log.write(record);
  };
}
