// The beginning of an authorization. Invariant: the grant is born together with its code, in one
// atomic step, so that an abandoned sign-in leaves nothing behind.
import type { Clock } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import type { FamilyStore } from './family-store.ts'
import { type CodeRecord, codeName, ENDED, type Grant, GRANT } from './grant.ts'
import { CODE_SLACK_MILLIS } from './issue.ts'
import type { Listing } from './listing.ts'
import { scopeGenerationsFor } from './scope-generations.ts'

/** What beginning needs. */
export interface BeginDeps {
  store: FamilyStore
  clock: Clock
  listing: Pick<Listing, 'begun'>
  incarnations: () => ReadonlyMap<string, number>
}

/**
 * Begins a grant.
 *
 * @param code the code itself; only its hash is stored
 * @param lifeSeconds how long the authorization may live at the most, from the end of its code
 * @throws {AppError} `grant_revoked` where all grants of the account or the app end just now
 */
export async function beginGrant(
  { store, clock, listing, incarnations }: BeginDeps,
  grant: Grant & { accountId: string },
  code: string,
  record: CodeRecord,
  lifeSeconds: number,
): Promise<void> {
  const history = await store.history?.()
  const stored: CodeRecord = history === undefined ? record : { ...record, history }
  const now = clock()
  const carried = scopeGenerationsFor(grant.scopes, incarnations())
  const born: Grant = {
    ...grant,
    endsAt: record.expiresAt + lifeSeconds,
    ...(carried && { incarnations: carried }),
  }
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
  // If the answer of the commit was lost, the connection sent it again, and it found itself.
  const [found] = await store.read(grant.id, [GRANT])
  if (found !== text) throw new AppError('grant_revoked')
}
