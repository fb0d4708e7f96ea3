// The use of a refresh token. Invariant: a family has one current refresh token; concurrent uses of
// one token give one successor.
import { epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ParsedToken } from '../shared/token-format.ts'
import type { FamilyChange, Undo } from './family-store.ts'
import {
  type Grant,
  GRANT,
  parseRecord,
  REFRESH,
  type RefreshRecord,
  repeatsName,
} from './grant.ts'
import {
  accessPut,
  isOver,
  type IssueDeps,
  type Issued,
  outliving,
  refreshPut,
  refuseAndEnd,
  type NotIssued,
  type TokenTerms,
} from './issue.ts'
import {
  decideRefresh,
  isFromElsewhere,
  MOST_REPEATS,
  type PresentedRefresh,
  type RefreshDecision,
} from './refresh-policy.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'

/** A use of a refresh token. */
export interface RefreshRequest {
  appId: string
  terms: TokenTerms
  /** Asked scopes, or undefined for all that were granted (RFC 6749 §6). */
  scopes: readonly string[] | undefined
  /** Whether a granted scope may still be issued: scopes can be taken from an app or from the catalogue. */
  isPermitted: (scope: string, grant: Grant) => boolean
  /** The network from which it comes, as limits tell networks apart. */
  network?: string
  /** Whether the app proved that it is the app. */
  isProven?: boolean
}

/**
 * Exchanges a refresh token for an access token, and where the app's tokens rotate for its one
 * successor.
 *
 * A replaced token that comes back outside the grace revokes the family: either the app or a thief
 * holds a copy.
 *
 * @see RFC 6749 §6, RFC 9700 §4.14.2
 */
export function refreshGrant(
  deps: IssueDeps,
  presented: ParsedToken,
  request: RefreshRequest,
): Promise<Issued | NotIssued> {
  // A token whose server key has left the configuration proves itself by the stored hash alone: it
  // can be current or the immediate predecessor, and never a reason to end the family.
  const generation = deps.refreshTokens.genuineGeneration(presented.token) ?? Infinity
  const known = { token: presented.token, hash: sha256(presented.token), generation }
  const tries: Tries = {}
  return retryCommit(() => refreshOnce(deps, presented.grantId, known, request, tries))
}

/** What the last round tried to issue, under the name of its access token. */
interface Tries {
  last?: { name: string; issued: Issued }
}

const BOTH = [GRANT, REFRESH]

async function refreshOnce(
  deps: IssueDeps,
  family: string,
  presented: PresentedRefresh & { token: string },
  request: RefreshRequest,
  tries: Tries,
): Promise<Issued | NotIssued | typeof LOST> {
  const unsettled = deps.store.settled(family)
  if (unsettled !== undefined) await unsettled
  const { terms } = request
  const isGenuine = presented.generation !== Infinity
  const unknown = isGenuine ? 'refresh_token_unknown' : 'refresh_token_malformed'
  const names = tries.last === undefined ? BOTH : [...BOTH, tries.last.name]
  const [grantText, refreshText, ownAccess] = await deps.store.read(family, names)
  if (grantText === undefined || refreshText === undefined) {
    // It may be a second try after one that ended the family and could not publish it.
    if (grantText === undefined && isGenuine) await deps.publishEndAgain(family)
    return { kind: 'refused', reason: unknown }
  }
  const grant = parseRecord<Grant>(grantText)
  const stored = parseRecord<RefreshRecord>(refreshText)
  // Our own commit: its answer was lost with the connection, which sent it a second time.
  if (ownAccess !== undefined && tries.last !== undefined) return tries.last.issued
  if (grant.appId !== request.appId)
    return { kind: 'refused', reason: 'refresh_token_of_another_client' }
  // The store still has it, and by our clock nothing of it could live: the two differ by a lot.
  if (isOver(grant, deps.clock)) return { kind: 'refused', reason: unknown }
  const isRepeat = presented.hash === stored.previous?.hash
  // Only where somebody will read it: a hash costs as much as the rest of the decision.
  const from = terms.rotate || isRepeat ? networkMark(grant.id, request.network) : undefined
  const now = deps.clock() + deps.store.skewMillis()
  const decision = decideRefresh(stored, presented, now, terms.graceSeconds * 1000, {
    // Asked for apart, so that a rotation does not pay for it.
    repeats: isRepeat ? await repeatsOf(deps, family, stored) : 0,
    from,
    isProven: request.isProven === true,
  })
  if (decision.kind === 'unknown') return { kind: 'refused', reason: unknown }
  if (decision.kind === 'reused')
    return refuseAndEnd(deps, family, 'refresh_token_reused', 'refresh_reuse')
  const asked = narrow(grant, request)
  if ('reason' in asked) return asked
  const state = decision.kind === 'ahead' ? takenUp(stored, presented) : stored
  const next = nextState(deps, presented.token, state, decision, grant, terms, from)
  // Its successor was made under a server key that is configured no more: the window is closed.
  if (next === undefined) return { kind: 'refused', reason: 'refresh_token_unknown' }
  const { scopes } = asked
  const source: RefreshSource = { grant, stored, refreshText, state, from, scopes, terms }
  const { issued, change, name } = issueNext(deps, source, next)
  tries.last = { name, issued }
  if (!(await deps.store.commit(family, change))) return LOST
  const { expiresAt } = next.record
  deps.onRefreshed?.(grant, expiresAt === stored.expiresAt ? undefined : expiresAt)
  return issued
}

/** What the next state comes from. */
interface RefreshSource {
  grant: Grant
  stored: RefreshRecord
  refreshText: string
  /** As stored, or as it was before the store lost it. */
  state: RefreshRecord
  from: string | undefined
  scopes: readonly string[]
  terms: TokenTerms
}

