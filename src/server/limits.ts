import { LarderError } from '../lib/errors.ts';
import { LIMITS, type LimitName, type Limits } from './limit-table.ts';

const BYTES: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
const TIMES: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const COUNTS: Readonly<Record<string, number>> = { '': 1 };

/** The units that values of the limit may be written with, by what they multiply. */
export function unitsOf(name: string): Readonly<Record<string, number>> {
  if (name.endsWith('Bytes')) return BYTES;
  return name.endsWith('Ms') ? TIMES : COUNTS;
}

/**
 * The limits, changed by texts like `maxTarBytes=64GiB`, `idleMs=10s` or `maxEntries=100000`; of several for one name the
 * last counts. Throws `config.invalid`, naming what is wrong and what there is.
 */
export function readLimits(settings: readonly string[]): Limits {
  const limits = defaultLimits();
  for (const setting of settings) {
    const [name = '', text = ''] = setting.split('=', 2).map((part) => part.trim());
    if (!isLimitName(name)) {
      throw invalid(`${JSON.stringify(name)} is no limit; there are ${Object.keys(LIMITS).join(', ')}`);
    }
    limits[name] = parseValue(name, text);
  }
  return limits;
}

function defaultLimits(): Record<LimitName, number> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name has an entry
  return Object.fromEntries(Object.entries(LIMITS).map(([name, row]) => [name, row.default])) as Record<
    LimitName,
    number
  >;
}

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(LIMITS, name);
}

function parseValue(name: LimitName, text: string): number {
  const { min, max = Number.MAX_SAFE_INTEGER } = LIMITS[name];
  const [, digits, unit = ''] = /^(\d+) ?([A-Za-z]*)$/.exec(text) ?? [];
  const units = unitsOf(name);
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  const value = digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
  if (value >= min && value <= max) return value;
  const forms = Object.keys(units).filter(Boolean);
  const hint = forms.length > 0 ? `, with ${forms.join(', ')} or without` : '';
  const top = LIMITS[name].max === undefined ? '' : ` to ${max}`;
  throw invalid(`${name} takes a whole number from ${min}${top}${hint}; got ${JSON.stringify(text)}`);
}

function invalid(reason: string): LarderError {
  return new LarderError('config.invalid', `wrong limit: ${reason}`);
}

/** A value as the documents show it: `128 GiB`, `30 s`, `500000`. */
export function formatLimit(name: string, value: number): string {
  const units = Object.entries(unitsOf(name)).toReversed();
  const [unit = '', factor = 1] = units.find(([, each]) => value > 0 && value % each === 0) ?? [];
  return `${value / factor}${unit === '' ? '' : ` ${unit}`}`;
}
