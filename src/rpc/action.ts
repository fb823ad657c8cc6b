import type { ErrorKey } from './api-error.ts';
import type { Caller } from './authenticate.ts';
import type { Parameters } from './parameters.ts';
import { parseParams } from './parse-params.ts';
import type { ResultObject } from './result.ts';
import type { ParamSpecs, ParamValues, ResultSpecs, ResultValues } from './spec.ts';
import type { RpcLog } from './types.ts';

/** The version of all ECI actions. */
export const ECI_VERSION = '2018-08-08';

/** An action as data: what documentation, command line and conformance tests are made from. */
export type ActionSpec = {
  readonly name: string;
  /** One line, for lists and help. */
  readonly summary: string;
  /** ECI_VERSION when absent. */
  readonly version?: string;
  /** What a RAM policy calls it, `eci:DeleteImageCache`; absent for actions no policy governs. */
  readonly ramAction?: string;
  /** Resource part of the ARN; `imagecache/{ImageCacheId}` takes the parameter's value, `*` when it was not sent. */
  readonly ramResource?: string;
  readonly params: ParamSpecs;
  /** Absent: RequestId only. */
  readonly result?: ResultSpecs;
  /** Errors of its own, beside those every action has. */
  readonly errors?: readonly ErrorKey[];
};

/** What a handler knows about the call beside its parameters. */
export type ActionContext = Caller & {
  readonly action: string;
  readonly requestId: string;
  /** As sent; empty for the few actions that take none. */
  readonly regionId: string;
  /** The time of the call. */
  readonly nowMs: number;
  readonly log: RpcLog;
  /** Address of the caller. */
  readonly peer: string;
  /** `host:port` as the caller reached this server, and whether over TLS. */
  readonly host: string;
  readonly secure: boolean;
  /**
   * Throws `DryRunOperation` when the caller asked for a dry run. A handler that changes something calls it after all its
   * checks, where throwing still leaves everything as it was.
   */
  readonly beforeChange: () => void;
};

/** A spec with its handler. */
export type Action = ActionSpec & {
  /** Checks the parameters, throwing an ApiError at the first bad one, and gives back the call, ready to run. */
  prepare(parameters: Parameters): (context: ActionContext) => Promise<ResultObject>;
};

/** Actions by name. */
export type ActionTable = ReadonlyMap<string, Action>;

/**
 * Checks a handler against its spec: `run` gets the parameters as the spec types them, under their wire names
 * (`params.ImageCacheName`), and must return the result's fields. A handler that needs services is made by a function that
 * takes them: `export const deleteImageCache = (services: Services) => defineAction({ … })`.
 */
export function defineAction<const Params extends ParamSpecs, const Result extends ResultSpecs = Record<string, never>>(
  action: Omit<ActionSpec, 'params' | 'result'> & {
    readonly params: Params;
    readonly result?: Result;
    readonly run: (params: ParamValues<Params>, context: ActionContext) => Promise<ResultValues<Result>>;
  },
): Action {
  const { run, ...spec } = action;
  return {
    ...spec,
    prepare(parameters) {
      const params = parseParams(spec.params, parameters);
      return (context) => run(params, context);
    },
  };
}

/** Throws when two actions have one name: a mistake of ours, found at the start. */
export function actionTable(actions: readonly Action[]): ActionTable {
  const table = new Map(actions.map((action) => [action.name, action]));
  if (table.size < actions.length) throw new TypeError('two actions have the same name');
  return table;
}
