// What it means when a provider gives no tokens: one table. Invariants: only a provider that says
// so refuses for good; an outage, an answer that was not understood and an error that nobody knows
// are outages; and nothing that was sent, and nothing that looks like a token, is in what is kept.
import { SECOND } from '../shared/clock.ts'
import type { Members, ProviderAnswer } from './provider-answer.ts'

/**
 * - `refused`: the provider refuses this grant for good; the person has to connect again.
 * - `ours`: the integration is set up wrongly there or here; no person can do anything about it.
 * - `outage`: nobody is to blame, or nobody knows; try again later.
 * - `throttled`: too many requests; try again when the provider says so.
 */
export type FailureClass = 'refused' | 'ours' | 'outage' | 'throttled'

/** Why there are no tokens. */
export interface ProviderFailure {
  class: FailureClass
  /** The provider's error code, or what became of the request: `timed_out`. */
  error: string
  /** The provider's words, without anything secret; at most 200 characters. */
  description?: string
  status?: number
  retryAfterSeconds?: number
}

// Error codes of OAuth (RFC 6749 §5.2) and of the providers, in lower case.
const CODES: Readonly<Record<string, FailureClass>> = {
  // The code or the refresh token is used, ended, withdrawn or somebody else's.
  invalid_grant: 'refused',
  invalid_code: 'refused',
  code_already_used: 'refused',
  code_expired: 'refused',
  bad_verification_code: 'refused',
  invalid_refresh_token: 'refused',
  bad_refresh_token: 'refused',
  expired_refresh_token: 'refused',
  refresh_token_expired: 'refused',
  refresh_token_invalid: 'refused',
  token_revoked: 'refused',
  token_expired: 'refused',
  expired_token: 'refused',
  invalid_token: 'refused',
  account_inactive: 'refused',
  access_denied: 'refused',
  consent_required: 'refused',
  interaction_required: 'refused',
  login_required: 'refused',
  // Client id, secret, redirect URI, scopes.
  invalid_client: 'ours',
  invalid_client_id: 'ours',
  bad_client_secret: 'ours',
  invalid_client_secret: 'ours',
  incorrect_client_credentials: 'ours',
  unauthorized_client: 'ours',
  invalid_scope: 'ours',
  invalid_request: 'ours',
  invalid_target: 'ours',
  unsupported_grant_type: 'ours',
  bad_redirect_uri: 'ours',
  redirect_uri_mismatch: 'ours',
  invalid_redirect_uri: 'ours',
  application_suspended: 'ours',
  // Later.
  ratelimited: 'throttled',
  rate_limited: 'throttled',
  rate_limit_exceeded: 'throttled',
  too_many_requests: 'throttled',
  slow_down: 'throttled',
  'access denied': 'throttled',
  temporarily_unavailable: 'outage',
  server_error: 'outage',
}

// The address is wrong: nobody's outage.
const WRONG_ADDRESS: ReadonlySet<number> = new Set([301, 308, 404, 405, 410, 415])

/** Says what a failed answer means. */
export function classifyFailure(
  answer: ProviderAnswer,
  members: Members | undefined,
  { now, secrets }: { now: number; secrets: readonly string[] },
): ProviderFailure {
  if (answer.kind === 'failed')
    return { class: answer.reason === 'refused' ? 'ours' : 'outage', error: answer.reason }
  const { status } = answer
  const { code, words } = errorIn(members ?? {})
  const description = words === undefined ? undefined : cleaned(words, secrets)
  const retryAfterSeconds = retryAfter(answer.headers['retry-after'], now)
  return {
    class: classOf(status, code, `${code ?? ''} ${words ?? ''}`, members !== undefined),
    error: nameOf(code, status, members),
    ...(description === undefined || description === '' ? {} : { description }),
    status,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  }
}

function classOf(
  status: number,
  code: string | undefined,
  words: string,
  isUnderstood: boolean,
): FailureClass {
  if (status === 429) return 'throttled'
  if (status >= 500 || status === 408 || status === 425) return 'outage'
  const known = code === undefined ? undefined : codeClass(code)
  // "invalid_request: The refresh token is invalid."
  const namesToken = NAMES_TOKEN.test(words) && [400, 401].includes(status)
  if (namesToken && (known === undefined || code?.toLowerCase() === 'invalid_request'))
    return 'refused'
  if (known !== undefined) return known
  return WRONG_ADDRESS.has(status) && !isUnderstood ? 'ours' : 'outage'
}

const codeClass = (code: string): FailureClass | undefined => {
  const name = code.toLowerCase()
  return Object.hasOwn(CODES, name) ? CODES[name] : undefined
}

const NAMES_TOKEN =
  /refresh[ _]?token.{0,60}\b(invalid|expired|revoked|not found|unknown|malformed)|\b(invalid|expired|revoked|unknown|bad)\b.{0,30}refresh[ _]?token/i

/** Finds the error's code and words, wherever a provider puts them. */
function errorIn(members: Members): { code: string | undefined; words: string | undefined } {
  const nested = [members['error'], firstOf(members['errors'])].find(isObject) ?? {}
  const code =
    firstText(members, ['error', 'error_code', 'errorCode']) ??
    firstText(nested, ['code', 'type', 'error', 'name', 'status']) ??
    firstText(members, ['code', 'status', 'type'])
  const words =
    firstText(members, ['error_description', 'error_summary', 'message', 'detail']) ??
    firstText(nested, ['message', 'detail', 'description'])
  return { code, words }
}

const firstOf = (value: unknown): unknown => (Array.isArray(value) ? (value[0] as unknown) : value)

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function firstText(members: Members, names: readonly string[]): string | undefined {
  const values = names.map((name) => (Object.hasOwn(members, name) ? members[name] : undefined))
  return values.find((value): value is string => typeof value === 'string' && value !== '')
}

const CODE = /^[A-Za-z0-9_.:/ -]{1,64}$/

const WORDS = /^[A-Za-z]{1,15}([_.:/ -]?[A-Za-z]{1,15}){0,7}$/

// A code that could be anything is not kept: it may be what was sent.
function nameOf(code: string | undefined, status: number, members: Members | undefined): string {
  if (code !== undefined && CODE.test(code) && (WORDS.test(code) || !LOOKS_SECRET.test(code)))
    return code
  if (members === undefined) return 'unreadable'
  return status >= 200 && status < 300 ? 'no_access_token' : `status_${status}`
}

const LONGEST_WORDS = 200
const SHORTEST_SECRET = 4
// Long runs without a space, which no word is.
const LOOKS_SECRET = /[A-Za-z0-9_.~+/=%-]{24,}/
const LOOK_SECRET = new RegExp(LOOKS_SECRET, 'g')

/** Returns words of a provider as they may be logged and shown. */
function cleaned(words: string, secrets: readonly string[]): string {
  let text = words
  for (const secret of secrets)
    if (secret.length >= SHORTEST_SECRET) text = text.replaceAll(secret, '[removed]')
  return text
    .replace(LOOK_SECRET, '[removed]')
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_WORDS)
}

const LONGEST_WAIT_SECONDS = 86_400

/** Reads Retry-After, in seconds or as a date (RFC 9110 §10.2.3). */
function retryAfter(header: string | string[] | undefined, now: number): number | undefined {
  if (typeof header !== 'string' || header.trim() === '') return undefined
  const seconds = /^\d{1,9}$/.test(header.trim())
    ? Number(header)
    : Math.ceil((Date.parse(header) - now) / SECOND)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(seconds, 1), LONGEST_WAIT_SECONDS)
}
