// The end of grants and of single access tokens. Invariants: a family ends in one atomic step; an
// end is durable and published before it is answered; whoever repeats a revocation that failed
// halfway has it published again.
import { type Clock, epochSeconds, SECOND } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ParsedToken, RefreshTokenForm } from '../shared/token-format.ts'
import {
  endingOf,
  epochIn,
  forbiddingBeginning,
  keptUntil,
  leaveIndexes,
  newMark,
} from './ended-mark.ts'
import type { FamilyStore, IndexStore } from './family-store.ts'
import { isGenuineRefresh } from './find-token.ts'
import {
  accessName,
  type AccessRecord,
  ENDED,
  type Grant,
  GRANT,
  parseRecord,
  type RevokedRecord,
  revokedName,
} from './grant.ts'
import type { ListedIn } from './listing.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'

/** What has ended: a family, or one access token of it. */
export interface Ended {
  /** The id of the grant. */
  family: string
  /** SHA-256 of the access token that ended alone. */
  token?: string | undefined
  /** Which grant under the id ended, where another one may follow. */
  epoch?: string | undefined
  reason: string
  /** Milliseconds since the epoch. */
  endedAt: number
  /** Until then some copy of the store may still know it. */
  keepUntil: number
  /** The copy of the store before it ended there. */
  copy?: object | undefined
}

/**
 * Makes an end durable and publishes it. @throws {AppError} `temporarily_unavailable`
 */
export type OnEnded = (ended: Ended) => Promise<void>

/** What revoking needs. */
export interface RevokeDeps {
  store: FamilyStore & IndexStore
  refreshTokens: RefreshTokenForm
  clock: Clock
  /** Waited for after the store has forgotten and before a revocation is answered. */
  onEnded: OnEnded | undefined
}

const LONGEST_ACCESS_SECONDS = 86_400

/**
 * Ends a grant and with it every token of the family, in one atomic step. It leaves a mark, so that
 * a second delivery of its beginning cannot raise it.
 *
 * @param listed where it was found; it leaves these indexes also when it is gone already, and does
 * not begin any more
 * @param reason the reason code that is kept with its end
 * @param onDead gets the grant where it was alive, before the end is published, which may fail
 * @returns the grant where it was alive, to one caller alone however many there are
 */
export async function revokeGrant(
  deps: RevokeDeps,
  grantId: string,
  listed?: ListedIn,
  reason = 'revoked',
  onDead?: (grant: Grant) => void,
): Promise<Grant | undefined> {
  const copy = deps.store.copy?.()
  const { grant, earlier, isKept } = await endFamily(deps, grantId, listed)
  if (isKept === true) return undefined
  if (grant !== undefined) onDead?.(grant)
  // Also of a grant that ended a short while ago: the caller that ended it may not have got so far,
  // and an entry too many costs nothing. Before the indexes: where it fails, a purge finds the
  // grant once more and publishes its end again.
  if (grant !== undefined || earlier !== undefined || listed !== undefined)
    await publishEnd(deps, { family: grantId, reason, ...earlier, copy }, grant)
  await leaveIndexes(deps.store, grantId, { ...grant, ...listed })
  return grant
}

interface FamilyEnd {
  /** The grant that ended with this call. */
  grant?: Grant | undefined
  /** It ended a short while ago. */
  earlier?: { epoch?: string }
  /** It began after what is to end, and stays. */
  isKept?: true
}

function endFamily(
  { store }: RevokeDeps,
  grantId: string,
  listed: ListedIn | undefined,
): Promise<FamilyEnd> {
  const mark = newMark()
  let tried: Grant | undefined
  return retryCommit<FamilyEnd>(async () => {
    const [text, ended] = await store.read(grantId, [GRANT, ENDED])
    if (text === undefined) {
      // Our own commit: its answer was lost with the connection, which sent it a second time.
      if (ended?.startsWith(mark) === true) return { grant: tried }
      if (listed === undefined) return ended === undefined ? {} : { earlier: epochIn(ended) }
      // An index is written before its grant, which may therefore be about to begin.
      return (await store.commit(grantId, forbiddingBeginning(mark))) ? {} : LOST
    }
    tried = parseRecord<Grant>(text)
    if (listed?.before !== undefined && !isBefore(tried, listed.before)) return { isKept: true }
    const done = await store.commit(grantId, endingOf(text, tried, mark))
    // Else ended by somebody else in the meantime.
    return done ? { grant: tried } : LOST
  })
}

