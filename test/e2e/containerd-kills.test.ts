/** Pulling the plug: `kill -9` of agent, snapshotter and containerd; a restart cleans up, and containers go on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mountLayers } from '../../src/nodes/index.ts';
import { mountsBelow } from '../support/containerd.ts';
import { blobRequests, type ContainerdNode, containerName, startContainerdNode } from '../support/containerd-node.ts';
import { CONTAINERD_RELEASES, containerdTools, MAIN_CONTAINERD } from '../support/containerd-releases.ts';
import { startCountingProxy } from '../support/counting-proxy.ts';
import { createNodeAgent, type NodeAgent } from '../support/node-agent.ts';
import type { Layer } from '../support/oci-layout.ts';
import { skipWithout } from '../support/requirements.ts';
import type { Restartable } from '../support/restartable.ts';
import { type SlowProxy, startSlowProxy } from '../support/slow-proxy.ts';
import { until } from '../support/until.ts';

const MIB = 1 << 20;
const LARGE_BYTES = 6 * MIB;
/** Of large layers, while their downloads are broken off: three seconds. */
const SLOW_BYTES_PER_SECOND = 2 * MIB;
/** Fails unless the file says so. */
const SAYS_ALIVE = '[ "$(cat /texts/k)" = alive ]';
const needs = { root: true, tools: ['docker-registry', 'runc', 'ldd'], filesystems: ['erofs', 'overlay'] };

