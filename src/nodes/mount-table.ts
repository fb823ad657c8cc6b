import { readFile } from 'node:fs/promises';
import { type MountEntry, parseMountInfo } from './mount-info.ts';

/**
 * What is mounted in this mount namespace, oldest first. Its length grows with every overlay's layers: not for every call.
 * (Not by readFileSync with an encoding: Node.js 24.21 spoils its heap on a file below /proc that is as long as this.)
 */
export async function mountTable(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}
