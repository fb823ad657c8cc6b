import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const attachmentSchema = z.object({
  id: z.string().regex(/^[a-z0-9]+$/),
  /** Absolute, links resolved. */
  directory: z.string(),
  snapshotId: z.string(),
  reference: z.string(),
  /** Names of the layer mounts it needs. */
  layers: z.array(z.string()),
  /** Of a writable one: the folder of its upper directory, to be removed with it. */
  scratch: z.string().optional(),
  /** The runtime bundle that the directory is the root of. */
  bundle: z.string().optional(),
});

/** One image made usable at one directory: what it takes to undo that, after a crash too. */
export type Attachment = z.infer<typeof attachmentSchema>;

/** All records of a folder, if there is one. A record that can't be read is a torn write of a crash, before anything was mounted: left out. */
export function readAttachments(folder: string): Attachment[] {
  const found: Attachment[] = [];
  if (!existsSync(folder)) return found;
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.json')) continue;
    const parsed = attachmentSchema.safeParse(parseJson(readFileSync(join(folder, name), 'utf8')));
    if (parsed.success) found.push(parsed.data);
  }
  return found;
}

/**
 * Records an attachment, all or nothing, before the first mount is made. It need not be on stable storage: a power cut takes
 * the mounts along, and the scratch folder is named by the id.
 */
export function writeAttachment(folder: string, attachment: Attachment): void {
  const path = recordPath(folder, attachment.id);
  writeFileSync(`${path}.tmp`, JSON.stringify(attachment), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

export function removeAttachment(folder: string, id: string): void {
  rmSync(recordPath(folder, id), { force: true });
}

function recordPath(folder: string, id: string): string {
  return join(folder, `${id}.json`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
