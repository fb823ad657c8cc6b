import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../lib/errors.ts';

const attachmentSchema = z.object({
  id: z.string().regex(/^[a-z0-9]+$/),
  /** Absolute, links resolved. */
  directory: z.string(),
  snapshotId: z.string(),
  reference: z.string(),
  /** Names of the layer mounts it needs. */
  layers: z.array(z.string()),
});

/** One image made usable at one directory: what it takes to undo that, after a crash too. */
export type Attachment = z.infer<typeof attachmentSchema>;

/** All records of a folder. One that can't be read is a torn write of a crash, before anything was mounted: left out. */
export async function readAttachments(folder: string): Promise<Attachment[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const found: Attachment[] = [];
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const parsed = attachmentSchema.safeParse(parseJson(await readFile(join(folder, name), 'utf8')));
    if (parsed.success) found.push(parsed.data);
  }
  return found;
}

/** Records an attachment, all or nothing, on stable storage before the first mount is made. */
export async function writeAttachment(folder: string, attachment: Attachment): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = recordPath(folder, attachment.id);
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(attachment));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}

export async function removeAttachment(folder: string, id: string): Promise<void> {
  await rm(recordPath(folder, id), { force: true });
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
