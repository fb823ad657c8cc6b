/** One mounted file system, as far as Larder asks. */
export type MountEntry = { readonly mountPoint: string; readonly type: string; readonly source: string };

/** Reads /proc/self/mountinfo (proc_pid_mountinfo(5)); the newest mount comes last. */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    // Optional fields stand between the sixth and a lone hyphen.
    const hyphen = fields.indexOf('-', 6);
    const [mountPoint, type, source] = [fields[4], fields[hyphen + 1], fields[hyphen + 2]];
    if (hyphen < 0 || mountPoint === undefined || type === undefined || source === undefined) continue;
    entries.push({ mountPoint: unescapeField(mountPoint), type, source: unescapeField(source) });
  }
  return entries;
}

/** Blank, tab, newline and backslash are written as three octal digits, byte by byte. */
function unescapeField(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
