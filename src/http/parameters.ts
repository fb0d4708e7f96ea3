// The parameters of a back-channel request: a JSON object or a form, read strictly into one flat
// list of texts (RFC 6749 §3.2 and appendix B). Invariant: a parameter is there at most once, is a
// text, and an empty one counts as absent; whatever else arrives is a clear `invalid_request`, and
// nothing that was sent is repeated in the answer. Only `resource` may be sent several times: its
// values are one text with spaces between, which no resource can contain.
import type { IncomingMessage } from 'node:http'
import { AppError } from '../shared/errors.ts'
import { decodeUtf8, mediaTypeOf, readBytes } from './body.ts'

/** The parameters of one request, by name. */
export type Parameters = ReadonlyMap<string, string>

const BODY_LIMIT_BYTES = 64 * 1024

/**
 * Reads a request's parameters from its body.
 *
 * @param options.numbers takes whole numbers of JSON too, as the texts that they are
 * @throws {AppError} `body_…` and `parameter_…`
 */
export async function readParameters(
  request: IncomingMessage,
  options: { numbers?: boolean } = STRICT,
): Promise<Parameters> {
  const type = contentType(request)
  const text = decodeUtf8(await readBytes(request, BODY_LIMIT_BYTES))
  return type === 'json' ? parseJson(text, options) : parseForm(text)
}

const STRICT = {}

function contentType(request: IncomingMessage): 'json' | 'form' {
  // How nearly all of them write it.
  if (request.headers['content-type'] === 'application/x-www-form-urlencoded') return 'form'
  // Neither type has a charset parameter, so one that is sent means nothing.
  const type = mediaTypeOf(request)
  if (type === 'application/json') return 'json'
  if (type === 'application/x-www-form-urlencoded') return 'form'
  throw new AppError('body_type_unsupported')
}

/**
 * Reads a form; exported for its unit test.
 *
 * @throws {AppError} `body_not_form`, `parameter_duplicated`
 */
function parseForm(text: string): Parameters {
  // What curl -d sends: JSON under the name of a form. As a form it would be one parameter of a
  // strange name, and the rest missing.
  if (text.trimStart().startsWith('{')) throw new AppError('body_is_json')
  const parameters = new Map<string, string>()
  let hasEmpty = false
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decodeForm(pair.slice(equals + 1))
    // RFC 6749 §3.2: parameters MUST NOT be included more than once. RFC 8707 §2: "Multiple
    // resource parameters MAY be used".
    const before = parameters.get(name)
    if (before !== undefined && name !== 'resource')
      throw new AppError('parameter_duplicated', { about: name })
    if (value === '') hasEmpty = true
    parameters.set(name, before === undefined ? value : `${before} ${value}`.trim())
  }
  // RFC 6749 §3.2: parameters sent without a value MUST be treated as if they were omitted.
  if (hasEmpty) for (const [name, value] of parameters) if (value === '') parameters.delete(name)
  return parameters
}

function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    throw new AppError('body_not_form')
  }
}

const JSON_STRINGS = /"(?:[^"\\]|\\.)*"/g

/**
 * Reads a flat JSON object of texts; exported for its unit test.
 *
 * @throws {AppError} `body_not_json`, `parameter_…`
 */
function parseJson(text: string, { numbers = false }: { numbers?: boolean }): Parameters {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new AppError('body_not_json')
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new AppError('body_not_json')
  const parameters = new Map<string, string>()
  let strings = 0
  for (const [name, value] of Object.entries(body)) {
    strings += 1
    // null is how many clients write "not set".
    if (value === null) continue
    if (numbers && Number.isSafeInteger(value)) {
      parameters.set(name, String(value))
      continue
    }
    if (typeof value !== 'string') throw new AppError('parameter_not_text', { about: name })
    strings += 1
    if (value !== '') parameters.set(name, value)
  }
  // JSON.parse silently keeps the last of several equal names. In a flat object every string
  // literal is a name or a value, so a surplus of literals is a repeated name.
  if ((text.match(JSON_STRINGS) ?? []).length !== strings)
    throw new AppError('parameter_duplicated', repeatedName(text))
  return parameters
}

function repeatedName(text: string): { about?: string } {
  const names = new Set<string>()
  for (const [literal] of text.matchAll(/"(?:[^"\\]|\\.)*"(?=\s*:)/g)) {
    const name = String(JSON.parse(literal))
    if (names.has(name)) return { about: name }
    names.add(name)
  }
  return {}
}

/** Returns a parameter that must be there. @throws {AppError} `parameter_missing` */
export function getParameter(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new AppError('parameter_missing', { about: name })
  return value
}
