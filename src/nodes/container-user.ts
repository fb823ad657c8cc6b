import { LarderError } from '../lib/errors.ts';

export type ContainerUser = { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };

/** The texts of the image's /etc/passwd and /etc/group; empty where there is none. */
export type UserFiles = { readonly passwd: string; readonly group: string };

const NUMBER = /^\d{1,10}$/;

/**
 * Who an image's `User` is (image-spec config.md: user, uid, user:group, uid:gid, uid:group, user:gid; empty is root). Without a
 * group it is the user's of /etc/passwd, and all groups of /etc/group that list the user come along. Throws `nodes.user-missing`.
 */
export function resolveUser(user: string, files: UserFiles): ContainerUser {
  const colon = user.indexOf(':');
  const name = (colon < 0 ? user : user.slice(0, colon)) || '0';
  const groupName = colon < 0 ? '' : user.slice(colon + 1);
  const accounts = fieldsOf(files.passwd).map(([account = '', , uid = '', gid = '']) => ({ name: account, uid, gid }));
  const groups = fieldsOf(files.group).map(([group = '', , gid = '', members = '']) => ({
    name: group,
    gid,
    members: members.split(','),
  }));
  // A name of digits is a name first, as Docker has it.
  const account = accounts.find((each) => each.name === name) ?? accounts.find((each) => each.uid === name);
  const uid = numberOf(account?.uid ?? name);
  if (uid === undefined) throw missing('user', name, '/etc/passwd');
  if (groupName !== '') {
    const gid = numberOf(groups.find((group) => group.name === groupName)?.gid ?? groupName);
    if (gid === undefined) throw missing('group', groupName, '/etc/group');
    return { uid, gid, additionalGids: [] };
  }
  const gid = numberOf(account?.gid ?? '0') ?? 0;
  const listing = account ? groups.filter((group) => group.members.includes(account.name)) : [];
  const additionalGids = listing.map((group) => numberOf(group.gid)).filter((each) => each !== undefined);
  return { uid, gid, additionalGids: [...new Set(additionalGids)] };
}

function fieldsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.trim().split(':'));
}

function numberOf(text: string): number | undefined {
  const number = NUMBER.test(text) ? Number(text) : Number.NaN;
  return number <= 0xffffffff ? number : undefined;
}

function missing(kind: string, name: string, file: string): LarderError {
  return new LarderError('nodes.user-missing', `the image runs as ${kind} ${name}, whom its ${file} does not name`, {
    facts: { [kind]: name },
  });
}
