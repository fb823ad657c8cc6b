import { z } from 'zod';
import type { Denial, Sealer } from '../accounts/index.ts';
import { LarderError } from '../lib/errors.ts';

/** Why a call was refused, in full: what an EncodedDiagnosticMessage says to the operator alone. */
export type Diagnosis = Denial & z.infer<typeof factsSchema>;

const factsSchema = z.object({
  accessKeyId: z.string(),
  principal: z.string(),
  action: z.string(),
  resource: z.string(),
  conditionKeys: z.record(z.string(), z.string()),
});
const diagnosisSchema = factsSchema.extend({
  policyType: z.enum(['SessionPolicy', 'AccountLevelIdentityBasedPolicy', 'ResourceGroupLevelIdentityBasedPolicy']),
  noPermissionType: z.enum(['ImplicitDeny', 'ExplicitDeny']),
  statement: z.object({ policy: z.string(), index: z.number() }).exactOptional(),
});

/** A header may be long, and the message goes into an answer and a log. */
const MAX_VALUE_CHARS = 256;

export function sealDiagnosis(sealer: Sealer, diagnosis: Diagnosis): string {
  const entries = Object.entries(diagnosis.conditionKeys);
  const conditionKeys = Object.fromEntries(entries.map(([key, value]) => [key, value.slice(0, MAX_VALUE_CHARS)]));
  const sealed = sealer.seal(JSON.stringify({ ...diagnosis, conditionKeys }));
  return Buffer.from(sealed).toString('base64');
}

/** Throws `server.diagnosis` for a text that is not such a message of this server. */
export function openDiagnosis(sealer: Sealer, message: string): Diagnosis {
  try {
    return diagnosisSchema.parse(JSON.parse(sealer.open(Buffer.from(message.trim(), 'base64').toString())));
  } catch (cause) {
    throw new LarderError('server.diagnosis', 'this is no EncodedDiagnosticMessage of this server', { cause });
  }
}
