// The life of an authorization: begun with a code, redeemed once, refreshed, revoked. One authorization = one grant = one token family.
// Invariants: a code and a rotating refresh token are redeemed in one atomic commit, so of any number of racers one wins; where the grant
// is gone nothing of the family is issued or valid; a replayed code or a replaced refresh token takes the family with it.
import { LRUCache } from 'lru-cache'
import { type Clock, epochSeconds, SECOND } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import type { ParsedToken, RefreshTokenForm } from '../shared/token-format.ts'
import { createAppTokens } from './app-tokens.ts'
import { endingOf, epochIn, forbiddingBeginning, keptUntil, newMark } from './ended-mark.ts'
import type { FamilyStore, IndexStore } from './family-store.ts'
import {
  accessName,
  type AccessRecord,
  type CodeRecord,
  codeName,
  ENDED,
  type Grant,
  GRANT,
  parseRecord,
  REFRESH,
  type RefreshRecord,
  type RevokedRecord,
  revokedName,
} from './grant.ts'
import { CODE_SLACK_MILLIS, type IssueDeps, type Issued } from './issue.ts'
import { createListing, type ListedIn } from './listing.ts'
import { redeemCode } from './redeem-code.ts'
import { refreshGrant } from './refresh-grant.ts'
import { isAhead } from './refresh-policy.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'
import { incarnationsFor } from './scope-incarnations.ts'

/** A live access token and its grant. */
export interface LiveAccess {
  grant: Grant
  access: AccessRecord
}

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
  /** What stood for the copy of the store before it ended there. */
  copy?: object | undefined
}

/**
 * Makes an ending durable and tells whoever remembers tokens. @throws {AppError}
 * `temporarily_unavailable`
 */
export type OnEnded = (ended: Ended) => Promise<void>

const LONGEST_ACCESS_SECONDS = 86_400
const NO_INCARNATIONS: ReadonlyMap<string, number> = new Map()

/** Whether the grant began before what ended the account's or the app's. */
const isBefore = (grant: Grant, before: NonNullable<ListedIn['before']>): boolean =>
  'account' in before
    ? (grant.accountGeneration ?? 0) < before.account
    : (grant.appGeneration ?? 0) < before.app

// An app's tokens are looked at again and again; 5,000 parsed grants are some 2 MB.
const READ_BEFORE = 5000

