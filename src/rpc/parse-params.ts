import { apiError } from './api-error.ts';
import { listElements, type ParameterTree, unflattenParameters } from './flatten.ts';
import type { Parameters } from './parameters.ts';
import type { ObjectListParam, ParamSpec, ParamSpecs, ParamValues, StringListParam, StringParam } from './spec.ts';

type Value = string | number | boolean | undefined | readonly Value[] | { readonly [name: string]: Value };

const INTEGER = /^[+-]?\d{1,15}$/;
const NOTHING: ParameterTree = { children: new Map() };

/**
 * The parameters of a spec, checked and typed; what the spec does not name is ignored. In the spec's order, first error wins:
 * absent or empty though required → `Missing{Param}`; not an integer or boolean → `Invalid{Param}`; too long, or too many
 * items → `InvalidParameter.LengthExceeded`; out of range → `InvalidParameter.ValueExceeded`; of another form →
 * `InvalidParameter`.
 */
export function parseParams<const Specs extends ParamSpecs>(specs: Specs, parameters: Parameters): ParamValues<Specs> {
  // The shape follows the spec by construction, which the type system can't see.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return parseFields(specs, unflattenParameters(parameters), '') as ParamValues<Specs>;
}

function parseFields(specs: ParamSpecs, tree: ParameterTree, prefix: string): { [name: string]: Value } {
  const values: { [name: string]: Value } = {};
  for (const name of Object.keys(specs)) {
    const spec = specs[name];
    if (spec) values[name] = parse(spec, tree.children.get(name) ?? NOTHING, prefix + name);
  }
  return values;
}

function parse(spec: ParamSpec, node: ParameterTree, name: string): Value {
  if (spec.type === 'strings' || spec.type === 'objects') return parseList(spec, node, name);
  const text = node.value === '' && !('keepEmpty' in spec) ? undefined : node.value;
  if (text === undefined) {
    if (spec.required) throw apiError('Missing{Param}', { Param: name });
    return spec.default;
  }
  if (spec.type === 'integer') return parseInteger(spec, text, name);
  if (spec.type === 'boolean') return parseBoolean(text, name);
  return parseString(spec, text, name);
}

function parseList(spec: StringListParam | ObjectListParam, node: ParameterTree, name: string): readonly Value[] {
  const elements = listElements(node);
  if (elements === undefined) throw apiError('Invalid{Param}', { Param: name });
  const items: Value[] = [];
  for (const { index, node: element } of elements) {
    const itemName = `${name}.${index}`;
    if (spec.type === 'objects') items.push(parseFields(spec.fields, element, `${itemName}.`));
    else if (element.value) items.push(parseString(spec, element.value, itemName));
    if (items.length <= spec.maxItems) continue;
    if (spec.tooMany) throw apiError(spec.tooMany);
    throw apiError('InvalidParameter.LengthExceeded', { Param: name, Limit: spec.maxItems });
  }
  if (spec.required && items.length === 0) throw apiError('Missing{Param}', { Param: name });
  return items;
}

function parseString(spec: Pick<StringParam, 'maxLength' | 'pattern' | 'values'>, text: string, name: string): string {
  if (spec.maxLength !== undefined && text.length > spec.maxLength)
    throw apiError('InvalidParameter.LengthExceeded', { Param: name, Limit: spec.maxLength });
  if (spec.pattern !== undefined && spec.pattern.exec(text)?.[0].length !== text.length)
    throw apiError('InvalidParameter', { Param: name, Reason: `it must match ${spec.pattern.source}` });
  if (spec.values !== undefined && !spec.values.includes(text))
    throw apiError('InvalidParameter', {
      Param: name,
      Reason: `it must be one of ${spec.values.map((value) => value || 'empty').join(', ')}`,
    });
  return text;
}

function parseInteger(spec: { readonly min?: number; readonly max?: number }, text: string, name: string): number {
  if (!INTEGER.test(text)) throw apiError('Invalid{Param}', { Param: name });
  const value = Number(text);
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = spec;
  if (value < min || value > max)
    throw apiError('InvalidParameter.ValueExceeded', { Param: name, Limit: value < min ? min : max });
  return value;
}

function parseBoolean(text: string, name: string): boolean {
  const lower = text.toLowerCase();
  if (lower !== 'true' && lower !== 'false') throw apiError('Invalid{Param}', { Param: name });
  return lower === 'true';
}
