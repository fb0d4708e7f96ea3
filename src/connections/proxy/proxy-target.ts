// Where a proxied call goes. Invariant: scheme and host are those that the integration allows, and
// the path stays below its base address, whatever a server between here and the API makes of
// escapes.
import { isUtf8 } from 'node:buffer'
import { AppError } from '../../shared/errors.ts'

// What a path may have in it, and what clients send in a query.
const PATH = /^(\/([A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*$/
const QUERY = /^[!-~]*$/
const ESCAPE = /%[0-9A-Fa-f]{2}/g
const MOST_DECODINGS = 4

/**
 * Returns the URL of a proxied call.
 *
 * @param base the address below which the API is
 * @param rest path and query as the caller wrote them: empty, or from the slash on
 * @throws {AppError} `path_ambiguous`
 */
export function proxyTarget(base: URL, rest: string): URL {
  const [path = '', ...queries] = rest.split('?')
  const query = queries.join('?')
  if (!PATH.test(path) || !QUERY.test(query) || query.includes('#') || !isPlain(path))
    throw new AppError('path_ambiguous')
  const prefix = base.origin + base.pathname.replace(/\/$/, '')
  const text = prefix + (path === '' && base.pathname === '/' ? '/' : path)
  const target = new URL(text)
  // What the parser changed could be read in two ways.
  if (target.href !== text) throw new AppError('path_ambiguous')
  target.search = rest.includes('?') ? `?${query}` : ''
  return target
}

/**
 * Says whether a path means the same however often it is decoded: no part of it leads up, is empty,
 * or has a backslash or a control character in it. A slash inside a part may be escaped, as APIs
 * have it in names.
 */
function isPlain(path: string): boolean {
  let text = path
  for (let round = 0; round <= MOST_DECODINGS; round += 1) {
    if (hasTrick(text)) return false
    const decoded = text.replace(ESCAPE, (escape) =>
      String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
    )
    if (!isUtf8(Buffer.from(decoded, 'latin1'))) return false
    if (decoded === text) return true
    text = decoded
  }
  return false
}

const STRANGE = /[\\\u0000-\u001f\u007f]/

function hasTrick(path: string): boolean {
  const parts = path.split('/').slice(1)
  // Some servers cut a part off at its semicolon before they look for dots.
  const isDots = (part: string): boolean => /^\.{1,2}(;|$)/.test(part)
  return STRANGE.test(path) || parts.some(isDots) || parts.slice(0, -1).includes('')
}
