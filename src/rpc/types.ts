/** A request as any HTTP listener can hand it over; header names in lower case, repeated headers in order. */
export type RpcRequest = {
  readonly method: string;
  /** `/` for RPC. */
  readonly path: string;
  /** Query text as received, without the `?`. */
  readonly rawQuery: string;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Uint8Array;
  /** Address of the caller. */
  readonly peer: string;
};

export type RpcResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};
