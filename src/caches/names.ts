import type { Tag } from './image-cache.ts';
import { MAX_NAME_LENGTH, MAX_TAG_KEY_LENGTH, MAX_TAG_VALUE_LENGTH, MAX_TAGS } from './limits.ts';

const CONTROL = /\p{Cc}/u;
const RESERVED_TAG_PREFIX = /^(aliyun|acs:)/i;
const URL_SCHEME = /https?:\/\//i;

/**
 * Why this can't be a cache's name, or undefined when it can. No pattern is published, so any text of 1 to 128 characters
 * without control characters is taken.
 */
export function nameProblem(name: string): string | undefined {
  if (name.trim() === '') return 'must not be empty';
  if (name.length > MAX_NAME_LENGTH) return `must not be longer than ${MAX_NAME_LENGTH} characters`;
  if (CONTROL.test(name)) return 'must not contain control characters';
  return undefined;
}

/** Why these can't be the tags of one resource, or undefined when they can. */
export function tagsProblem(tags: readonly Tag[]): string | undefined {
  if (tags.length > MAX_TAGS) return `must not be more than ${MAX_TAGS}`;
  if (new Set(tags.map((tag) => tag.key)).size < tags.length) return 'must not have the same key twice';
  for (const { key, value } of tags) {
    const problem =
      key === ''
        ? 'key must not be empty'
        : (tagTextProblem('key', key, MAX_TAG_KEY_LENGTH) ?? tagTextProblem('value', value, MAX_TAG_VALUE_LENGTH));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function tagTextProblem(what: 'key' | 'value', text: string, maxLength: number): string | undefined {
  if (text.length > maxLength) return `${what} must not be longer than ${maxLength} characters`;
  if (RESERVED_TAG_PREFIX.test(text)) return `${what} must not start with aliyun or acs:`;
  if (URL_SCHEME.test(text)) return `${what} must not contain http:// or https://`;
  if (CONTROL.test(text)) return `${what} must not contain control characters`;
  return undefined;
}
