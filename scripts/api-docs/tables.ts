import { ERRORS, type ParamSpecs, type ResultSpecs } from '../../src/rpc/index.ts';
import type { Row } from '../../test/conformance/row.ts';
import { VENDOR_ERRORS } from '../../test/conformance/vendor-errors.ts';
import { pagesOf } from '../../test/conformance/vendor-pages.ts';
import { cell, type FiledRow, linkTo, table } from './rows.ts';

/** Types as a reader of the wire sees them; the rest are called as in the specs. */
const PARAM_TYPES: Readonly<Record<string, string>> = { strings: 'string', objects: 'object' };
const FIELD_TYPES: Readonly<Record<string, string>> = { strings: 'list of strings', objects: 'list of objects' };
const HEAD = ['', 'type', 'limits', 'what it says', 'vendor’s pages', 'tests'];

/** The tables of one action, or of the gateway. */
export type Tables = {
  parameters(specs: ParamSpecs): string;
  fields(specs: ResultSpecs): string;
  errors(own: readonly string[]): string;
  /** All rows of a kind, by what they are about. */
  byName(kind: Row['kind']): string;
};

export function tablesOf(action: string, rows: readonly FiledRow[]): Tables {
  const own = rows.filter((row) => row.action === action);

  function links(kind: Row['kind'], name: string): string {
    return own
      .filter((row) => row.kind === kind && row.name === name)
      .map(linkTo)
      .join('; ');
  }

  function pages(kind: Row['kind'], name: string): string {
    return pagesOf({ action, kind, name }).join(', ');
  }

  function parameterLines(specs: ParamSpecs, prefix = ''): string[][] {
    return Object.entries(specs).flatMap(([key, spec]) => {
      if (spec.hidden) return [];
      const isList = spec.type === 'strings' || spec.type === 'objects';
      const path = `${prefix}${key}${isList ? '.N' : ''}`;
      const name = path.replaceAll('.N', '');
      const example = spec.example === undefined ? '' : ` Example: \`${spec.example}\`.`;
      const line = [
        `\`${path}\``,
        PARAM_TYPES[spec.type] ?? spec.type,
        limitsOf(spec).join('; '),
        `${cell(spec.doc)}${example}`,
        pages('parameter', name),
        links('parameter', name),
      ];
      return [line, ...(spec.type === 'objects' ? parameterLines(spec.fields, `${path}.`) : [])];
    });
  }

  function fieldLines(specs: ResultSpecs, prefix = ''): string[][] {
    return Object.entries(specs).flatMap(([key, spec]) => {
      const path = `${prefix}${key}`;
      const doc = `${cell(spec.doc)}${spec.optional ? ' May be absent.' : ''}`;
      const type = FIELD_TYPES[spec.type] ?? spec.type;
      const line = [`\`${path}\``, type, doc, pages('field', path), links('field', path)];
      return [line, ...('fields' in spec ? fieldLines(spec.fields, `${path}.`) : [])];
    });
  }

  return {
    parameters: (specs) => table(HEAD, parameterLines(specs)),
    fields: (specs) => table(['', 'type', 'what it says', 'vendor’s pages', 'tests'], fieldLines(specs)),
    errors(keys) {
      const tested = own.filter(({ kind }) => kind === 'error').map(({ name }) => name);
      const codes = [...new Set([...keys.map(codeOf), ...tested])].toSorted();
      const lines = codes.map((code) => {
        const texts = textsOf(action, code, keys);
        const status = [...new Set(texts.map(([number]) => number))].join(', ');
        const text = [...new Set(texts.map(([, message]) => cell(message)))].join('<br>');
        return [`\`${code}\``, status, text, pages('error', code), links('error', code)];
      });
      return table(['code', 'status', 'message', 'vendor’s pages', 'tests'], lines);
    },
    byName(kind) {
      const names = [...new Set(own.filter((row) => row.kind === kind).map(({ name }) => name))];
      return table(
        ['', 'tests'],
        names.map((name) => [`\`${name}\``, links(kind, name)]),
      );
    },
  };
}

function limitsOf(spec: ParamSpecs[string]): string[] {
  return [
    ...(spec.required ? ['required'] : []),
    ...(spec.type === 'integer' ? [`${spec.min ?? ''}–${spec.max ?? ''}`] : []),
    ...('maxItems' in spec ? [`up to ${spec.maxItems}`] : []),
    ...('maxLength' in spec && spec.maxLength !== undefined ? [`up to ${spec.maxLength} characters`] : []),
    ...('values' in spec && spec.values
      ? [spec.values.map((value) => (value === '' ? 'empty' : `\`${value}\``)).join(', ')]
      : []),
    ...('default' in spec && spec.default !== undefined ? [`default \`${spec.default}\``] : []),
    ...(spec.ignored ? ['no effect'] : []),
  ];
}

/** A key of the table of errors without its suffix. */
export function codeOf(key: string): string {
  return key.split(':')[0] ?? key;
}

/** Status and text of a code: those of the action's spec, of the vendor's page, or else of the table. */
function textsOf(action: string, code: string, keys: readonly string[]): (readonly [number, string])[] {
  const vendor = (VENDOR_ERRORS[action] ?? []).filter((error) => error.code === code);
  const all = Object.entries(ERRORS);
  const own = all.filter(([key]) => codeOf(key) === code);
  // `Invalid{Param}` fits `InvalidParameter`, too, which has a text of its own.
  const named =
    own.find(([key]) => keys.includes(key)) ??
    own.find(([key]) => key === code) ??
    own[0] ??
    all.find(([key]) => patternOf(key).test(code));
  const ours = named ? [named[1]] : [];
  const isSame = (message: string) => ours.some(([, text]) => text.replaceAll(/\{\w+\}/g, '%s') === message);
  return [
    ...ours,
    ...vendor.filter(({ message }) => !isSame(message)).map((row) => [row.status, row.message] as const),
  ];
}

/** `Missing{Param}` is the code of `MissingRegionId`. */
function patternOf(key: string): RegExp {
  return new RegExp(
    `^${codeOf(key)
      .replaceAll('.', String.raw`\.`)
      .replaceAll(/\{\w+\}/g, String.raw`[A-Z]\w*`)}$`,
  );
}
