import type { RawJson } from './result.ts';

/**
 * What an action takes and gives, as data. Parsing, documentation, command-line flags and conformance tests are all made
 * from it. Names are the wire's.
 */

type ParamFacts = {
  readonly doc: string;
  readonly required?: true;
  readonly example?: string;
  /** Works, but is left out of the documentation, as the vendor does. */
  readonly hidden?: true;
  /** Accepted and checked, has no effect here; `doc` says why. */
  readonly ignored?: true;
};

export type StringParam = ParamFacts & {
  readonly type: 'string';
  readonly maxLength?: number;
  /** The whole value must match. */
  readonly pattern?: RegExp;
  readonly values?: readonly string[];
  readonly default?: string;
  /** Sent but empty is a value of its own (a tag's value); otherwise it counts as not sent. */
  readonly keepEmpty?: true;
};
export type IntegerParam = ParamFacts & {
  readonly type: 'integer';
  readonly min?: number;
  readonly max?: number;
  readonly default?: number;
};
export type BooleanParam = ParamFacts & { readonly type: 'boolean'; readonly default?: boolean };
/** The error for more than `maxItems` where it is not `InvalidParameter.LengthExceeded`. */
type TooMany = 'NumberExceed.Tags';
/** `Image.1`, `Image.2`; empty elements count as not sent. */
export type StringListParam = ParamFacts & {
  readonly type: 'strings';
  readonly maxItems: number;
  readonly maxLength?: number;
  readonly pattern?: RegExp;
  readonly tooMany?: TooMany;
};
/** `Tag.1.Key`, `Tag.1.Value`. */
export type ObjectListParam = ParamFacts & {
  readonly type: 'objects';
  readonly maxItems: number;
  readonly fields: ParamSpecs;
  readonly tooMany?: TooMany;
};
export type ParamSpec = StringParam | IntegerParam | BooleanParam | StringListParam | ObjectListParam;
export type ParamSpecs = { readonly [name: string]: ParamSpec };

/** What a handler gets for a spec: lists are always there, possibly empty; the rest may be undefined unless required or defaulted. */
export type ParamValues<Specs extends ParamSpecs> = { readonly [Name in keyof Specs]: ParamValue<Specs[Name]> };
type ParamValue<Spec extends ParamSpec> = Spec extends StringListParam
  ? readonly string[]
  : Spec extends ObjectListParam
    ? readonly ParamValues<Spec['fields']>[]
    : Spec extends { readonly required: true } | { readonly default: string | number | boolean }
      ? ScalarValue<Spec>
      : ScalarValue<Spec> | undefined;
type ScalarValue<Spec extends ParamSpec> = Spec extends IntegerParam
  ? number
  : Spec extends BooleanParam
    ? boolean
    : Spec extends { readonly values: readonly (infer Value)[] }
      ? Value
      : string;

type FieldFacts = {
  readonly doc: string;
  readonly example?: string | number | boolean;
  /** Left out of the answer when there is nothing to say. */
  readonly optional?: true;
};
export type ScalarField = FieldFacts & { readonly type: 'string' | 'integer' | 'boolean' };
export type StringListField = FieldFacts & { readonly type: 'strings' };
export type NestedField = FieldFacts & { readonly type: 'object' | 'objects'; readonly fields: ResultSpecs };
export type ResultSpec = ScalarField | StringListField | NestedField;
/** The fields of an answer beside RequestId. */
export type ResultSpecs = { readonly [name: string]: ResultSpec };

export type ResultValues<Specs extends ResultSpecs> = {
  readonly [Name in keyof Specs as Specs[Name] extends { readonly optional: true } ? never : Name]: FieldValue<
    Specs[Name]
  >;
} & {
  readonly [Name in keyof Specs as Specs[Name] extends { readonly optional: true } ? Name : never]?:
    | FieldValue<Specs[Name]>
    | undefined;
};
type FieldValue<Spec extends ResultSpec> = Spec extends { readonly type: 'string' }
  ? string
  : Spec extends { readonly type: 'integer' }
    ? number
    : Spec extends { readonly type: 'boolean' }
      ? boolean
      : Spec extends StringListField
        ? readonly string[]
        : Spec extends { readonly type: 'objects'; readonly fields: infer Fields extends ResultSpecs }
          ? readonly (ResultValues<Fields> | RawJson)[] | RawJson
          : Spec extends { readonly fields: infer Fields extends ResultSpecs }
            ? ResultValues<Fields>
            : never;