/** Makes an access token for the next state, and the change that stores both. */
function issueNext(
  { clock }: IssueDeps,
  { grant, stored, refreshText, state, from, scopes, terms }: RefreshSource,
  next: NextState,
): { issued: Issued; change: FamilyChange; name: string } {
  const access = accessPut(clock, grant, scopes, terms)
  const refresh = next.record === stored ? undefined : refreshPut(clock, next.record, terms)
  const change: Mutable<FamilyChange> = {
    expect: [PRESENT, { name: REFRESH, state: 'equals', value: refreshText }],
    put: refresh === undefined ? [access.put] : [access.put, refresh],
    extend: outliving(
      Math.max(next.record.expiresAt - epochSeconds(clock), terms.accessTtlSeconds),
    ),
  }
  const issued: Mutable<Issued> = {
    kind: 'issued',
    accessToken: access.token,
    refreshToken: next.token,
    expiresInSeconds: access.expiresInSeconds,
    scopes,
    grant,
    code: undefined,
    refresh: next.how,
  }
  if (next.how === 'rotated' && refresh !== undefined)
    issued.undo = change.undo = (): Undo => ({
      expect: [
        PRESENT,
        { name: REFRESH, state: 'equals', value: refresh.value },
        { name: access.put.name, state: 'present' },
        // Nor did the grace give the successor to anybody.
        { name: repeatsName(next.record.generation), state: 'absent' },
      ],
      put: [{ ...refreshPut(clock, state, terms), value: refreshText }],
      remove: [access.put.name],
    })
  if (next.how === 'repeated') {
    const name = repeatsName(state.generation)
    // In the store apart from the state, so that repeats of one moment do not make each other lose.
    change.increment = [{ name, ttlMillis: (terms.graceSeconds + 60) * 1000 }]
    change.expect = [...change.expect, { name, state: 'below', limit: MOST_REPEATS }]
    const elsewhere = isFromElsewhere(state.previous, from)
    if (elsewhere !== undefined) issued.isFromElsewhere = elsewhere
  }
  return { issued, change, name: access.put.name }
}

const PRESENT = { name: GRANT, state: 'present' } as const

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

async function repeatsOf(
  { store }: IssueDeps,
  family: string,
  { generation }: RefreshRecord,
): Promise<number> {
  const [repeats] = await store.read(family, [repeatsName(generation)])
  return Number(repeats ?? 0)
}

const MARK_LENGTH = 8

/** Tells networks apart within one family; from a mark nobody reads the address. */
const networkMark = (grantId: string, network: string | undefined): string | undefined =>
  network === undefined ? undefined : sha256(`network ${grantId} ${network}`).slice(0, MARK_LENGTH)

/** The state as it was before the store lost it, as far as the token tells. */
function takenUp(
  { previous: _lost, ...stored }: RefreshRecord,
  { hash, generation }: PresentedRefresh,
): RefreshRecord {
  return { ...stored, hash, generation }
}

/**
 * The state with its doubts; the same one where they are known, so that repeats do not get in each
 * other's way.
 */
const doubted = (state: RefreshRecord, doubts: number): RefreshRecord =>
  state.previous === undefined || doubts === (state.previous.doubts ?? 0)
    ? state
    : { ...state, previous: { ...state.previous, doubts } }

interface NextState {
  record: RefreshRecord
  token: string
  how: 'kept' | 'rotated' | 'repeated'
}

function nextState(
  deps: IssueDeps,
  token: string,
  state: RefreshRecord,
  decision: Extract<RefreshDecision, { kind: 'current' | 'ahead' | 'repeat' }>,
  grant: Grant,
  terms: TokenTerms,
  from: string | undefined,
): NextState | undefined {
  if (decision.kind === 'repeat') {
    for (const successor of deps.refreshTokens.successors(token))
      if (sha256(successor) === state.hash)
        return { record: doubted(state, decision.doubts), token: successor, how: 'repeated' }
    return undefined
  }
  const now = deps.clock()
  const expiresAt = terms.sliding
    ? Math.min(
        Math.floor(now / 1000) + terms.refreshTtlSeconds,
        grant.createdAt + terms.maxLifeSeconds,
        grant.endsAt ?? Infinity,
      )
    : state.expiresAt
  if (terms.rotate) {
    const [successor = ''] = deps.refreshTokens.successors(token)
    const record: RefreshRecord = {
      hash: sha256(successor),
      generation: state.generation + 1,
      expiresAt,
      code: state.code,
      previous: {
        hash: state.hash,
        replacedAt: now + deps.store.skewMillis(),
        ...(from !== undefined && { from }),
      },
      // A rotation that nobody repeated ends the row.
      ...(state.previous?.doubts !== undefined && { doubts: state.previous.doubts }),
    }
    return { record, token: successor, how: 'rotated' }
  }
  if (state.previous === undefined && expiresAt === state.expiresAt)
    return { record: state, token, how: 'kept' }
  // The current token is in use, so the grace of its predecessor is over.
  const { previous: _previous, ...rest } = state
  return { record: { ...rest, expiresAt }, token, how: 'kept' }
}

function narrow(grant: Grant, request: RefreshRequest): { scopes: readonly string[] } | NotIssued {
  const beyond = request.scopes?.find((scope) => !grant.scopes.includes(scope))
  // RFC 6749 §6: the scope MUST NOT include any that the user did not grant.
  if (beyond !== undefined) return { kind: 'refused', reason: 'scope_exceeds_grant', about: beyond }
  // Each once; those of a grant are.
  const asked = request.scopes === undefined ? grant.scopes : [...new Set(request.scopes)]
  const scopes = asked.filter((scope) => request.isPermitted(scope, grant))
  return scopes.length === 0 ? { kind: 'refused', reason: 'grant_revoked' } : { scopes }
}
