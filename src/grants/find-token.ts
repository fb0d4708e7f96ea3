// The look-ups of tokens and grants, each one round trip. Invariant: where the grant is gone
// nothing of the family is found.
import { LRUCache } from 'lru-cache'
import { type Clock, epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ParsedToken, RefreshTokenForm } from '../shared/token-format.ts'
import type { FamilyStore } from './family-store.ts'
import {
  accessName,
  type AccessRecord,
  type CodeRecord,
  codeName,
  type Grant,
  GRANT,
  parseRecord,
  REFRESH,
  type RefreshRecord,
} from './grant.ts'
import { isAhead } from './refresh-policy.ts'

/** A live access token and its grant. */
export interface LiveAccess {
  grant: Grant
  access: AccessRecord
}

/** A refresh token that is current or was, and its grant. */
export interface FoundRefresh {
  grant: Grant
  refresh: RefreshRecord
  /** Only the current one counts as live. */
  isCurrent: boolean
}

/** What the look-ups need. */
export interface FindDeps {
  store: Pick<FamilyStore, 'read'>
  refreshTokens: RefreshTokenForm
  clock: Clock
  parsedGrants: ParsedGrants
}

/** Grants as they were stored and parsed last, by id. */
export type ParsedGrants = LRUCache<string, { text: string; grant: Grant }>

// An app's tokens are looked at again and again; 5,000 parsed grants are some 2 MB.
const MOST_PARSED = 5000

/** Creates the memory of parsed grants. */
export const createParsedGrants = (): ParsedGrants => new LRUCache({ max: MOST_PARSED })

/** Parses a stored grant, unless it has not changed since it was parsed before. */
function parseGrant(parsed: ParsedGrants, id: string, text: string): Grant {
  const before = parsed.get(id)
  if (before?.text === text) return before.grant
  const grant = Object.freeze(parseRecord<Grant>(text))
  parsed.set(id, { text, grant })
  return grant
}

/** Looks an access token up; `undefined` where it is expired, revoked or never was. */
export async function findAccess(
  { store, clock, parsedGrants }: FindDeps,
  presented: ParsedToken,
): Promise<LiveAccess | undefined> {
  const [accessText, grantText] = await store.read(presented.grantId, [
    accessName(sha256(presented.token)),
    GRANT,
  ])
  if (accessText === undefined || grantText === undefined) return undefined
  const access = parseRecord<AccessRecord>(accessText)
  const grant = parseGrant(parsedGrants, presented.grantId, grantText)
  if (access.expiresAt <= epochSeconds(clock) || access.epoch !== grant.epoch) return undefined
  return { grant, access }
}

/** Looks a refresh token up; an invented one finds nothing. */
export async function findRefresh(
  { store, clock, refreshTokens }: FindDeps,
  presented: ParsedToken,
): Promise<FoundRefresh | undefined> {
  const [grantText, refreshText] = await store.read(presented.grantId, [GRANT, REFRESH])
  if (grantText === undefined || refreshText === undefined) return undefined
  const refresh = parseRecord<RefreshRecord>(refreshText)
  if (refresh.expiresAt <= epochSeconds(clock)) return undefined
  const hash = sha256(presented.token)
  let isCurrent = refresh.hash === hash
  if (!isCurrent) {
    const generation = refreshTokens.genuineGeneration(presented.token)
    // One whose server key left the configuration is known by its hash alone.
    if (generation === undefined && refresh.previous?.hash !== hash) return undefined
    isCurrent = generation !== undefined && isAhead(refresh, { hash, generation })
  }
  return { grant: parseRecord<Grant>(grantText), refresh, isCurrent }
}

/** Looks a code up that nobody has redeemed yet. */
export async function findCode(
  { store, clock }: FindDeps,
  presented: ParsedToken,
): Promise<Grant | undefined> {
  const [codeText, grantText] = await store.read(presented.grantId, [
    codeName(sha256(presented.token)),
    GRANT,
  ])
  if (codeText === undefined || grantText === undefined) return undefined
  const { expiresAt } = parseRecord<CodeRecord>(codeText)
  return expiresAt <= epochSeconds(clock) ? undefined : parseRecord<Grant>(grantText)
}

/** Returns the grant, or `undefined` where it ended. */
export async function findGrant({ store }: FindDeps, grantId: string): Promise<Grant | undefined> {
  const [grantText] = await store.read(grantId, [GRANT])
  return grantText === undefined ? undefined : parseRecord<Grant>(grantText)
}

/** Returns whether the refresh token was made here, whatever became of it since; costs no I/O. */
export const isGenuineRefresh = (
  { refreshTokens }: Pick<FindDeps, 'refreshTokens'>,
  presented: ParsedToken,
): boolean => refreshTokens.genuineGeneration(presented.token) !== undefined
