import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  canonicalParameters,
  canonicalRequestV3,
  ECI_VERSION,
  flattenParameters,
  formatAuthorization,
  sha256Hex,
  signV1,
  signV3,
  stringToSignV1,
  stringToSignV3,
  V3_ALGORITHM,
  type WireValue,
} from '../../src/rpc/index.ts';
import { parseXml, type XmlElement } from './xml.ts';

export type Params = { readonly [name: string]: WireValue };
export type Key = { readonly id: string; readonly secret: string; readonly token?: string };

/** How a call goes over the wire; V1, POST and JSON with everything in the query unless it says otherwise. */
export type Wire = {
  readonly scheme?: 'V1' | 'V3';
  readonly method?: string;
  /** Where the parameters go; `mixed` puts every second one into the form. */
  readonly place?: 'query' | 'form' | 'mixed';
  /** V1: the parameter Format (null leaves it out). V3: the header Accept. */
  readonly format?: 'JSON' | 'XML' | 'json' | 'xml' | (string & {}) | null;
  readonly version?: string;
  /** Replaces or, with null, leaves out system parameters (V1) or headers (V3) before the signature is made. */
  readonly system?: { readonly [name: string]: string | null };
  /** Changes what is sent after the signature was made. */
  readonly tamper?: { readonly [name: string]: string };
  /** Rewrites the header Authorization after the signature was made. */
  readonly authorization?: (text: string) => string;
  /** Headers beside those of the scheme, unsigned. */
  readonly headers?: { readonly [name: string]: string };
  readonly key?: Key;
  readonly path?: string;
};

export type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
  /** Read field by field, as a client reads JSON. */
  readonly json: ReturnType<typeof JSON.parse>;
  readonly xml: XmlElement;
};

const POLL_MS = 20;
const READY_TIMEOUT_MS = 20_000;

/** Calls over the wire with the key of one account, which is new and empty. */
export class Client {
  readonly endpoint: string;
  readonly accountId: string;
  readonly key: Key;
  readonly regionId = 'cn-hangzhou';
  /** A reference that builds. */
  readonly image: string;

  constructor(options: { endpoint: string; accountId: string; key: Key; image: string }) {
    this.endpoint = options.endpoint;
    this.accountId = options.accountId;
    this.key = options.key;
    this.image = options.image;
  }

  /** The same account with another key. */
  withKey(key: Key): Client {
    return new Client({ endpoint: this.endpoint, accountId: this.accountId, key, image: this.image });
  }

  async call(action: string, params: Params = {}, wire: Wire = {}): Promise<Answer> {
    const all = flattenParameters({ RegionId: this.regionId, ...params });
    return wire.scheme === 'V3' ? this.#callV3(action, all, wire) : this.#callV1(action, all, wire);
  }

  /** The answer of a call that must succeed, parsed. */
  async ok(action: string, params: Params = {}, wire: Wire = {}): Promise<Answer['json']> {
    const answer = await this.call(action, params, wire);
    assert.equal(answer.status, 200, answer.body);
    return answer.json;
  }

  /** A call that must be refused with this status and code, and message if given. */
  async refused(
    action: string,
    params: Params,
    expected: { status: number; code: string; message?: string | RegExp },
    wire: Wire = {},
  ): Promise<Answer> {
    const answer = await this.call(action, params, wire);
    assert.deepEqual([answer.status, answer.json.Code], [expected.status, expected.code], answer.body);
    if (typeof expected.message === 'string') assert.equal(answer.json.Message, expected.message);
    else if (expected.message) assert.match(answer.json.Message, expected.message);
    return answer;
  }

  /** Creates a cache of the small image (unless `Image` says otherwise) and waits until its build has ended. */
  async create(params: Params = {}): Promise<string> {
    const { ImageCacheId } = await this.ok('CreateImageCache', {
      ImageCacheName: 'test',
      Image: [this.image],
      ...params,
    });
    await this.settled(ImageCacheId, params.RegionId);
    return ImageCacheId;
  }

  /** The cache as DescribeImageCaches shows it. */
  async cache(id: string, RegionId: WireValue = this.regionId): Promise<Answer['json']> {
    return (await this.ok('DescribeImageCaches', { ImageCacheId: id, RegionId })).ImageCaches[0];
  }

