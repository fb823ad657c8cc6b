import type { Clock } from '../lib/clock.ts';
import { type Action, type ActionTable, ECI_VERSION } from './action.ts';
import { ApiError, apiError } from './api-error.ts';
import type { Authenticate, Caller } from './authenticate.ts';
import { checkContentMd5 } from './content-md5.ts';
import { detectScheme } from './credentials.ts';
import { chooseFormat, defaultFormat } from './format.ts';
import { type Parameters, readParameters } from './parameters.ts';
import { parseParams } from './parse-params.ts';
import { renderError, renderResult } from './render.ts';
import type { ResultObject } from './result.ts';
import { headerText, type RpcLog, type RpcRequest, type RpcResponse } from './types.ts';

/** A call whose signature was found good, before its business parameters are looked at. */
export type AuthenticatedCall = {
  readonly request: RpcRequest;
  readonly parameters: Parameters;
  readonly caller: Caller;
  readonly action: Action;
  readonly regionId: string;
  readonly requestId: string;
};

/** For logs and metrics; `action` is undefined unless it is one of the table, so that callers can't invent label values. */
export type FinishedCall = {
  readonly requestId: string;
  readonly action: string | undefined;
  readonly accountId: string | undefined;
  readonly status: number;
  /** Undefined for a success. */
  readonly code: string | undefined;
  readonly durationMs: number;
  readonly peer: string;
};

/** How an authenticated call ended. */
export type CallOutcome = {
  readonly nowMs: number;
  readonly status: number;
  /** Undefined for a success. */
  readonly code: string | undefined;
  /** Of a success. */
  readonly result: ResultObject | undefined;
};

export type RpcHandlerOptions = {
  readonly actions: ActionTable;
  readonly authenticate: Authenticate;
  /** Throws 403 `NoPermission` or another refusal. */
  readonly authorize?: (call: AuthenticatedCall) => Promise<void>;
  /** After the parameters were found good, before the handler runs: the state of the account. */
  readonly guard?: (call: AuthenticatedCall) => Promise<void>;
  /** Flow control: throws `Throttling.User` with a retryAfterMs. */
  readonly admit?: (call: AuthenticatedCall) => Promise<void>;
  readonly clock: Clock;
  /** An upper-case UUID, new each time. */
  readonly newRequestId: () => string;
  readonly log: RpcLog;
  /** Every call whose signature was good, before it is answered. */
  readonly audit?: (call: AuthenticatedCall, outcome: CallOutcome) => Promise<void>;
  readonly onFinished?: (call: FinishedCall) => void;
  /** Of an error that is not meant for the caller: whether the same call may succeed later. */
  readonly mayPass?: (error: unknown) => boolean;
};

/** `isAbandoned`: whether the caller is gone or the server stops; what fails then is nothing to report. */
export type RpcHandler = (request: RpcRequest, isAbandoned?: () => boolean) => Promise<RpcResponse>;

/** Unknown versions that get a warning of their own; a caller must not be able to fill the log or our memory. */
const MAX_VERSION_WARNINGS = 20;
/** Taken by every action, and in the vendor's table of errors, though not among its parameters. */
const DRY_RUN = { DryRun: { type: 'boolean', default: false, doc: 'Checks everything and changes nothing.' } } as const;
const VERSION = /^\d{4}-\d\d-\d\d$/;

/**
 * The gateway: answers every request, whatever it holds, with a response in the caller's format, and never throws. The checks
 * come in the vendor's order, which clients can tell from the error they get.
 */
