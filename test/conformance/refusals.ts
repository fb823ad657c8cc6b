/** What a refused parameter is answered: the code and the exact text. */
export type Refusal = { readonly status: number; readonly code: string; readonly message: string };

export const missing = (name: string): Refusal => ({
  status: 400,
  code: `Missing${name}`,
  message: `${name} is mandatory for this action.`,
});

export const notValid = (name: string): Refusal => ({
  status: 400,
  code: `Invalid${name}`,
  message: `Specified parameter ${name} is not valid.`,
});

export const tooLong = (name: string, limit: number): Refusal => ({
  status: 400,
  code: 'InvalidParameter.LengthExceeded',
  message: `The length of parameter ${name} exceeded limit: ${limit}.`,
});

export const outOfRange = (name: string, limit: number): Refusal => ({
  status: 400,
  code: 'InvalidParameter.ValueExceeded',
  message: `The value of parameter ${name} exceeded limit: ${limit}.`,
});

export const invalid = (name: string, reason: string): Refusal => ({
  status: 400,
  code: 'InvalidParameter',
  message: `The specified parameter ${name} is invalid, ${reason}.`,
});

export const notFound = (name: string, value: string): Refusal => ({
  status: 404,
  code: 'InvalidParameter.NotFound',
  message: `The specified ${name} ${value} does not exist.`,
});