for (const release of CONTAINERD_RELEASES) {
  const skip = skipWithout({ ...needs, tools: [...needs.tools, ...containerdTools(release)] });
  describe(`kills on a node with ${release.name}`, { skip }, () => {
    let node: ContainerdNode;
    /** Between the agent and its server. */
    let line: SlowProxy;
    let agent: NodeAgent;
    let data: string;
    let root: string;
    let reference: string;
    let running: string;
    let executions = 0;

    before(async () => {
      node = await startContainerdNode({ release, dataDirectory: 'node' });
      data = join(node.home, 'node');
      root = join(node.home, 'attached');
      line = await startSlowProxy(node.larder.endpoint, Infinity);
      agent = createNodeAgent({ endpoint: line.host, data });
      await agent.start();
      reference = await onNode('long', await node.textLayer('k', 'alive\n'));
      await node.pull(reference);
      running = containerName();
      await node.ctr('run', '--detach', '--snapshotter', 'larder', reference, running, '/bin/sleep', '600');
      await agent.client.attach(reference, root);
    });
    after(async () => {
      await agent?.end();
      await line?.[Symbol.asyncDispose]();
      await node?.[Symbol.asyncDispose]();
    });

    /** An image of a cache that the agent has fetched. */
    async function onNode(tag: string, layer: Layer): Promise<string> {
      const pushed = await node.pushAndCache({ tag, layers: [node.shell, layer] });
      await agent.untilLocal(pushed);
      return pushed;
    }

    async function kill(killed: readonly Restartable[]): Promise<void> {
      for (const each of killed) await each.end('SIGKILL');
    }

    async function restart(killed: readonly Restartable[]): Promise<void> {
      await Promise.all(killed.map((each) => each.start()));
      await node.containerd.untilConnected();
    }

    /** What ran before goes on, and can be started anew. */
    async function assertGoesOn(): Promise<void> {
      // By exit codes: ctr sometimes ends before it has printed what a short process printed.
      const check = ['/bin/sh', '-c', SAYS_ALIVE];
      await node.ctr('tasks', 'exec', '--exec-id', `e${executions++}`, running, ...check);
      await node.runShell(reference, SAYS_ALIVE);
      assert.equal(readFileSync(join(root, 'texts/k'), 'utf8'), 'alive\n');
    }

    test('of any of them, and of all in any order: containers and roots go on, new images come', async () => {
      const [a, s, c] = [agent, node.snapshotter, node.containerd];
      const orders = [[a], [s], [c], [a, s, c], [a, c, s], [s, a, c], [s, c, a], [c, a, s], [c, s, a]];
      // In which order all of them go is not containerd's affair.
      const chosen = release === MAIN_CONTAINERD ? orders : [[s], [c]];
      for (const [round, order] of chosen.entries()) {
        await kill(order);
        await restart(order);
        await assertGoesOn();
        const next = await onNode(`next-${round}`, await node.textLayer('k', `${round}\n`));
        assert.equal(blobRequests(await node.pull(next)).length, 1);
        await node.runShell(next, `[ "$(cat /texts/k)" = ${round} ]`);
      }
      // The shell's layer, and one of each image.
      assert.equal(mountsBelow(join(node.snapshotter.stateDirectory, 'l')).length, 2 + chosen.length);
    });

    test('of all, in the middle of a pull and of a download', async () => {
      const [held, unheld, coming] = [
        await node.textLayer('h', 'held\n'),
        await node.textLayer('large', randomBytes(LARGE_BYTES)),
        await node.textLayer('large', randomBytes(LARGE_BYTES)),
      ];
      await onNode('held', held);
      await using slow = await startSlowProxy(node.registry.host, SLOW_BYTES_PER_SECOND);
      await using front = await startCountingProxy(slow.host);
      const pushed = await node.push({ tag: 'half', layers: [node.shell, held, unheld] });
      const mixed = pushed.replace(node.proxy.host, front.host);
      line.setRate(SLOW_BYTES_PER_SECOND);
      const awaited = await node.pushAndCache({ tag: 'coming', layers: [node.shell, coming] });
      const part = `${blobFile(coming)}.part`;
      await until('the agent has a part', () => (statSync(part, { throwIfNoEntry: false })?.size ?? 0) > MIB);
      const broken = assert.rejects(node.pull(mixed), /UNAVAILABLE/);
      broken.catch(() => undefined);
      await until('containerd has a part', () => slow.bytes() > MIB);
      const all = [node.containerd, node.snapshotter, agent];
      await kill(all);
      await broken;
      assert.ok(existsSync(part) && !existsSync(blobFile(coming)), 'the agent was in the middle of it');
      assert.ok(slow.bytes() < LARGE_BYTES, 'containerd was in the middle of it');
      for (const each of [line, slow]) each.setRate(Infinity);
      await restart(all);
      await assertGoesOn();
      await agent.untilLocal(awaited);
      assert.equal(blobRequests(await node.pull(awaited)).length, 1);
      front.take();
      await node.pull(mixed);
      const requests = front.take();
      assert.ok(requests.some((each) => each.endsWith(unheld.digest)));
      assert.ok(!requests.some((each) => each.endsWith(held.digest) || each.endsWith(node.shell.digest)));
      await node.runShell(mixed, `[ "$(cat texts/h) $(stat -c %s texts/large)" = "held ${LARGE_BYTES}" ]`);
    });

    test('mounts and files that nobody knows are removed at the next start', async () => {
      const { stateDirectory } = node.snapshotter;
      const known = mountsBelow(stateDirectory);
      await kill([node.snapshotter]);
      // As when it is killed between a mount and its record.
      const [mounted, left] = ['99999', '99998'];
      const file = blobFile(node.shell);
      await mountLayers([{ name: mounted, file, digest: undefined }], { directory: join(stateDirectory, 'l') });
      for (const folder of ['l', 'w']) {
        await mkdir(join(stateDirectory, folder, left));
        await writeFile(join(stateDirectory, folder, left, 'file'), 'left');
      }
      await writeFile(join(stateDirectory, 'b', `${'0'.repeat(64)}.erofs`), 'left');
      assert.ok(mountsBelow(stateDirectory).includes(join(stateDirectory, 'l', mounted)));
      await restart([node.snapshotter]);
      assert.deepEqual(mountsBelow(stateDirectory), known);
      for (const folder of ['l', 'w', 'b', 'trash']) {
        const leftovers = readdirSync(join(stateDirectory, folder)).filter((name) =>
          /^[wl]?9999[89]$|^0{64}/.test(name),
        );
        assert.deepEqual(leftovers, [], folder);
      }
      await assertGoesOn();
    });

    test('nothing is left in the end', async () => {
      await node.ctr('tasks', 'delete', '--force', running);
      await node.ctr('containers', 'delete', running);
      await agent.client.detach(root);
      // A pull that was broken off has a lease for a day.
      await node.removeImages();
      await node.assertNothingLeft();
      await agent.end('SIGTERM');
      assert.deepEqual(mountsBelow(node.home), []);
    });

    function blobFile({ diffId }: Layer): string {
      const hex = diffId.slice('sha256:'.length);
      return join(data, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
    }
  });
}
