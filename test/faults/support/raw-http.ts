import { connect } from 'node:net';

const ANSWER_TIMEOUT_MS = 10_000;
/** After its answer, a connection that the server keeps open is closed from this side. */
const QUIET_MS = 15;

/** All status codes that came back for these bytes, whatever they are; throws when the server neither answers nor closes. */
export function statusesOf(address: { host: string; port: number }, bytes: Uint8Array): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const chunks: Buffer[] = [];
    let quiet: NodeJS.Timeout | undefined;
    const deadline = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(
          `no answer within ${ANSWER_TIMEOUT_MS} ms to ${Buffer.from(bytes).toString('base64').slice(0, 2000)}`,
        ),
      );
    }, ANSWER_TIMEOUT_MS);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.destroy(), QUIET_MS);
    });
    // Cutting us off is an answer too; that the server is still there is asked separately.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(deadline);
      clearTimeout(quiet);
      const text = Buffer.concat(chunks).toString('latin1');
      resolve([...text.matchAll(/^HTTP\/1\.[01] (\d{3}) /gm)].map(([, status]) => Number(status)));
    });
    socket.end(bytes);
  });
}
