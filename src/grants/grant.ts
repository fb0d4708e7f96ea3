// The records of a family, as they are stored, and the names under which they lie. Nothing bearer
// is in them: tokens are known by hash.
import type { ScopeGenerations } from './scope-generations.ts'

/** What was authorized. Written once and never changed; where it is gone, every token of the family is dead. */
export interface Grant {
  /** The grantId in every token of the family. */
  id: string
  appId: string
  /** Whom the tokens act for; absent where an app acts for itself (client_credentials). */
  accountId?: string
  scopes: string[]
  /** Seconds since the epoch. */
  createdAt: number
  /** Seconds since the epoch: the indexes forget the grant shortly after, so no refresh token of it lives longer. Absent for an app's own. */
  endsAt?: number
  /** Of the scopes whose name belonged to another scope before. */
  incarnations?: ScopeGenerations
  /**
   * The account's and the app's generation of the moment at which the grant began, 0 where absent:
   * it is dead where the account's or the app's `grantsFrom` is higher.
   */
  accountGeneration?: number
  appGeneration?: number
  /** Told apart from an earlier grant under the same id: an app's own grant is made anew after a revocation. */
  epoch?: string
}

/** An authorization code waiting to be redeemed. */
export interface CodeRecord {
  redirectUri: string
  codeChallenge?: string
  /** Seconds since the epoch. */
  expiresAt: number
  nonce?: string
  /** When the person last signed in, seconds since the epoch. */
  authTime?: number
  /** What the store had lived through: in another history the code may have been redeemed. */
  history?: string
}

/** No code lives longer (OTESSE_CODE_TTL_SECONDS). */
export const LONGEST_CODE_SECONDS = 600

/** The refresh side of a family. */
export interface RefreshRecord {
  /** Hash of the token that is current. */
  hash: string
  generation: number
  /** Seconds since the epoch. */
  expiresAt: number
  /** Hash of the code that started the family: the same code again is a replay. */
  code: string
  /**
   * The immediate predecessor and when it was replaced (milliseconds), while the current one was
   * not used yet; `from` marks the network from which the replacement was asked for. `doubts` as of
   * the last repeat.
   */
  previous?: { hash: string; replacedAt: number; from?: string; doubts?: number }
  /** How many of the last rotations, in a row, were repeated doubtfully (refresh-policy.ts). */
  doubts?: number
}

/** An access token. */
export interface AccessRecord {
  /** Seconds since the epoch. */
  issuedAt: number
  expiresAt: number
  /** Only where they are fewer than the grant's. */
  scopes?: string[]
  audience?: string[]
  /** As in the grant; only in the tokens of an app's own grant, which names no scopes. */
  incarnations?: ScopeGenerations
  /**
   * Of a token of the app's own: the app's generation as whoever issued it knew it; 0 where absent.
   */
  generation?: number
  epoch?: string
}

export const GRANT = 'g'
export const REFRESH = 'r'
/**
 * How often the grace has answered the predecessor of a refresh token, which the generation names:
 * a rotation begins a new count without touching the old one.
 */
export const repeatsName = (generation: number): string => `n:${generation}`
/** Says for a while that the grant has ended, or may not begin any more. */
export const ENDED = 'e'
/** An access token that was revoked alone, for as long as it would have lived. */
export interface RevokedRecord {
  reason: string
  /** Seconds since the epoch. */
  expiresAt: number
}
const REVOKED = 'x:'
export const revokedName = (hash: string): string => REVOKED + hash
/** Whether what lies under the name says that something has ended. */
export const isEndName = (name: string): boolean => name === ENDED || name.startsWith(REVOKED)
export const accessName = (hash: string): string => `a:${hash}`
export const codeName = (hash: string): string => `c:${hash}`

/** The index of an account's grants; members are `grantId appId`. */
export const accountIndex = (accountId: string): string => `u:${accountId}`
/** The index of an app's grants; members are `grantId`. */
export const appIndex = (appId: string): string => `p:${appId}`

/**
 * The index of an app's grants that are alive, by the end of their refresh token; members are
 * `grantId accountId`.
 */
export const liveIndex = (appId: string): string => `pl:${appId}`
/** When each grant of an app was used last; see grant-uses.ts. Members are `grantId`. */
export const usedIndex = (appId: string): string => `pu:${appId}`
/** When each grant of an app was refreshed last, in the same way. */
export const refreshedIndex = (appId: string): string => `pr:${appId}`

/** Reads a stored record; what we store is ours, so its form is trusted. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names what the caller knows to be stored under the name
export const parseRecord = <T>(text: string): T => JSON.parse(text) as T
