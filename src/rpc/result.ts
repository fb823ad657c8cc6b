/** A result before it is rendered; what is undefined is left out. */
export type ResultValue = string | number | boolean | undefined | readonly ResultValue[] | ResultObject | RawJson;
export type ResultObject = { readonly [name: string]: ResultValue };

/** A value of an answer that is JSON already: a JSON answer takes the text as it is, an XML answer parses it first. */
export class RawJson {
  readonly json: string | Buffer;

  constructor(json: string | Buffer) {
    this.json = json;
  }

  /** For every place where the text can't simply be put. */
  toJSON(): ResultValue {
    return JSON.parse(this.json.toString());
  }
}

/** `json` must be the text of one JSON value, in UTF-8 if it is a buffer; it is not looked at. */
export function rawJson(json: string | Buffer): RawJson {
  return new RawJson(json);
}