/** Returns whether the grant began before what ended the account's or the app's. */
const isBefore = (grant: Grant, before: NonNullable<ListedIn['before']>): boolean =>
  'account' in before
    ? (grant.accountGeneration ?? 0) < before.account
    : (grant.appGeneration ?? 0) < before.app

/**
 * @param grant where it is known; what is not may have been anything, so it is kept for the longest
 * time
 */
async function publishEnd(
  { clock, onEnded }: RevokeDeps,
  ended: Pick<Ended, 'family' | 'token' | 'reason' | 'copy'>,
  grant?: Pick<Grant, 'endsAt' | 'epoch'>,
): Promise<void> {
  const now = clock()
  await onEnded?.({
    ...ended,
    ...(grant?.epoch === undefined ? {} : { epoch: grant.epoch }),
    endedAt: now,
    keepUntil: keptUntil(grant?.endsAt, now),
  })
}

/**
 * Ends one access token and nothing else.
 *
 * @param expiresAt seconds since the epoch, where it is known
 */
export async function revokeAccess(
  deps: RevokeDeps,
  presented: ParsedToken,
  reason = 'revoked',
  expiresAt?: number,
): Promise<void> {
  const { store, clock } = deps
  const copy = store.copy?.()
  const hash = sha256(presented.token)
  const endsAt = expiresAt ?? epochSeconds(clock) + LONGEST_ACCESS_SECONDS
  const revoked: RevokedRecord = { reason, expiresAt: endsAt }
  await store.commit(presented.grantId, {
    expect: [],
    put: [
      {
        name: revokedName(hash),
        value: JSON.stringify(revoked),
        ttlMillis: Math.max(endsAt * SECOND - clock(), SECOND),
      },
    ],
    remove: [accessName(hash)],
  })
  await publishEnd(deps, { family: presented.grantId, token: hash, reason, copy }, { endsAt })
}

/** Publishes again that a family ended, where it ended within the last minutes. */
export async function publishEndAgain(deps: RevokeDeps, grantId: string): Promise<void> {
  const copy = deps.store.copy?.()
  const [ended] = await deps.store.read(grantId, [ENDED])
  if (ended !== undefined)
    await publishEnd(deps, { family: grantId, reason: 'revoked', ...epochIn(ended), copy })
}

/**
 * Publishes again that a token is dead: the revocation that killed it may have failed before it was
 * published. Of an invented one it publishes nothing: an access token was issued here only if the
 * store knows it, and a refresh token proves itself.
 */
export async function repeatRevocation(deps: RevokeDeps, presented: ParsedToken): Promise<void> {
  const { store } = deps
  const family = presented.grantId
  const copy = store.copy?.()
  if (presented.kind !== 'access') {
    if (isGenuineRefresh(deps, presented))
      await publishEnd(deps, { family, reason: 'revoked', copy })
    return
  }
  const token = sha256(presented.token)
  const [revokedText, accessText] = await store.read(family, [
    revokedName(token),
    accessName(token),
  ])
  if (revokedText !== undefined) {
    const { reason, expiresAt } = parseRecord<RevokedRecord>(revokedText)
    await publishEnd(deps, { family, token, reason, copy }, { endsAt: expiresAt })
  } else if (accessText !== undefined) {
    // Its family has ended.
    const { expiresAt } = parseRecord<AccessRecord>(accessText)
    await publishEnd(deps, { family, token, reason: 'revoked', copy }, { endsAt: expiresAt })
  }
}
