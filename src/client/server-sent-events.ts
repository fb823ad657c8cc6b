import { LarderError } from '../lib/errors.ts';

/** Longer than any message of ours; a peer that sends no line end must not fill our memory. */
export const MAX_EVENT_CHARS = 4 * 1024 * 1024;

/**
 * The data of each event of a `text/event-stream` (HTML standard, 9.2.6), its lines joined; comments and the other fields
 * are left out, and so is an event that the end of the stream cuts off.
 */
export async function* eventData(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let data: string[] = [];
  let chars = 0;
  for await (const line of textLines(chunks)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
      chars = 0;
      continue;
    }
    const field = /^data(?:: ?(.*))?$/s.exec(line);
    if (field === null) continue;
    chars += line.length;
    if (chars > MAX_EVENT_CHARS) throw tooLong();
    data.push(field[1] ?? '');
  }
}

/** Lines end in LF, CR LF or CR. */
async function* textLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A CR at the end of what is here may be the first half of a CR LF: it waits for the next chunk.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_EVENT_CHARS) throw tooLong();
    yield* lines;
  }
  if (rest.endsWith('\r')) yield rest.slice(0, -1);
}

function tooLong(): LarderError {
  return new LarderError(
    'client.event-too-long',
    `an event of the server is longer than ${MAX_EVENT_CHARS} characters`,
  );
}
