/**
 * Preloaded into a server (`NODE_OPTIONS=--import …`): its clock is ahead of the machine's by the milliseconds that the file
 * FAULTS_CLOCK says, which it reads at its start and at SIGUSR2.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const realNow = Date.now;

/** What a server needs in its environment, and what moves its clock and that of this process. */
export function movingClock(file: string) {
  let offsetMs = 0;
  return {
    env: { NODE_OPTIONS: `--import ${pathToFileURL(import.meta.filename).href}`, FAULTS_CLOCK: file },
    /** Reads the file again. */
    read(): void {
      offsetMs = Number(readFileSync(file, 'utf8'));
      Date.now = () => realNow() + offsetMs;
    },
    [Symbol.dispose]() {
      Date.now = realNow;
    },
  };
}

const { FAULTS_CLOCK } = process.env;
if (FAULTS_CLOCK !== undefined) {
  const clock = movingClock(FAULTS_CLOCK);
  clock.read();
  process.on('SIGUSR2', () => clock.read());
}
