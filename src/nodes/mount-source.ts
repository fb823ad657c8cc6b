import type { Attachment } from './attachments.ts';
import type { MountEntry } from './mount-info.ts';

const SOURCE_PREFIX = 'larder-';

/** The name an attachment's overlay bears in the mount table; it ties mount and record together. */
export function sourceOf(attachment: Pick<Attachment, 'id'>): string {
  return `${SOURCE_PREFIX}${attachment.id}`;
}

export function isOurs(entry: MountEntry): boolean {
  return entry.type === 'overlay' && entry.source.startsWith(SOURCE_PREFIX);
}
