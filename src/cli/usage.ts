import { type Command, InvalidArgumentError, Option } from 'commander';
import { LarderError } from '../lib/errors.ts';
import type { OutputFormat } from './output.ts';

/** Wrong usage that only shows once the arguments are taken together; ends with exit code 2. */
export function usageError(message: string): LarderError {
  return new LarderError('cli.usage', message);
}

/** `-o, --output text|json`, on every command. */
export function addOutputOption(command: Command): Command {
  const option = new Option('-o, --output <format>', 'text for people, json for what the API answers');
  return command.addOption(option.choices(['text', 'json'] satisfies OutputFormat[]).default('text'));
}

/** Collects an option that may be given many times. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/** A whole number from 1 up. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It takes a whole number from 1 up.');
}

/** A whole number from 0 up. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It takes a whole number from 0 up.');
}
