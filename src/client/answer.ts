import { LarderError } from '../lib/errors.ts';
import { ApiCallError } from './api-call-error.ts';

/** A page of 100 caches with 50 events each is about 2 MB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The whole body as text, up to a bound. */
export async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new LarderError('client.bad-answer', `the server's answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The result of a call, or its error thrown. */
export function parseAnswer(status: number, text: string): Record<string, unknown> {
  if (status !== 200) throw refusal(status, text);
  const value = parseJson(text);
  if (!isRecord(value)) throw notJson(text);
  return value;
}

/** The error of an answer; one of a proxy, which is no JSON of ours, is told by its status. */
export function refusal(status: number, text: string): LarderError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new LarderError(
      'client.bad-answer',
      `the server answered with HTTP status ${status} and no error of the API`,
      {
        facts: { status },
      },
    );
  }
  const field = (name: string) => (isRecord(value) && typeof value[name] === 'string' ? value[name] : '');
  return new ApiCallError({
    apiCode: field('Code') || 'UnknownError',
    apiMessage: field('Message') || `HTTP status ${status}`,
    requestId: field('RequestId'),
    status,
  });
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notJson(text);
  }
}

function notJson(text: string): LarderError {
  return new LarderError('client.bad-answer', `the server's answer is no JSON object: ${text.slice(0, 80)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
