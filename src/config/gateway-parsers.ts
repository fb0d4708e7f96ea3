// Parses the settings of /oauth/verify: the names of the identity headers, and rules by method and
// path. Like parsers.ts: an Error says what to write. Their values have the shapes that gateway/
// works with.
import { isScopeName } from '../model/scope.ts'

/** The names of the identity headers, by what they carry. */
export interface IdentityHeaderNames {
  readonly subject: string
  readonly client: string
  readonly scope: string
  readonly expires: string
  readonly grant: string
}

/** One rule: calls with such a method and path need such scopes. */
export interface RuleSetting {
  readonly methods: readonly string[] | undefined
  readonly path: string
  readonly scopes: readonly string[]
  readonly match: 'all' | 'any'
}

export type RuleSets = Readonly<Record<string, readonly RuleSetting[]>>

export const DEFAULT_IDENTITY_HEADERS: IdentityHeaderNames = {
  subject: 'X-Auth-Subject',
  client: 'X-Auth-Client',
  scope: 'X-Auth-Scope',
  expires: 'X-Auth-Expires',
  grant: 'X-Auth-Grant',
}

/** Writes the names as identityHeaders reads them. */
export const showIdentityHeaders = (names: IdentityHeaderNames): string =>
  Object.entries(names)
    .map(([what, name]) => `${what}=${String(name)}`)
    .join(',')

// Dashes and no underscores: many servers take both for the same header, or drop the second.
const HEADER_NAME = /^[A-Za-z][A-Za-z0-9-]{0,60}$/
const TAKEN =
  /^(authorization|cache-control|connection|content-.*|cookie|date|host|keep-alive|location|retry-after|server|set-cookie|te|trailer|transfer-encoding|upgrade|vary|via|www-authenticate|x-forwarded-.*|x-otesse-.*|x-request-id)$/i

/** Parses `subject=X-User,client=X-App`. */
export function identityHeaders(text: string): IdentityHeaderNames {
  const names: Record<keyof IdentityHeaderNames, string> = { ...DEFAULT_IDENTITY_HEADERS }
  const isKnown = (what: string): what is keyof IdentityHeaderNames => Object.hasOwn(names, what)
  for (const item of text.split(',')) {
    const [what = '', name = '', ...rest] = item.split('=').map((part) => part.trim())
    if (!isKnown(what) || rest.length > 0 || !HEADER_NAME.test(name) || TAKEN.test(name))
      throw new Error(
        `write names of headers that have no other meaning, such as ${showIdentityHeaders(DEFAULT_IDENTITY_HEADERS)}`,
      )
    names[what] = name
  }
  if (new Set(Object.values(names).map((name) => name.toLowerCase())).size < 5)
    throw new Error('write a different header for each of subject, client, scope, expires, grant')
  return names
}

/** Parses the name of a header; headers are compared in lower case. */
export function headerName(text: string): string {
  if (!HEADER_NAME.test(text) || TAKEN.test(text))
    throw new Error('write the name of a header that has no other meaning, such as Client-Cert')
  return text
}

/** Parses `app_…=SHA-256 in hex` into fingerprint → client id. */
export function clientCertificates(text: string): ReadonlyMap<string, string> {
  const apps = new Map<string, string>()
  for (const item of text.split(',')) {
    const [appId = '', print = ''] = item.split('=').map((part) => part.trim())
    const hex = print.replaceAll(':', '').toLowerCase()
    if (!/^app_[0-9A-Za-z]{20}$/.test(appId) || !/^[0-9a-f]{64}$/.test(hex))
      throw new Error(
        'write client_id=fingerprint, the SHA-256 of the certificate in hex (openssl x509 -noout -fingerprint -sha256)',
      )
    if (apps.has(hex)) throw new Error('write each certificate once')
    apps.set(hex, appId)
  }
  return apps
}

const isMethod = (text: string): boolean => /^[A-Z]{1,20}$/.test(text)
const PATH = /^\/[^?#\s%\\;]*$/
const SET_NAME = /^[\w.-]{1,60}$/
const RULE_KEYS: ReadonlySet<string> = new Set(['methods', 'path', 'scopes', 'match'])

/** Parses `{"api":[{"methods":["GET"],"path":"/v1/bookings/**","scopes":["bookings:read"]}]}`. */
export function ruleSets(text: string): RuleSets {
  const sets = parseObject(text)
  return Object.fromEntries(
    Object.entries(sets).map(([name, rules]) => {
      if (!SET_NAME.test(name) || !Array.isArray(rules) || rules.length === 0)
        throw new Error('write a JSON object of named lists of rules')
      return [name, rules.map((rule: unknown, at) => toRule(rule, `${name}[${at}]`))]
    }),
  )
}

function parseObject(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('write a JSON object of named lists of rules')
  return value
}

function toRule(value: unknown, where: string): RuleSetting {
  const wrong = (what: string): Error => new Error(`rule ${where}: ${what}`)
  if (typeof value !== 'object' || value === null) throw wrong('write an object')
  const rule = value as Record<string, unknown>
  const unknown = Object.keys(rule).find((key) => !RULE_KEYS.has(key))
  if (unknown !== undefined) throw wrong('its keys are methods, path, scopes, match')
  const { methods, path, scopes = [], match = 'all' } = rule
  if (methods !== undefined && !isListOf(isMethod, methods))
    throw wrong('methods is a list such as ["GET","POST"], or absent for all of them')
  if (typeof path !== 'string' || !PATH.test(path) || !hasPlainStars(path))
    throw wrong('path begins with / and is plain; * is one segment, /** at its end all below')
  if (!isListOf(isScopeName, scopes)) throw wrong('scopes is a list of scope names')
  if (match !== 'all' && match !== 'any') throw wrong('match is all or any')
  return { methods, path, scopes, match }
}

const isListOf = (fits: (text: string) => boolean, value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && fits(item))

/** A star stands for a whole segment, two only for the last: anything else would read like a pattern and match nothing. */
function hasPlainStars(path: string): boolean {
  const segments = path.split('/')
  return segments.every(
    (segment, at) =>
      !segment.includes('*') || segment === '*' || (segment === '**' && at === segments.length - 1),
  )
}
