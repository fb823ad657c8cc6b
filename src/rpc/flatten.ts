import type { Parameters } from './parameters.ts';

/** A value as callers write it, before it is flattened for the wire. */
export type WireValue =
  | string
  | number
  | boolean
  | undefined
  | readonly WireValue[]
  | { readonly [name: string]: WireValue };

/**
 * `{ Image: ['a'], Tag: [{ Key: 'k' }] }` as `Image.1=a`, `Tag.1.Key=k`. Lists count from 1; what is undefined is left out
 * without renumbering the rest, as the vendor's clients do.
 */
export function flattenParameters(values: { readonly [name: string]: WireValue }): Map<string, string> {
  const flat = new Map<string, string>();
  const add = (name: string, value: WireValue): void => {
    if (value === undefined) return;
    if (typeof value !== 'object') flat.set(name, String(value));
    else if (isList(value)) for (const [index, item] of value.entries()) add(`${name}.${index + 1}`, item);
    else for (const [key, item] of Object.entries(value)) add(`${name}.${key}`, item);
  };
  for (const [name, value] of Object.entries(values)) add(name, value);
  return flat;
}

function isList(value: object): value is readonly WireValue[] {
  return Array.isArray(value);
}

/** The flat names as a tree along their dots: `Tag.2.Key=k` is the value of `Tag` → `2` → `Key`. */
export type ParameterTree = { value?: string; readonly children: Map<string, ParameterTree> };

/** Deeper than any parameter of the API; the rest of a longer name is one step. */
const MAX_DEPTH = 8;
/** 1-based, without leading zeros; far beyond the longest list. */
const LIST_INDEX = /^[1-9]\d{0,4}$/;

export function unflattenParameters(parameters: Parameters): ParameterTree {
  const root: ParameterTree = { children: new Map() };
  for (const [name, value] of parameters) {
    let node = root;
    for (const step of splitName(name)) {
      const child: ParameterTree = node.children.get(step) ?? { children: new Map() };
      node.children.set(step, child);
      node = child;
    }
    node.value = value;
  }
  return root;
}

function splitName(name: string): string[] {
  if (!name.includes('.')) return [name];
  const steps = name.split('.', MAX_DEPTH);
  const used = steps.join('.').length;
  return used === name.length ? steps : [...steps.slice(0, -1), `${steps.at(-1)}${name.slice(used)}`];
}

/**
 * The elements of a list in the order of their numbers; gaps (`Image.1`, `Image.3`) close. Undefined when an element has
 * no number, such as `Image.0` or `Image.x`.
 */
export function listElements(list: ParameterTree): { index: number; node: ParameterTree }[] | undefined {
  const elements: { index: number; node: ParameterTree }[] = [];
  for (const [step, node] of list.children) {
    if (!LIST_INDEX.test(step)) return undefined;
    elements.push({ index: Number(step), node });
  }
  return elements.toSorted((a, b) => a.index - b.index);
}