export function createRpcHandler(options: RpcHandlerOptions): RpcHandler {
  const { actions, authenticate, authorize, admit, guard, audit, clock, newRequestId, log } = options;
  const warnedVersions = new Set<string>();

  return async (request, isAbandoned = () => false) => {
    const startMs = clock.now();
    const requestId = newRequestId();
    let format = defaultFormat(request.headers);
    let action: Action | undefined;
    let call: AuthenticatedCall | undefined;
    let result: ResultObject | undefined;
    let response: RpcResponse;
    let code: string | undefined;
    try {
      if (request.method !== 'GET' && request.method !== 'POST') throw apiError('UnsupportedHTTPMethod');
      const parameters = readParameters(request);
      format = chooseFormat(request.headers, parameters.all);
      if (request.refused) throw request.refused;
      checkContentMd5(request);
      action = findAction(request, parameters.all);
      const caller = await authenticate(request, parameters);
      const regionId = parameters.all.get('RegionId') ?? '';
      call = { request, parameters: parameters.all, caller, action, regionId, requestId };
      await authorize?.(call);
      await admit?.(call);
      const run = action.prepare(parameters.all);
      const dryRun = parameters.all.has('DryRun') && parseParams(DRY_RUN, parameters.all).DryRun;
      await guard?.(call);
      const context = {
        ...caller,
        action: action.name,
        requestId,
        regionId,
        nowMs: startMs,
        log,
        peer: request.peer,
        host: headerText(request.headers, 'host') ?? '',
        secure: request.secure ?? false,
        beforeChange: () => endDryRun(dryRun),
      };
      result = await run(context);
      endDryRun(dryRun);
      response = renderResult(result, { action: action.name, format, requestId });
    } catch (thrown) {
      const error = toApiError(thrown, { requestId, action: action?.name }, isAbandoned);
      code = error.code;
      response = renderError(error, { format, requestId, hostId: hostOf(request) });
    }
    if (call && audit) {
      const made = code === undefined ? result : undefined;
      await audit(call, { nowMs: startMs, status: response.status, code, result: made });
    }
    options.onFinished?.({
      requestId,
      action: action?.name,
      accountId: call?.caller.accountId,
      status: response.status,
      code,
      durationMs: clock.now() - startMs,
      peer: request.peer,
    });
    return response;
  };

  function findAction(request: RpcRequest, parameters: Parameters): Action {
    const version = systemParameter('Version', request, parameters);
    if (!VERSION.test(version)) throw apiError('InvalidVersion');
    const name = systemParameter('Action', request, parameters);
    const action = request.path === '/' ? actions.get(name) : undefined;
    // The vendor documents InvalidAction.NotFound with the same status and text; ECI's own pages name this one.
    if (action === undefined) throw apiError('InvalidApi.NotFound');
    if (version !== (action.version ?? ECI_VERSION)) warnOfVersion(version, action.name);
    return action;
  }

  /** Other versions are served all the same: what clients call differs only in fields they don't read. */
  function warnOfVersion(version: string, action: string): void {
    if (warnedVersions.has(version) || warnedVersions.size >= MAX_VERSION_WARNINGS) return;
    warnedVersions.add(version);
    log.warn({ version, action }, 'call of an unknown API version, served as the known one');
  }

  /** Whatever was thrown, as what the caller may see; an error that is not meant for the caller goes to the log instead. */
  function toApiError(
    thrown: unknown,
    facts: { requestId: string; action: string | undefined },
    isAbandoned: () => boolean,
  ): ApiError {
    if (thrown instanceof ApiError) return thrown;
    if (isAbandoned()) return apiError('ServiceUnavailable');
    log.error({ ...facts, err: thrown }, 'call failed inside the server');
    return failureAnswer(thrown, options.mayPass);
  }
}

/** What a caller is told of an error that is not meant for callers. `mayPass`: whether the same call may succeed later. */
export function failureAnswer(thrown: unknown, mayPass?: (error: unknown) => boolean): ApiError {
  return apiError(mayPass?.(thrown) ? 'ServiceUnavailable' : 'InternalError');
}

/**
 * `Action` and `Version`. V1 signs parameters only, so its headers of the same meaning don't count; V3 prefers the header,
 * with the parameter for clients that send that instead; unsigned requests are refused later and may use either.
 */
function systemParameter(name: 'Action' | 'Version', request: RpcRequest, parameters: Parameters): string {
  const parameter = parameters.get(name);
  const header = headerText(request.headers, `x-acs-${name.toLowerCase()}`);
  const scheme = detectScheme(request.headers, parameters);
  const value = scheme === 'V1' ? parameter : scheme === 'V3' ? header || parameter : parameter || header;
  if (!value) throw apiError('Missing{Param}', { Param: name });
  return value;
}

/** A dry run that got this far passed every check; the vendor reports that as an error. */
function endDryRun(dryRun: boolean): void {
  if (dryRun) throw apiError('DryRunOperation');
}

/** The domain the caller named, without the port. */
function hostOf(request: RpcRequest): string {
  return (headerText(request.headers, 'host') ?? '').replace(/:\d*$/, '');
}
