import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, toolEnvironment } from '../test/support/run.ts';
import { type Measurement, measureCommand } from './cold-run.ts';
import { processCpuSeconds } from './process-cpu.ts';

/** Where an image and its layers lie, those also as files, and an empty folder on the disk that everybody writes to. */
export type Job = {
  readonly reference: string;
  readonly layerUrls: readonly string[];
  readonly layerFiles: readonly string[];
  readonly folder: string;
};

const READY_TIMEOUT_MS = 10_000;

/** The others, each with its best flags, from the registry to the disk; a sync counts. */
export const PEERS: Readonly<Record<string, (job: Job) => Promise<Measurement>>> = {
  'podman pull': async (job) => measureCommand('podman', podmanPull(job.reference), await podmanEnvironment(job)),
  'ctr pull (containerd)': containerdPull,
  'skopeo copy, umoci unpack': (job) => measureCommand('bash', ['-c', UNPACK, 'bash', job.reference, job.folder]),
  'podman pull, mksquashfs': async (job) => {
    const script = `podman ${podmanPull('"$0"').join(' ')} && mksquashfs "$(podman image mount "$0")" "$1/image.squashfs" -noI -noD -noF -noX -no-progress`;
    const environment = await podmanEnvironment(job);
    try {
      return await measureCommand('bash', ['-c', script, job.reference, job.folder], environment);
    } finally {
      await run('podman', ['image', 'umount', '--all'], { env: { ...toolEnvironment(), ...environment } });
    }
  },
  'skopeo, umoci, mkfs.erofs': (job) =>
    measureCommand('bash', [
      '-c',
      `${UNPACK} && mkfs.erofs "$2/image.erofs" "$2/rootfs"`,
      'bash',
      job.reference,
      job.folder,
    ]),
};

/** Without tar and file system: what no build of any kind can do without. */
export function floor(inflater: 'igzip' | 'node'): (job: Job) => Promise<Measurement> {
  return ({ folder, layerUrls }) =>
    measureCommand(process.execPath, [join(import.meta.dirname, 'floor.ts'), folder, inflater, ...layerUrls]);
}

/** All layers at once from files to nowhere: nobody whose inflater it is gets below it. */
export const inflatingAlone = ({ layerFiles }: Job): Promise<Measurement> =>
  measureCommand('bash', ['-c', 'for file; do igzip -d -c < "$file" > /dev/null & done; wait', 'bash', ...layerFiles]);

const UNPACK =
  'skopeo copy --quiet --src-tls-verify=false "docker://$1" "oci:$2/layout:image" && umoci raw unpack --image "$2/layout:image" "$2/rootfs"';

const podmanPull = (reference: string) => ['pull', '--quiet', '--tls-verify=false', reference];

/** The settings of this machine must not decide: a storage.conf of our own with the kernel's overlay. */
async function podmanEnvironment({ folder }: Job): Promise<NodeJS.ProcessEnv> {
  const conf = join(folder, 'storage.conf');
  await writeFile(conf, `[storage]\ndriver = "overlay"\nrunroot = "${folder}/run"\ngraphroot = "${folder}/store"\n`);
  return { CONTAINERS_STORAGE_CONF: conf };
}

async function containerdPull({ reference, folder }: Job): Promise<Measurement> {
  const socket = join(folder, 'containerd.sock');
  const config = join(folder, 'containerd.toml');
  await mkdir(join(folder, 'root'), { recursive: true });
  await writeFile(
    config,
    `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${socket}"\n`,
  );
  const daemon = spawn('containerd', ['--config', config, '--log-level', 'error'], {
    env: toolEnvironment(),
    stdio: 'ignore',
  });
  const exited = once(daemon, 'exit');
  try {
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    while (!(await isUp(socket)) && Date.now() < deadlineMs) await sleep(50);
    const before = processCpuSeconds(daemon.pid ?? 0);
    const measured = await measureCommand('ctr', ['-a', socket, 'images', 'pull', '--plain-http', reference]);
    const daemonSeconds = processCpuSeconds(daemon.pid ?? 0) - before;
    return { ...measured, cpuSeconds: measured.cpuSeconds + daemonSeconds };
  } finally {
    daemon.kill();
    await exited;
  }
}

function isUp(socket: string): Promise<boolean> {
  return run('ctr', ['-a', socket, 'version']).then(
    () => true,
    () => false,
  );
}
