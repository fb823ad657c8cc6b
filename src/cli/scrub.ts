import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import type { Scrub, Upkeep } from '../server/index.ts';
import { addDataOption } from './account-command.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, plain, printJson, printLine } from './output.ts';
import { positiveInteger, wholeNumber } from './usage.ts';

type ScrubOptions = { data?: string; rate?: number; wait: number; output: OutputFormat };
/** What became of each damaged layer: the reason why it is not back, or undefined. */
type Outcome = { scrub: Scrub; waiting: ReadonlyMap<string, string> };

const DEFAULT_WAIT_S = 600;

export function addScrub(program: Command, io: Io): void {
  const command = program
    .command('scrub')
    .description("read every stored byte, put aside what is wrong (on the server's machine)")
    .option('--rate <MiB per second>', 'read no faster than this (default: as fast as the disk gives)', positiveInteger)
    .option(
      '--wait <seconds>',
      'how long to wait until the server has rebuilt what was wrong',
      wholeNumber,
      DEFAULT_WAIT_S,
    )
    .addHelpText(
      'after',
      `
Every layer is read from the disk and compared with the digest recorded when it was built. What differs goes to the folder
quarantine below the data folder and is served to nobody; its image caches get a Warning event, and the server rebuilds
the layer from its registry by digest. The server reads everything in the background anyway, once in LARDER_SCRUB_DAYS.

Exit code 0: all is right, or was rebuilt. 1: something is damaged and not rebuilt.

Example:
  larder scrub --rate 100`,
    );
  addDataOption(command).action(async (options: ScrubOptions) => {
    const server = await import('../server/index.ts');
    const upkeep = await server.openUpkeep(await serverDataDirectory(io, options.data));
    try {
      const scrub = await read(io, upkeep, options);
      const ids = scrub.damaged.map(({ diffId }) => diffId);
      const isServed = upkeep.isServed();
      const timeoutMs = isServed ? options.wait * 1000 : 0;
      const waiting = await server.waitForRebuild(upkeep, ids, { timeoutMs, signal: io.signal });
      const outcome = { scrub, waiting };
      if (options.output === 'json') printJson(io, answerOf(outcome));
      else show(io, outcome);
      if (waiting.size + scrub.snapshots.lost > 0) throw unrepaired(outcome, isServed);
    } finally {
      await upkeep.close();
    }
  });
}

async function read(io: Io, upkeep: Upkeep, options: ScrubOptions): Promise<Scrub> {
  const { createPacer, scrubNow } = await import('../server/index.ts');
  const { createByteBar } = await import('./byte-bar.ts');
  const bar = createByteBar(io, 'reading');
  const pace = options.rate === undefined ? undefined : createPacer(options.rate * 2 ** 20, io.signal);
  let paced = 0;
  try {
    return await scrubNow(upkeep, {
      signal: io.signal,
      async onBytes(done, total) {
        bar.show(done, total);
        await pace?.(done - paced);
        paced = done;
      },
    });
  } finally {
    bar.stop();
  }
}

function answerOf({ scrub, waiting }: Outcome): object {
  return {
    Blobs: scrub.blobs,
    Bytes: scrub.bytes,
    Damaged: scrub.damaged.map(({ diffId, reason }) => ({
      Layer: diffId,
      Reason: reason,
      Rebuilt: !waiting.has(diffId),
      ...(waiting.has(diffId) ? { Error: waiting.get(diffId) } : {}),
    })),
    SnapshotsRestored: scrub.snapshots.restored,
    SnapshotsLost: scrub.snapshots.lost,
  };
}

function show(io: Io, { scrub, waiting }: Outcome): void {
  for (const { diffId, reason } of scrub.damaged) {
    printLine(io, plain(`${diffId} ${reason}: ${waiting.get(diffId) ?? 'rebuilt from the registry'}`));
  }
  if (scrub.snapshots.restored > 0) printLine(io, `${scrub.snapshots.restored} snapshot manifests written anew`);
  const found = scrub.damaged.length === 0 ? 'all right' : `${scrub.damaged.length} damaged`;
  printLine(io, `${scrub.blobs} layers, ${formatBytes(scrub.bytes)} read: ${found}`);
}

function unrepaired({ scrub, waiting }: Outcome, isServed: boolean): LarderError {
  const layers = `${waiting.size} layers and ${scrub.snapshots.lost} snapshot manifests are damaged and not rebuilt`;
  const next = isServed
    ? 'update the image caches whose events say so, with the credentials of their registries'
    : 'no server runs: larder serve rebuilds them';
  return new LarderError('cli.scrub-damaged', `${layers}; ${next}`);
}
