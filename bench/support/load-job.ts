/** What a load generator is to send, and what it saw. */
export type LoadJob = {
  readonly port: number;
  readonly connections: number;
  /** Sent first, and not measured. */
  readonly warmUpCalls: number;
  readonly calls: number;
  readonly requests: RequestSource;
};

/** `signed`: calls of the API, each signed afresh; taken in turn, from the first again. `ready`: the text of whole requests. */
export type RequestSource =
  | {
      readonly kind: 'signed';
      readonly scheme: 'V1' | 'V3';
      readonly accessKeyId: string;
      readonly accessKeySecret: string;
      readonly calls: readonly Readonly<Record<string, string>>[];
    }
  | { readonly kind: 'ready'; readonly texts: readonly string[] };

export type LoadResult = {
  readonly calls: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly bytesPerAnswer: number;
  /** Answers of another status than 200. */
  readonly failures: number;
  readonly firstFailure?: string;
  /** One of the answers' bodies. */
  readonly sample: string;
};

/** From the generator, in this order. */
export type LoadMessage =
  | { readonly type: 'begin' }
  | { readonly type: 'end' }
  | { readonly type: 'result'; readonly result: LoadResult };
