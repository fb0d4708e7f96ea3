// What issuing is made of: the terms, the outcomes, and the writes that an access token and a
// refresh state are. Invariant: a grant outlives everything that was issued from it.
import { type Clock, epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ErrorCode } from '../shared/errors.ts'
import { newAccessToken, type RefreshTokenForm } from '../shared/token-format.ts'
import type { FamilyChange, FamilyListing, FamilyStore, Undo } from './family-store.ts'
import {
  accessName,
  type AccessRecord,
  type CodeRecord,
  type Grant,
  GRANT,
  REFRESH,
  type RefreshRecord,
} from './grant.ts'

/** How long things live and whether refresh tokens rotate, for one app. */
export interface TokenTerms {
  accessTtlSeconds: number
  refreshTtlSeconds: number
  /** Replace the refresh token at each use (RFC 9700 §4.14.2). */
  rotate: boolean
  /** Each use starts refreshTtlSeconds anew, up to maxLifeSeconds after the authorization. */
  sliding: boolean
  maxLifeSeconds: number
  graceSeconds: number
}

/** Tokens that were issued. */
export interface Issued {
  kind: 'issued'
  accessToken: string
  refreshToken: string | undefined
  expiresInSeconds: number
  scopes: readonly string[]
  grant: Grant
  /** The redeemed code, where one was. */
  code: CodeRecord | undefined
  /** How a refresh went: the token stayed, was replaced, or a lost answer was given again. */
  refresh: 'kept' | 'rotated' | 'repeated' | undefined
  /** Whether a repeat came from another network than the rotation: a lost answer rarely does. */
  isFromElsewhere?: boolean
  /** Takes it back, where it cannot be answered; absent where it takes nothing from anybody. */
  undo?: () => Undo
}

/**
 * Why nothing was issued; `revoked` where the family died of it, for which `because` is the reason
 * to keep.
 */
export interface NotIssued {
  kind: 'refused'
  reason: ErrorCode
  about?: string
  revoked?: Grant
  because?: 'code_replay' | 'refresh_reuse'
}

/** What every way of issuing needs. */
export interface IssueDeps {
  store: FamilyStore
  refreshTokens: RefreshTokenForm
  clock: Clock
  incarnations: () => ReadonlyMap<string, number>
  /** What lists a grant that gives tokens from now on. */
  listRedeemed: (grant: Grant, refreshEndsAt: number) => FamilyListing
  /**
   * Told of each refresh: the grant, and the end of its refresh token in seconds where that moved.
   */
  onRefreshed: ((grant: Grant, prolongedTo: number | undefined) => void) | undefined
  /** Takes a grant out of the lists. */
  unlist: (grantId: string, grant: Grant) => Promise<void>
  /** Ends the family; calls back with its grant where it was alive, before it is published. */
  revoke: (grantId: string, reason: string, onDead: (grant: Grant) => void) => Promise<unknown>
  /** Publishes again that a family ended, where it did within the last minutes. */
  publishEndAgain: (grantId: string) => Promise<void>
}

/**
 * Ends a family for what was presented, and refuses.
 *
 * @returns the family that ended also where nobody could be told yet: then the app is asked to come
 * again, and the end is in the refusal
 */
export async function refuseAndEnd(
  deps: Pick<IssueDeps, 'revoke'>,
  family: string,
  reason: ErrorCode,
  because: NonNullable<NotIssued['because']>,
): Promise<NotIssued> {
  let revoked: Grant | undefined
  try {
    await deps.revoke(family, because, (grant) => (revoked = grant))
  } catch (error) {
    if (revoked === undefined) throw error
    return { kind: 'refused', reason: 'temporarily_unavailable', because, revoked }
  }
  return { kind: 'refused', reason, because, ...(revoked && { revoked }) }
}

/** How much longer than its code a grant is kept that has given nothing yet. */
export const CODE_SLACK_MILLIS = 60_000

/** How much longer than its tokens a grant is kept. */
export const GRANT_SLACK_SECONDS = 3600

/** Returns whether a grant ended so long ago that no token could be kept with it. */
export const isOver = ({ endsAt = Infinity }: Grant, clock: Clock): boolean =>
  epochSeconds(clock) >= endsAt + GRANT_SLACK_SECONDS

/**
 * Makes an access token and the write that stores it.
 *
 * @param scopes each once
 */
export function accessPut(
  clock: Clock,
  grant: Grant,
  scopes: readonly string[],
  terms: TokenTerms,
  extra: Pick<AccessRecord, 'audience' | 'incarnations' | 'generation' | 'epoch'> = {},
) {
  const token = newAccessToken(grant.id)
  const issuedAt = epochSeconds(clock)
  // The indexes know the grant for the slack after its end: until then whoever ends all grants of
  // an account or app finds it.
  const ttlSeconds = Math.min(
    terms.accessTtlSeconds,
    (grant.endsAt ?? Infinity) + GRANT_SLACK_SECONDS - issuedAt,
  )
  const record: AccessRecord = {
    issuedAt,
    expiresAt: issuedAt + ttlSeconds,
    ...(scopes.length === grant.scopes.length ? {} : { scopes: [...scopes] }),
    ...extra,
  }
  return {
    token,
    expiresInSeconds: ttlSeconds,
    put: {
      name: accessName(sha256(token)),
      value: JSON.stringify(record),
      ttlMillis: ttlSeconds * 1000,
    },
  }
}

/** The write of a refresh state. */
export const refreshPut = (clock: Clock, record: RefreshRecord, terms: TokenTerms) => ({
  name: REFRESH,
  value: JSON.stringify(record),
  // Kept past its end for a while, so that a late replay is still told from an unknown token.
  ttlMillis: Math.max(
    (record.expiresAt - epochSeconds(clock) + GRANT_SLACK_SECONDS) * 1000,
    terms.accessTtlSeconds * 1000,
  ),
})

/** Makes sure that the grant outlives what is being issued. */
export const outliving = (ttlSeconds: number): NonNullable<FamilyChange['extend']> => [
  { name: GRANT, ttlMillis: (ttlSeconds + GRANT_SLACK_SECONDS) * 1000 },
]
