/** The keys of conditions that requests are given values for; those that end in `/` are followed by the key of a tag. */
const KNOWN_KEYS = [
  'acs:SourceIp',
  'acs:CurrentTime',
  'acs:SecureTransport',
  'acs:MFAPresent',
  'acs:UserAgent',
  'acs:SourceVpc',
  'acs:PrincipalARN',
  'acs:ResourceTag/',
  'acs:RequestTag/',
  'eci:tag/',
] as const;

const KEY = /^[A-Za-z0-9-]+:[^\s]/;
const NORMALISED = new Set(KNOWN_KEYS.map((key) => key.toLowerCase()));

/** Keys are compared without regard to case, except for the key of a tag. */
export function normaliseConditionKey(key: string): string {
  const slash = key.indexOf('/') + 1;
  return slash === 0 ? key.toLowerCase() : key.slice(0, slash).toLowerCase() + key.slice(slash);
}

/**
 * Why this can't be the key of a condition; undefined when it can. A misspelt `acs:` or `eci:` key would silently never match, so it is refused;
 * keys of other services may stand in the statements about those.
 */
export function conditionKeyProblem(key: string): string | undefined {
  if (!KEY.test(key)) return `${JSON.stringify(key)} is no condition key; one looks like acs:SourceIp`;
  const normalised = normaliseConditionKey(key);
  if (!/^(acs|eci):/.test(normalised)) return undefined;
  const slash = normalised.indexOf('/') + 1;
  const family = slash === 0 ? normalised : normalised.slice(0, slash);
  const isComplete = slash !== normalised.length;
  if (NORMALISED.has(family) && isComplete) return undefined;
  const known = KNOWN_KEYS.map((name) => (name.endsWith('/') ? `${name}<key>` : name));
  return `the condition key ${JSON.stringify(key)} is not known here; known are ${known.join(', ')}`;
}
