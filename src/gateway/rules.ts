// Rules by method and path: which scopes a call needs. Invariant: a path that an API behind the
// gateway could read in another way than we do is not judged at all, because the gap between two
// readings is how rules are walked around.

/** One rule of a set; the first that fits decides. */
export interface Rule {
  /** Upper case; absent: every method. GET covers HEAD. */
  readonly methods: readonly string[] | undefined
  /** Begins with a slash; `*` is one segment, `**` at the end any number of them, none included. */
  readonly path: string
  readonly scopes: readonly string[]
  readonly match: 'all' | 'any'
}

// Slashes, dots and percent signs that hide in an escape, letters that did not need one, what some
// servers read as a slash or cut off (a line's end, other control characters).
const HIDDEN = /%(?:[01][0-9a-f]|7f|2[35def]|3[0-9bf]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9ae])/i
const AMBIGUOUS = /[^\x21-\x7e]|[\\;#]|\/\/|\/\.{1,2}(?:\/|$)|%(?![0-9a-f]{2})/i

const BEYOND_ASCII = /%[89a-f][0-9a-f]/i
// What vanishes, ends a line or changes the direction when a server tidies text up, and what
// Windows turns into a slash or backslash.
const UNSTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2044\u2215\u2216\u29f5\u29f8\u29f9]/u

/**
 * Tells whether the escapes of a path mean letters that stay what they are: UTF-8 (no overlong
 * slash), and nothing that an API which normalises Unicode (NFKC) or ignores case would read as
 * ASCII, such as a fullwidth slash, dot or letter.
 */
function hasOneReading(path: string): boolean {
  if (!BEYOND_ASCII.test(path)) return true
  let text
  try {
    text = decodeURIComponent(path)
  } catch {
    return false
  }
  if (UNSTABLE.test(text)) return false
  for (const letter of text)
    if (letter > '\x7f' && /[\x00-\x7f]/.test(letter.normalize('NFKC') + letter.toLowerCase()))
      return false
  return true
}

/**
 * Returns the path of a request in the form that rules are compared with (lower case, no slash at
 * the end), so that an API whose router ignores both is protected as well; `undefined` where the
 * path has more than one reading.
 *
 * @param uri path and query as the client sent them
 */
export function readPath(uri: string): string | undefined {
  const query = uri.indexOf('?')
  const path = query === -1 ? uri : uri.slice(0, query)
  if (!path.startsWith('/') || AMBIGUOUS.test(path) || HIDDEN.test(path) || !hasOneReading(path))
    return undefined
  const end = path.length > 1 && path.endsWith('/') ? -1 : path.length
  return path.slice(0, end).toLowerCase()
}

/**
 * Finds the first rule that fits.
 *
 * @param path from readPath
 */
export function findRule(rules: readonly Rule[], method: string, path: string): Rule | undefined {
  const verb = method === 'HEAD' ? 'GET' : method
  const segments = path.split('/')
  return rules.find(
    (rule) =>
      (rule.methods === undefined ||
        rule.methods.includes(verb) ||
        rule.methods.includes(method)) &&
      fits(rule.path.toLowerCase().split('/'), segments),
  )
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === '**'
  const fixed = isOpen ? pattern.slice(0, -1) : pattern
  if (isOpen ? segments.length < fixed.length : segments.length !== fixed.length) return false
  return fixed.every((part, at) => part === '*' || part === segments[at])
}
