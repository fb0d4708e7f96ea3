// Text that shows as what it is: nothing invisible, nothing that turns the reading direction
// around, nothing that Postgres cannot keep.

// Half a character: Postgres keeps no such text.
const LONE_SURROGATE = /\p{Cs}/u

// Control characters, line and paragraph separators, bidi controls, invisible operators and tags.
// The joiners U+200C and U+200D stay allowed: Persian and emoji need them.
const DECEPTIVE =
  /[\u0000-\u001F\u007F-\u009F\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/u
const DECEPTIVE_BUT_LINES =
  /[\u0000-\u0009\u000B\u000C\u000E-\u001F\u007F-\u009F\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/u

/** Returns whether a line of text shows as what it is. */
export const isPlainLine = (text: string): boolean =>
  !LONE_SURROGATE.test(text) && !DECEPTIVE.test(text)

/** Returns whether a text, which may have several lines, shows as what it is. */
export const isPlainText = (text: string): boolean =>
  !LONE_SURROGATE.test(text) && !DECEPTIVE_BUT_LINES.test(text)

/** Returns how many characters (code points) a reader would count at most. */
export const lengthOf = (text: string): number => Array.from(text).length

/** Shortens a refused value for the answer, so that a megabyte of nonsense does not come back. */
export function quoted(text: string): string {
  const characters = Array.from(text.slice(0, 400).replace(/\p{Cs}/gu, '\uFFFD'))
  return characters.length <= 120 ? characters.join('') : `${characters.slice(0, 120).join('')}…`
}
