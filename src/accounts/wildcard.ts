/**
 * Whether the whole text matches a pattern with `*` (any run of characters, also none) and `?` (any one). Never worse than
 * pattern length times text length: a caller may choose the text.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  let [at, place] = [0, 0];
  // Where to go on when what follows the last star does not fit: the star then takes one character more.
  let star = -1;
  let starPlace = 0;
  while (place < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      starPlace = place;
    } else if (pattern[at] === '?' || pattern[at] === text[place]) {
      at++;
      place++;
    } else if (star >= 0) {
      at = star + 1;
      place = ++starPlace;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
