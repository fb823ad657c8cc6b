/** A result before it is rendered; what is undefined is left out. */
export type ResultValue = string | number | boolean | undefined | readonly ResultValue[] | ResultObject | RawJson;
export type ResultObject = { readonly [name: string]: ResultValue };

/** A value of an answer that is JSON already: a JSON answer takes the text as it is, an XML answer parses it first. */
export class RawJson {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }

  /** For every place where the text can't simply be put. */
  toJSON(): ResultValue {
    return JSON.parse(this.json);
  }
}

/** `json` must be the text of one JSON value; it is not looked at. */
export function rawJson(json: string): RawJson {
  return new RawJson(json);
}
