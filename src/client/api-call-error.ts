import { LarderError } from '../lib/errors.ts';

/** The server's refusal of a call, as it gave it: `apiCode` is `QuotaExceeded`, `MissingRegionId` and so on. */
export class ApiCallError extends LarderError<'client.api-error'> {
  readonly apiCode: string;
  readonly apiMessage: string;
  /** Empty when the answer came from something in front of the API. */
  readonly requestId: string;
  /** HTTP status. */
  readonly status: number;

  constructor(answer: { apiCode: string; apiMessage: string; requestId: string; status: number }) {
    const { apiCode, apiMessage, requestId, status } = answer;
    const suffix = requestId === '' ? '' : ` (request ${requestId})`;
    super('client.api-error', `${apiCode}: ${apiMessage}${suffix}`, { facts: { apiCode, requestId, status } });
    this.name = 'ApiCallError';
    this.apiCode = apiCode;
    this.apiMessage = apiMessage;
    this.requestId = requestId;
    this.status = status;
  }
}
