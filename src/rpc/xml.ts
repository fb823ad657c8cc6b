import { RawJson, type ResultObject, type ResultValue } from './result.ts';

/** What XML 1.0 can't hold even escaped: control characters, lone surrogates, U+FFFE and U+FFFF. */
const NOT_XML = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // A reader would turn a bare one into a line feed (XML 1.0, 2.11).
  '\r': '&#13;',
};

/**
 * A document in the gateway's form: scalars as child elements, every list, at each level, as the repetition of an element
 * with the list's own name; no attributes, and nothing at all for an empty list.
 */
export function toXml(root: string, value: ResultObject): string {
  return `<?xml version='1.0' encoding='UTF-8'?>${element(root, value)}`;
}

/** Escapes text for an element; what XML can't hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text.replace(NOT_XML, '\ufffd').replace(/[&<>"'\r]/g, (char) => ESCAPES[char] ?? char);
}

function element(name: string, value: ResultValue): string {
  if (value === undefined) return '';
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  if (value instanceof RawJson) return element(name, value.toJSON());
  if (isList(value)) return value.map((item) => element(name, item)).join('');
  const children = Object.entries(value).map(([child, item]) => element(child, item));
  return `<${name}>${children.join('')}</${name}>`;
}

function isList(value: object): value is readonly ResultValue[] {
  return Array.isArray(value);
}
