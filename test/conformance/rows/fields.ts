import assert from 'node:assert/strict';
import type { Answer } from '../client.ts';
import { FIELDS, type FieldType } from '../field-types.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';
import { sampleAnswers } from '../sample-answers.ts';
import type { XmlElement } from '../xml.ts';

type Json = Answer['json'];

const UUID = /^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
/** The vendor has it until the snapshot is there; here the snapshot is there at once. */
const NEVER = 'ImageCaches.FlashSnapshotId';
/** Lists that are empty in every answer. */
const EMPTY = 'Regions.UnavailableZones';

const CHECKS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  id: (value) => typeof value === 'string' && UUID.test(value),
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  time: (value) => typeof value === 'string' && TIME.test(value) && !Number.isNaN(Date.parse(value)),
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  object: isObject,
  objects: (value) => Array.isArray(value) && value.every(isObject),
};
const NAMES: Readonly<Record<FieldType, string>> = {
  id: 'an upper-case UUID',
  string: 'a string',
  integer: 'a number',
  boolean: 'true or false',
  time: 'a time such as 2021-02-09T02:24:07Z',
  strings: 'an array of strings',
  object: 'an object',
  objects: 'an array of objects',
};

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every value of a field, wherever its path leads: through objects and through each element of arrays. */
function valuesAt(json: Json, path: readonly string[]): Json[] {
  const [name, ...rest] = path;
  if (name === undefined) return [json];
  const parents: Json[] = Array.isArray(json) ? json : [json];
  return parents.flatMap((parent) => (name in parent ? valuesAt(parent[name], rest) : []));
}

/** The elements of a field; at each level an array is its elements, one after the other, under its own name. */
function elementsAt(parent: XmlElement, path: readonly string[]): XmlElement[] {
  const [name, ...rest] = path;
  if (name === undefined) return [parent];
  return parent.children.filter((child) => child.name === name).flatMap((child) => elementsAt(child, rest));
}

/** Paths of all fields that there are in an answer. */
function pathsOf(json: Json, prefix = ''): string[] {
  const entries = Object.entries<Json>(json);
  return entries.flatMap(([name, value]) => {
    const items: Json[] = Array.isArray(value) ? value : [value];
    const below = items.filter(isObject).flatMap((item) => pathsOf(item, `${prefix}${name}.`));
    return [`${prefix}${name}`, ...below];
  });
}

/** Whether the XML says the same as the JSON: the same names, flat repeated elements, the same texts. */
function assertSame(xml: XmlElement, json: Json): void {
  const names = new Set([...Object.keys(json), ...xml.children.map(({ name }) => name)]);
  for (const name of names) {
    const elements = xml.children.filter((child) => child.name === name);
    const values: Json[] = json[name] === undefined ? [] : [json[name]].flat();
    assert.equal(elements.length, values.length, `${name} in ${xml.name}`);
    for (const [index, element] of elements.entries()) {
      if (isObject(values[index])) assertSame(element, values[index]);
      else if (name !== 'RequestId') assert.equal(element.text, String(values[index]), name);
    }
  }
}

function fieldRows(action: string, name: string, type: FieldType): Row[] {
  const row = rowsOf(action);
  const path = name.split('.');
  if (name === NEVER) {
    return [
      row('field', name, 'is never there: the snapshot itself is there at once', async (live) => {
        const { json } = await sampleAnswers(live, action);
        assert.deepEqual(valuesAt(json.json, path), []);
      }),
    ];
  }
  return [
    row('field', name, `JSON: ${NAMES[type]}`, async (live) => {
      const values = valuesAt((await sampleAnswers(live, action)).json.json, path);
      assert.ok(values.length > 0, 'it is not there');
      for (const value of values) assert.ok(CHECKS[type](value), JSON.stringify(value));
    }),
    row('field', name, `XML: ${xmlForm(name, type)}`, async (live) => {
      const { json, xml } = await sampleAnswers(live, action);
      const values = valuesAt(json.json, path).flat();
      const elements = elementsAt(xml.xml, path);
      assert.equal(elements.length, values.length);
      assert.ok(values.length > 0 || name === EMPTY);
      for (const element of elements) {
        if (type === 'object' || type === 'objects') assert.ok(element.children.length > 0);
        else assert.ok(textFits(type, element.text), element.text);
      }
    }),
  ];
}

function xmlForm(name: string, type: FieldType): string {
  if (name === EMPTY) return 'no element, because the list is empty';
  if (type === 'strings' || type === 'objects')
    return 'one element each, with the name of the list and nothing around them';
  return type === 'object' ? 'an element with the fields in it' : 'the text of an element';
}

function textFits(type: FieldType, text: string): boolean {
  if (type === 'integer') return /^-?\d+$/.test(text);
  if (type === 'boolean') return text === 'true' || text === 'false';
  return type === 'strings' || CHECKS[type](text);
}

function formatRows(action: string): Row[] {
  const row = rowsOf(action);
  const { oldest, newest } = FIELDS[action] ?? assert.fail(action);
  const root = action === GATEWAY ? 'Error' : `${action}Response`;
  return [
    row('format', 'JSON', 'exactly the fields of the newest page, at top level and with no wrappers', async (live) => {
      const { json } = await sampleAnswers(live, action);
      assert.equal(json.headers['content-type'], 'application/json;charset=utf-8');
      assert.equal(json.headers['x-acs-request-id'], json.json.RequestId);
      const expected = Object.keys(newest).filter((name) => name !== NEVER);
      assert.deepEqual([...new Set(pathsOf(json.json))].toSorted(byText), expected.toSorted(byText));
    }),
    row('format', 'XML', `the same as in JSON, in <${root}>, without attributes`, async (live) => {
      const { json, xml } = await sampleAnswers(live, action);
      assert.equal(xml.headers['content-type'], 'text/xml;charset=utf-8');
      assert.equal(xml.headers['x-acs-request-id'], elementsAt(xml.xml, ['RequestId'])[0]?.text);
      assert.equal(xml.xml.name, root);
      if (isRepeatable(action)) assertSame(xml.xml, json.json);
      else
        assert.deepEqual(
          xml.xml.children.map(({ name }) => name),
          Object.keys(json.json),
        );
    }),
    ...(oldest === undefined
      ? []
      : (['JSON', 'XML'] as const).map((format) =>
          row('format', format, 'every field of the oldest page', async (live) => {
            const { json, xml } = await sampleAnswers(live, action);
            const isThere = (name: string) =>
              format === 'JSON'
                ? valuesAt(json.json, name.split('.')).length > 0
                : elementsAt(xml.xml, name.split('.')).length > 0;
            assert.deepEqual(
              oldest.filter((name) => !isThere(name)),
              [],
            );
          }),
        )),
  ];
}

/** Answers with nothing in them that belongs to one call, but RequestId. */
function isRepeatable(action: string): boolean {
  return /^(Describe|List)/.test(action);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** The type of every field of every answer, in both formats. */
export const fields: readonly Row[] = Object.entries(FIELDS).flatMap(([action, { newest }]) => [
  ...Object.entries(newest).flatMap(([name, type]) => fieldRows(action, name, type)),
  ...formatRows(action),
]);
