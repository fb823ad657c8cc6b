/** What a process did to a folder, as the system calls say it. Inodes are numbered as they are made; folders go by their path. */
export type DiskOperation =
  | { kind: 'write'; inode: number; position: number; bytes: Uint8Array }
  | { kind: 'truncate'; inode: number; size: number }
  /** The time of last change is set; `isEpoch`: to 0, the mark of a verified file. */
  | { kind: 'touch'; inode: number; isEpoch: boolean }
  | { kind: 'link'; folder: string; name: string; target: Target }
  | { kind: 'unlink'; folder: string; name: string }
  | { kind: 'rename'; from: { folder: string; name: string }; folder: string; name: string; target: Target }
  /** fsync or fdatasync: all that was done to it before the operation `began` is on stable storage. */
  | { kind: 'sync'; target: Target; began: number }
  /** Something the process says about itself, no change of the folder. */
  | { kind: 'mark'; text: string };

/** The number of a file, or the path of a folder. */
export type Target = number | string;
