import { apiError } from './api-error.ts';
import { detectScheme } from './credentials.ts';
import type { Parameters } from './parameters.ts';
import type { Format } from './render.ts';
import { headerText, type RpcRequest } from './types.ts';

const NO_PARAMETERS: Parameters = new Map();

/** The format of an error that comes up before the parameters are read: JSON for credentials in a header, else XML. */
export function defaultFormat(headers: RpcRequest['headers']): Format {
  return detectScheme(headers, NO_PARAMETERS) === 'none' ? 'XML' : 'JSON';
}

/**
 * V3 callers choose by `Accept` and get JSON when they don't care; V1 callers by the parameter `Format`, in any case, and get
 * XML when it is absent. Callers who will be refused for want of a signature get what they seem to ask for.
 * Throws 400 `InvalidParameter.Format` or `InvalidParameter.Accept`.
 */
export function chooseFormat(headers: RpcRequest['headers'], parameters: Parameters): Format {
  const scheme = detectScheme(headers, parameters);
  const accept = headerText(headers, 'accept')?.toLowerCase();
  const format = parameters.get('Format');
  if (format && scheme !== 'V3') return formatOfParameter(format);
  if (scheme === 'V3' || scheme === 'bearer') return formatOfAccept(accept ?? '*/*');
  return scheme === 'none' && accept?.includes('json') ? 'JSON' : 'XML';
}

function formatOfParameter(text: string): Format {
  const format = text.toUpperCase();
  if (format === 'JSON' || format === 'XML') return format;
  throw apiError('InvalidParameter.Format');
}

function formatOfAccept(accept: string): Format {
  if (/\bapplication\/json\b|\*\/\*|\bapplication\/\*/.test(accept)) return 'JSON';
  if (/\b(?:application|text)\/xml\b/.test(accept)) return 'XML';
  throw apiError('InvalidParameter.Accept');
}
