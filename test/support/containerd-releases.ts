import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { run } from './run.ts';

/** The containerd of one release. */
export type ContainerdRelease = {
  /** Whose it is, for titles of tests. */
  readonly name: string;
  /** The folder of containerd, ctr and containerd-shim-runc-v2; undefined for those on PATH. */
  readonly binaries: string | undefined;
};

/** Debian's next release, which has containerd 2.x. Once it is out it stays as it is; the one after it is not needed then. */
export const NEXT_SUITE = 'forky';
/** Where `npm run setup:tests` puts its containerd. */
export const NEXT_CONTAINERD: ContainerdRelease = {
  name: `Debian ${NEXT_SUITE}'s containerd`,
  binaries: join(cacheFolder(), `containerd-${NEXT_SUITE}`),
};
const THIS_CONTAINERD: ContainerdRelease = { name: 'the machine’s containerd', binaries: undefined };

/** A folder with another containerd, which all tests then run with, and no other. */
export const OTHER_BINARIES = process.env.LARDER_TEST_CONTAINERD;

/** What tests run with that depend on how containerd works. */
export const CONTAINERD_RELEASES: readonly ContainerdRelease[] =
  OTHER_BINARIES === undefined
    ? [THIS_CONTAINERD, NEXT_CONTAINERD]
    : [{ name: `containerd in ${OTHER_BINARIES}`, binaries: OTHER_BINARIES }];

/** What all other tests run with. */
export const MAIN_CONTAINERD = CONTAINERD_RELEASES[0] ?? THIS_CONTAINERD;

/** For `skipWithout`. */
export function containerdTools({ binaries }: ContainerdRelease): string[] {
  return ['containerd', 'ctr', 'containerd-shim-runc-v2'].map((name) => commandOf({ binaries }, name));
}

export function commandOf({ binaries }: Pick<ContainerdRelease, 'binaries'>, name: string): string {
  return binaries === undefined ? name : join(binaries, name);
}

export type ContainerdVersion = { major: number; minor: number; text: string };

/** What `containerd --version` says. */
export async function containerdVersion(release: Pick<ContainerdRelease, 'binaries'>): Promise<ContainerdVersion> {
  const printed = await run(commandOf(release, 'containerd'), ['--version']);
  const [, text, major, minor] = / v?((\d+)\.(\d+)\.\d+)/.exec(printed) ?? [];
  if (text === undefined) throw new Error(`no version of containerd: ${printed}`);
  return { major: Number(major), minor: Number(minor), text };
}
