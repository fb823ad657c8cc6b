import { after } from 'node:test';

/**
 * Counts what the tests of a file do, in the order of the names. When they are done one line of it is printed, which
 * `npm run faults` shows at its end.
 */
export function createTally<Name extends string>(...names: Name[]): (name: Name, by?: number) => void {
  const counts = new Map<string, number>(names.map((name) => [name, 0]));
  after((t) => {
    if ('diagnostic' in t) t.diagnostic([...counts].map(([name, count]) => `${count} ${name}`).join(', '));
  });
  return (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by);
}