/** Creates the grants over a store. */
export function createGrants(deps: {
  store: FamilyStore & IndexStore
  refreshTokens: RefreshTokenForm
  clock: Clock
  /** The incarnations of the catalogue of now; without it all are 0. */
  incarnations?: () => ReadonlyMap<string, number>
  /** Waited for after the store has forgotten and before a revocation is answered. */
  onEnded?: OnEnded
}) {
  const { store, refreshTokens, clock } = deps
  const incarnations = deps.incarnations ?? (() => NO_INCARNATIONS)
  const listing = createListing(store, clock)
  const issueDeps: IssueDeps = {
    store,
    refreshTokens,
    clock,
    incarnations,
    listRedeemed: listing.redeemed,
    unlist: listing.unlist,
    revoke: (grantId, reason, onDead) => revoke(grantId, undefined, reason, onDead),
    tellAgain,
  }
  const appTokens = createAppTokens(issueDeps)
  const readBefore = new LRUCache<string, { text: string; grant: Grant }>({ max: READ_BEFORE })

  /**
   * Starts an authorization: the grant is born together with its code, in one atomic step.
   *
   * @param code the code itself; only its hash is stored
   * @param lifeSeconds how long the authorization may live at the most, from the end of its code
   * @throws {AppError} `grant_revoked` where all grants of the account or the app were ended at this very moment
   */
  async function begin(
    grant: Grant & { accountId: string },
    code: string,
    record: CodeRecord,
    lifeSeconds: number,
  ): Promise<void> {
    const history = await store.history?.()
    const stored: CodeRecord = history === undefined ? record : { ...record, history }
    const now = clock()
    const endsAt = record.expiresAt + lifeSeconds
    const carried = incarnationsFor(grant.scopes, incarnations())
    const born: Grant = { ...grant, endsAt, ...(carried && { incarnations: carried }) }
    const text = JSON.stringify(born)
    const ttlMillis = record.expiresAt * 1000 - now
    const done = await store.commit(grant.id, {
      expect: [
        { name: GRANT, state: 'absent' },
        { name: ENDED, state: 'absent' },
      ],
      put: [
        { name: GRANT, value: text, ttlMillis: ttlMillis + CODE_SLACK_MILLIS },
        { name: codeName(sha256(code)), value: JSON.stringify(stored), ttlMillis },
      ],
      // A grant that no index knows could not be found when its account is shut down.
      list: listing.begun(born, record.expiresAt),
    })
    if (done) return
    // A commit whose answer was lost is sent again by the connection, and then finds itself.
    const [found] = await store.read(grant.id, [GRANT])
    if (found !== text) throw new AppError('grant_revoked')
  }

  /** Reads a grant as it is stored; one that has not changed since it was read before is not parsed again. */
  function readGrant(id: string, text: string): Grant {
    const before = readBefore.get(id)
    if (before?.text === text) return before.grant
    const grant = Object.freeze(parseRecord<Grant>(text))
    readBefore.set(id, { text, grant })
    return grant
  }

  /** Looks an access token up in one round trip; `undefined` where it is expired, revoked or never was. */
  async function findAccess(presented: ParsedToken): Promise<LiveAccess | undefined> {
    const [accessText, grantText] = await store.read(presented.locator, [
      accessName(sha256(presented.token)),
      GRANT,
    ])
    if (accessText === undefined || grantText === undefined) return undefined
    const access = parseRecord<AccessRecord>(accessText)
    const grant = readGrant(presented.locator, grantText)
    if (access.expiresAt <= epochSeconds(clock) || access.epoch !== grant.epoch) return undefined
    return { grant, access }
  }

  /** Looks a refresh token up; only the current one counts as live. */
  async function findRefresh(
    presented: ParsedToken,
  ): Promise<{ grant: Grant; refresh: RefreshRecord; isCurrent: boolean } | undefined> {
    const [grantText, refreshText] = await store.read(presented.locator, [GRANT, REFRESH])
    if (grantText === undefined || refreshText === undefined) return undefined
    const refreshRecord = parseRecord<RefreshRecord>(refreshText)
    if (refreshRecord.expiresAt <= epochSeconds(clock)) return undefined
    const hash = sha256(presented.token)
    const { previous } = refreshRecord
    let isCurrent = refreshRecord.hash === hash
    if (!isCurrent) {
      // An invented token finds nothing; one whose server key left the configuration is known by
      // its hash.
      const generation = refreshTokens.genuineGeneration(presented.token)
      if (generation === undefined && previous?.hash !== hash) return undefined
      isCurrent = generation !== undefined && isAhead(refreshRecord, { hash, generation })
    }
    return { grant: parseRecord<Grant>(grantText), refresh: refreshRecord, isCurrent }
  }

  /** Looks a code up that nobody has redeemed yet. */
  async function findCode(presented: ParsedToken): Promise<Grant | undefined> {
    const [codeText, grantText] = await store.read(presented.locator, [
      codeName(sha256(presented.token)),
      GRANT,
    ])
    if (codeText === undefined || grantText === undefined) return undefined
    const { expiresAt } = parseRecord<CodeRecord>(codeText)
    return expiresAt <= epochSeconds(clock) ? undefined : parseRecord<Grant>(grantText)
  }

  /** Returns whether the refresh token was made here, whatever became of it since; costs no I/O. */
  const isGenuineRefresh = (presented: ParsedToken): boolean =>
    refreshTokens.genuineGeneration(presented.token) !== undefined

  /** Returns the grant, or `undefined` where it ended. */
  async function find(grantId: string): Promise<Grant | undefined> {
    const [grantText] = await store.read(grantId, [GRANT])
    return grantText === undefined ? undefined : parseRecord<Grant>(grantText)
  }

  /**
   * Ends a grant and with it every token of the family, in one atomic step. It leaves a mark, so
   * that a second delivery of its beginning
   * cannot raise it.
   *
   * @param listed where it was found; it leaves these indexes also when it is gone already, and does not begin any more
   * @param reason the reason code that is kept with its end
   * @param onDead hears of the grant where it was alive: before anybody else is told, which may
   * fail
   * @returns the grant where it was alive, to one caller alone however many there are
   */
  async function revoke(
    grantId: string,
    listed?: ListedIn,
    reason = 'revoked',
    onDead?: (grant: Grant) => void,
  ): Promise<Grant | undefined> {
    const copy = store.copy?.()
    const { grant, earlier, isKept } = await end(grantId, listed)
    if (isKept === true) return undefined
    if (grant !== undefined) onDead?.(grant)
    // Also of a grant that ended a short while ago: whoever ended it may not have got so far, and
    // an entry too many costs nothing. Before
    // the indexes: where it fails, a purge finds the grant once more and tells again.
    if (grant !== undefined || earlier !== undefined || listed !== undefined)
      await tellOfEnd({ family: grantId, reason, ...earlier, copy }, grant)
    await listing.unlist(grantId, { ...grant, ...listed })
    return grant
  }

  async function end(
    grantId: string,
    listed: ListedIn | undefined,
  ): Promise<{ grant?: Grant | undefined; earlier?: { epoch?: string }; isKept?: true }> {
    const mark = newMark()
    let tried: Grant | undefined
    return retryCommit(async () => {
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

  /**
   * @param grant where it is known; what is not may have been anything, so it is kept for the
   * longest time
   */
  async function tellOfEnd(
    ended: Pick<Ended, 'family' | 'token' | 'reason' | 'copy'>,
    grant?: Pick<Grant, 'endsAt' | 'epoch'>,
  ): Promise<void> {
    const now = clock()
    await deps.onEnded?.({
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
  async function revokeAccess(
    presented: ParsedToken,
    reason = 'revoked',
    expiresAt?: number,
  ): Promise<void> {
    const copy = store.copy?.()
    const hash = sha256(presented.token)
    const endsAt = expiresAt ?? epochSeconds(clock) + LONGEST_ACCESS_SECONDS
    const revoked: RevokedRecord = { reason, expiresAt: endsAt }
    await store.commit(presented.locator, {
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
    await tellOfEnd({ family: presented.locator, token: hash, reason, copy }, { endsAt })
  }

  /**
   * Tells again of a family that ended within the last minutes: whoever ended it may have failed
   * before everybody was told of it.
   */
  async function tellAgain(grantId: string): Promise<void> {
    const copy = store.copy?.()
    const [ended] = await store.read(grantId, [ENDED])
    if (ended !== undefined)
      await tellOfEnd({ family: grantId, reason: 'revoked', ...epochIn(ended), copy })
  }

  /**
   * Tells again of a token that is dead: the revocation that killed it may have failed before
   * everybody was told. Of an invented one it tells nothing: an access token was issued here only
   * if the store knows it, and a refresh token proves itself.
   */
  async function repeatRevocation(presented: ParsedToken): Promise<void> {
    const family = presented.locator
    const copy = store.copy?.()
    if (presented.kind !== 'access') {
      if (isGenuineRefresh(presented)) await tellOfEnd({ family, reason: 'revoked', copy })
      return
    }
    const token = sha256(presented.token)
    const [revokedText, accessText] = await store.read(family, [
      revokedName(token),
      accessName(token),
    ])
    if (revokedText !== undefined) {
      const { reason, expiresAt } = parseRecord<RevokedRecord>(revokedText)
      await tellOfEnd({ family, token, reason, copy }, { endsAt: expiresAt })
    } else if (accessText !== undefined) {
      // Its family has ended.
      const { expiresAt } = parseRecord<AccessRecord>(accessText)
      await tellOfEnd({ family, token, reason: 'revoked', copy }, { endsAt: expiresAt })
    }
  }

  return {
    begin,
    /** Exchanges a code for tokens; see redeemCode. */
    redeem: redeemCode.bind(undefined, issueDeps),
    /** Uses a refresh token; see refreshGrant. */
    refresh: refreshGrant.bind(undefined, issueDeps),
    /** Takes back what was issued and cannot be answered, so that the app may try again. */
    takeBack: async ({ grant, undo }: Pick<Issued, 'grant' | 'undo'>): Promise<void> =>
      undo && store.takeBack(grant.id, undo()),
    /** Issues a token to an app for itself. */
    issueToApp: appTokens.issue,
    findAccess,
    findRefresh,
    findCode,
    isGenuineRefresh,
    find,
    revoke,
    revokeAccess,
    repeatRevocation,
    listOfAccount: listing.listOfAccount,
    listOfApp: listing.listOfApp,
    walkOfAccount: listing.walkOfAccount,
    walkOfApp: listing.walkOfApp,
  }
}

export type Grants = ReturnType<typeof createGrants>
