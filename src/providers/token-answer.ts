// Answers of a provider's token endpoint, however it writes them: JSON or a form, on top or one
// level down, lives in seconds, milliseconds or dates, scopes as a list or a text, errors with
// status 200. Invariants: nothing is taken for a token that no header could carry, a life that is
// not stated is not invented, and what was not understood never counts as a refusal.
import { MINUTE, SECOND } from '../shared/clock.ts'
import { memberAt, type Members, type ProviderAnswer, readMembers } from './provider-answer.ts'
import { authOf, type Provider, type ProviderAuth, type ProviderLife } from './provider.ts'
import { classifyFailure, type ProviderFailure } from './token-failure.ts'

/** Tokens as a provider gave them. */
export interface ProviderTokens {
  accessToken: string
  /** Absent where none came: the one before goes on. */
  refreshToken?: string
  /** Milliseconds since the epoch; absent where nobody knows: until the API says 401. */
  accessExpiresAt?: number
  refreshExpiresAt?: number
  /** Absent where the answer does not say: what was asked for (RFC 6749 §5.1). */
  scopes?: readonly string[]
  /** The whole answer, for the values and the identity that a provider sends along. */
  members: Members
}

/** What an answer means. */
export type TokenOutcome =
  { kind: 'tokens'; tokens: ProviderTokens } | { kind: 'failed'; failure: ProviderFailure }

/**
 * Reads the answer to a token request (RFC 6749 §5.1 and §5.2).
 *
 * @param now milliseconds since the epoch, when the request was sent
 * @param secrets what was sent; never part of a failure
 */
export function readTokenAnswer(
  provider: Provider,
  answer: ProviderAnswer,
  now: number,
  secrets: readonly string[],
): TokenOutcome {
  const auth = authOf(provider)
  const members = answer.kind === 'answered' ? readMembers(answer.body) : undefined
  const isRefused = members !== undefined && members['ok'] === false
  const isGood = answer.kind === 'answered' && answer.status >= 200 && answer.status < 300
  const held = members && isGood && !isRefused ? holderOf(auth, members) : undefined
  if (members === undefined || held === undefined)
    return { kind: 'failed', failure: classifyFailure(answer, members, { now, secrets }) }
  const refreshToken = tokenIn(held, 'refresh_token')
  return {
    kind: 'tokens',
    tokens: {
      accessToken: held['access_token'] as string,
      ...given('refreshToken', refreshToken),
      ...given('accessExpiresAt', accessEnd(provider.life ?? {}, held, now)),
      ...given('refreshExpiresAt', refreshEnd(provider.life ?? {}, held, refreshToken, now)),
      ...given('scopes', scopesIn(auth, held)),
      members,
    },
  }
}

// Visible ASCII: what a header can carry.
const TOKEN = /^[\x21-\x7e]{1,20000}$/

function tokenIn(members: Members, name: string): string | undefined {
  const value = members[name]
  return typeof value === 'string' && TOKEN.test(value) ? value : undefined
}

// Where a provider puts tokens of both kinds into one answer, the path says which are meant.
function holderOf(auth: ProviderAuth, members: Members): Members | undefined {
  const inside = auth.answer_path === undefined ? members : memberAt(members, auth.answer_path)
  const candidates = [inside, members].filter(
    (value): value is Members => typeof value === 'object' && value !== null,
  )
  return candidates.find((each) => tokenIn(each, 'access_token') !== undefined)
}

function accessEnd(life: ProviderLife, held: Members, now: number): number | undefined {
  if (life.expiry === 'none') return undefined
  const stated =
    dateIn(held['expires_at'], now) ??
    later(now, lifeMillis(numberIn(held['expires_in']), life)) ??
    later(now, (life.access_seconds ?? 0) * SECOND)
  return stated
}

function lifeMillis(value: number | undefined, { expiry, access_seconds }: ProviderLife): number {
  if (value === undefined || value <= 0) return 0
  // Some send milliseconds and do not say so: known by what the life should be.
  const isMillis =
    expiry === 'expires_in_ms' ||
    (access_seconds !== undefined && value / access_seconds >= MILLIS_FROM)
  return isMillis ? value : value * SECOND
}

const MILLIS_FROM = 500

// Members by which providers state the life of a refresh token.
const REFRESH_LIVES = [
  'refresh_token_expires_in',
  'refresh_expires_in',
  'x_refresh_token_expires_in',
] as const

function refreshEnd(
  life: ProviderLife,
  held: Members,
  refreshToken: string | undefined,
  now: number,
): number | undefined {
  const seconds = REFRESH_LIVES.map((name) => numberIn(held[name])).find((value) => value)
  const stated =
    dateIn(held['refresh_token_expires_at'], now) ?? later(now, (seconds ?? 0) * SECOND)
  if (stated !== undefined || refreshToken === undefined) return stated
  return later(now, (life.refresh_days ?? 0) * DAY_SECONDS * SECOND)
}

const DAY_SECONDS = 86_400

function numberIn(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

// Nothing lives for more than a century; what says so is no date.
const LONGEST_LIFE = 100 * 365 * DAY_SECONDS * SECOND

const later = (now: number, millis: number): number | undefined =>
  millis > 0 && millis <= LONGEST_LIFE ? Math.floor(now + millis) : undefined

/** Reads an ISO date, or a number of seconds or milliseconds since the epoch; the past is none. */
function dateIn(value: unknown, now: number): number | undefined {
  const number = numberIn(value)
  const parsed = typeof value === 'string' && number === undefined ? Date.parse(value) : number
  if (parsed === undefined || Number.isNaN(parsed)) return undefined
  // In seconds, this would be the year 5138.
  const millis = number === undefined || parsed > 1e11 ? parsed : parsed * SECOND
  return millis > now - MINUTE && millis - now <= LONGEST_LIFE ? Math.floor(millis) : undefined
}

function scopesIn(auth: ProviderAuth, held: Members): readonly string[] | undefined {
  const value = held['scope'] ?? held['scopes']
  if (typeof value === 'string') return unique(value.split(separatorsOf(auth)))
  if (!Array.isArray(value)) return undefined
  return unique(value.filter((each): each is string => typeof each === 'string'))
}

const separatorsOf = ({ scope_separator }: ProviderAuth): RegExp =>
  scope_separator === '+' ? /[\s,+]+/ : /[\s,]+/

const unique = (scopes: readonly string[]): readonly string[] => [
  ...new Set(scopes.map((scope) => scope.trim()).filter((scope) => scope !== '')),
]

const given = <Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } =>
  value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value })