  /** The cache once no build works on it. */
  async settled(id: string, regionId?: WireValue): Promise<Answer['json']> {
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      const cache = await this.cache(id, regionId);
      if (['Ready', 'Failed', 'UpdateFailed'].includes(cache.Status)) return cache;
      assert.ok(Date.now() < deadlineMs, `still ${cache.Status}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until something that the server does beside its answers is done. */
  async until(isDone: () => Promise<boolean>): Promise<void> {
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    while (!(await isDone())) {
      assert.ok(Date.now() < deadlineMs, 'it did not happen');
      await sleep(POLL_MS);
    }
  }

  #callV1(action: string, all: ReadonlyMap<string, string>, wire: Wire): Promise<Answer> {
    const { method = 'POST', format = 'JSON', key = this.key } = wire;
    const system: Record<string, string | null> = {
      Action: action,
      Version: wire.version ?? ECI_VERSION,
      Format: format,
      AccessKeyId: key.id,
      SignatureMethod: 'HMAC-SHA1',
      SignatureVersion: '1.0',
      SignatureNonce: randomUUID(),
      Timestamp: nowText(),
      SecurityToken: key.token ?? null,
      ...wire.system,
    };
    const parameters = new Map([...all, ...Object.entries(system).filter(isThere)]);
    if (system.Signature === undefined)
      parameters.set('Signature', signV1(stringToSignV1(method, parameters), key.secret));
    for (const [name, value] of Object.entries(wire.tamper ?? {})) parameters.set(name, value);
    const { query, form } = place(parameters, wire.place ?? 'query');
    return this.#send({ method, path: wire.path ?? '/', query, form, headers: { ...wire.headers } });
  }

  #callV3(action: string, all: ReadonlyMap<string, string>, wire: Wire): Promise<Answer> {
    const { method = 'POST', format = 'JSON', key = this.key } = wire;
    const { query, form } = place(new Map(all), wire.place ?? 'query');
    const body = Buffer.from(canonicalParameters(form));
    const system: Record<string, string | null> = {
      'x-acs-action': action,
      'x-acs-version': wire.version ?? ECI_VERSION,
      'x-acs-date': nowText(),
      'x-acs-signature-nonce': randomUUID(),
      'x-acs-content-sha256': sha256Hex(body),
      'x-acs-security-token': key.token ?? null,
      ...(body.length > 0 ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...wire.system,
    };
    const headers: Record<string, string> = Object.fromEntries(
      Object.entries({ host: this.endpoint, ...system }).filter(isThere),
    );
    const path = wire.path ?? '/';
    const signedHeaders = Object.keys(headers).toSorted(byText).join(';');
    const headerMap = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));
    const canonical = canonicalRequestV3({ method, path, headers: headerMap, body }, query, signedHeaders);
    const signature = signV3(stringToSignV3(canonical), key.secret);
    headers.authorization = formatAuthorization({
      algorithm: V3_ALGORITHM,
      accessKeyId: key.id,
      signedHeaders,
      signature,
    });
    if (format !== null)
      headers.accept = format.includes('/') || format === '' ? format : `application/${format.toLowerCase()}`;
    Object.assign(headers, wire.headers, wire.tamper);
    if (wire.authorization) headers.authorization = wire.authorization(headers.authorization);
    return this.#send({ method, path, query, form, headers });
  }

  async #send(options: {
    method: string;
    path: string;
    query: ReadonlyMap<string, string>;
    form: ReadonlyMap<string, string>;
    headers: Record<string, string>;
  }): Promise<Answer> {
    const query = canonicalParameters(options.query);
    const path = `${options.path}${query === '' ? '' : `?${query}`}`;
    return send(this.endpoint, { ...options, path, body: canonicalParameters(options.form) });
  }
}

/** `OK`, or the code of the refusal, whatever the format of the answer. */
export function codeOf({ status, body }: Answer): string {
  if (status === 200) return 'OK';
  return /"Code":"([^"]*)"|<Code>([^<]*)<\/Code>/.exec(body)?.slice(1).find(Boolean) ?? body;
}

/** One request, just as it is given. */
export function send(
  endpoint: string,
  options: { method: string; path: string; headers?: Record<string, string>; body?: string },
): Promise<Answer> {
  const { method, path, body = '' } = options;
  const type = body === '' ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `http://${endpoint}`,
      { method, path, headers: { ...type, ...options.headers } },
      (incoming) => {
        text(incoming).then(
          (answer) =>
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: answer,
              get json() {
                return JSON.parse(answer);
              },
              get xml() {
                return parseXml(answer);
              },
            }),
          reject,
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function place(parameters: ReadonlyMap<string, string>, where: 'query' | 'form' | 'mixed') {
  const isForm = (index: number) => where === 'form' || (where === 'mixed' && index % 2 === 1);
  const entries = [...parameters];
  return {
    query: new Map(entries.filter((_, index) => !isForm(index))),
    form: new Map(entries.filter((_, index) => isForm(index))),
  };
}

function isThere(entry: [string, string | null]): entry is [string, string] {
  return entry[1] !== null;
}

function nowText(): string {
  return new Date().toISOString().replace(/\.\d+/, '');
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
