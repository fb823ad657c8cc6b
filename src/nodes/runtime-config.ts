import { LarderError } from '../lib/errors.ts';
import type { ContainerUser } from './container-user.ts';
import type { ImageRunConfig } from './image-run-config.ts';

export type RuntimeChoices = {
  user: ContainerUser;
  /** In place of the image's Cmd; its Entrypoint stays. */
  args?: readonly string[] | undefined;
  /** In place of the image's Entrypoint and Cmd; an empty text leaves only `args`. */
  entrypoint?: string | undefined;
  readOnly: boolean;
  terminal: boolean;
  /** Of the machine that it will run on, instead of a network namespace with nothing in it. */
  hostNetwork: boolean;
  hostname: string;
};

/** Name of the folder beside config.json. */
export const BUNDLE_ROOT = 'rootfs';
const OCI_VERSION = '1.0.2';
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Those that Docker, Podman and containerd give: entry points that change owners and users run. */
const CAPABILITIES = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];
const MAX_OPEN_FILES = 1024;
/** As `runc spec` writes them. */
const MOUNTS = [
  mountOf('/proc', 'proc', 'proc', []),
  mountOf('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
  mountOf('/dev/pts', 'devpts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
  mountOf('/dev/shm', 'tmpfs', 'shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k']),
  mountOf('/dev/mqueue', 'mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']),
  mountOf('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', 'ro']),
  mountOf('/sys/fs/cgroup', 'cgroup', 'cgroup', ['nosuid', 'noexec', 'nodev', 'relatime', 'ro']),
];
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/proc/scsi',
];
const READ_ONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/**
 * The config.json of an OCI runtime bundle (runtime-spec config.md) for an image, by the rules of image-spec conversion.md; what
 * the image does not say is as `runc spec` has it, but for the capabilities. Throws `nodes.no-command`.
 */
export function toRuntimeConfig(image: ImageRunConfig, choices: RuntimeChoices) {
  const { user, readOnly, terminal, hostNetwork, hostname } = choices;
  const { run } = image;
  const isRoot = user.uid === 0;
  const namespaces = ['pid', 'ipc', 'uts', 'mount', 'cgroup', ...(hostNetwork ? [] : ['network'])];
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal,
      user,
      args: commandOf(image, choices),
      env: environmentOf(run.Env, terminal),
      cwd: run.WorkingDir.startsWith('/') ? run.WorkingDir : `/${run.WorkingDir}`,
      // As execve(2) has it: a user other than root begins with none.
      capabilities: {
        bounding: CAPABILITIES,
        effective: isRoot ? CAPABILITIES : [],
        permitted: isRoot ? CAPABILITIES : [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: MAX_OPEN_FILES, soft: MAX_OPEN_FILES }],
      noNewPrivileges: true,
    },
    root: { path: BUNDLE_ROOT, readonly: readOnly },
    hostname,
    mounts: [
      ...MOUNTS,
      ...(hostNetwork ? ['/etc/resolv.conf', '/etc/hosts'].map(bindReadOnly) : []),
      // A root that can be written is storage enough for the image's volumes.
      ...(readOnly ? run.Volumes.map(volumeInMemory) : []),
    ],
    annotations: annotationsOf(image),
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: namespaces.map((type) => ({ type })),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
    },
  };
}

function commandOf({ run }: ImageRunConfig, { args, entrypoint }: RuntimeChoices): string[] {
  const first = entrypoint === undefined ? run.Entrypoint : [entrypoint].filter((program) => program !== '');
  const rest = args && args.length > 0 ? args : entrypoint === undefined ? run.Cmd : [];
  const command = [...first, ...rest];
  if (command.length > 0) return command;
  throw new LarderError('nodes.no-command', 'the image names no command to run; give one at the end: -- PROGRAM ARGS…');
}

function environmentOf(env: readonly string[], terminal: boolean): string[] {
  const defaults = [DEFAULT_PATH, ...(terminal ? ['TERM=xterm'] : [])];
  const nameOf = (variable: string) => variable.split('=', 1)[0];
  return [...defaults.filter((each) => !env.some((own) => nameOf(own) === nameOf(each))), ...env];
}

/** The image's labels, which take precedence, and what conversion.md derives from other fields. */
function annotationsOf(image: ImageRunConfig): Record<string, string> {
  const { run } = image;
  const derived: Record<string, string> = {
    os: image.os,
    architecture: image.architecture,
    variant: image.variant,
    'os.version': image['os.version'],
    'os.features': image['os.features'].join(','),
    author: image.author,
    created: image.created,
    stopSignal: run.StopSignal,
    exposedPorts: run.ExposedPorts.join(','),
  };
  const named = Object.entries(derived).filter(([, value]) => value !== '');
  return {
    ...Object.fromEntries(named.map(([key, value]) => [`org.opencontainers.image.${key}`, value])),
    ...run.Labels,
  };
}

function mountOf(destination: string, type: string, source: string, options: string[]) {
  return { destination, type, source, options };
}

function bindReadOnly(path: string) {
  return mountOf(path, 'bind', path, ['rbind', 'ro', 'nosuid', 'noexec', 'nodev']);
}

/** `tmpcopyup`, of runc and crun: it begins with what the image has there. */
function volumeInMemory(path: string) {
  return mountOf(path, 'tmpfs', 'tmpfs', ['rw', 'nosuid', 'nodev', 'tmpcopyup']);
}
