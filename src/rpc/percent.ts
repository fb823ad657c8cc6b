const ENCODED = /[%+]/;
const UNRESERVED_ONLY = /^[A-Za-z0-9\-_.~]*$/;

/** Encodes all but `A-Z a-z 0-9 - _ . ~` as UTF-8 `%XX`, upper-case hex: the one encoding both signatures use. */
export function percentEncode(text: string): string {
  if (UNRESERVED_ONLY.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Decodes `+` as a space and `%XX` as strict UTF-8; undefined when an escape is broken or the bytes are no UTF-8. */
export function percentDecode(text: string): string | undefined {
  if (!ENCODED.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
