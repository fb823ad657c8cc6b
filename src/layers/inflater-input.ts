import { describeError, LarderError } from '../lib/errors.ts';

/** A source whose own failure is told apart from the inflater's. */
export type Input = {
  /** The next chunk that isn't empty, or undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  failure: { error: unknown } | undefined;
  close(): Promise<void>;
};

export function inputOf(source: AsyncIterable<Uint8Array>): Input {
  const iterator = source[Symbol.asyncIterator]();
  const input: Input = { next, failure: undefined, close };
  async function next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    } catch (error) {
      input.failure = { error };
      throw error;
    }
  }
  async function close(): Promise<void> {
    await iterator.return?.();
  }
  return input;
}

/** For input that no inflater takes; `offset` counts compressed bytes. */
export function corruptInput(name: string, offset: number, cause: unknown): LarderError {
  return new LarderError(
    'layers.corrupt',
    `the layer is corrupt, no sound ${name} stream: ${describeError(cause)}, near compressed byte ${offset}`,
    { cause, facts: { stage: name, offset } },
  );
}

/** A Writable of node's. */
type ByteSink = { write(bytes: Uint8Array, done: (error?: Error | null) => void): unknown };

/** Resolves when the stream has taken the bytes and looks at their memory no more. Rejects when it will not. */
export function writeTo(stream: ByteSink, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
