// What the server does on its own account beside requests: carries out written-down revocations, lets old events, answers and links go.
import { createIdempotencyRecordStore } from './admin/api/idempotency-record.store.ts'
import type { RevocationReason } from './audit/event-names.ts'
import type { Foundation } from './foundation.ts'
import type { Grant } from './grants/grant.ts'
import { createPurgeJobStore } from './grants/purge-job.store.ts'
import { createPurger } from './grants/purge.ts'
import { createLoginSessions } from './oauth/authorize/login-sessions.ts'
import { DAY, dateNow, HOUR } from './shared/clock.ts'

/** Work in the background; disposing waits for what is under way. */
export interface Upkeep extends AsyncDisposable {
  /** Carries out written-down revocations now. */
  purge(): Promise<void>
  /** Removes what is past its time now; it does so each hour. */
  sweep(): Promise<void>
}

/** Returns what records the end of grants whose reason was written down in a job. */
export const revocationAudit = ({ events }: Foundation['audit']) => ({
  grantRevoked({ appId, accountId, id: grantId }: Grant, reason: string): void {
    events.grantRevoked({ appId, accountId, grantId, reason: reason as RevocationReason })
  },
})

/** Starts the background work. */
export function startUpkeep(foundation: Foundation): Upkeep {
  const { db, store, accounts, grants, clock, logger, metrics, audit, invalidation } = foundation
  const purger = createPurger({
    jobs: createPurgeJobStore(db),
    grants,
    sessions: createLoginSessions(
      store,
      clock,
      async (accountId) => (await accounts.get(accountId)).sessionsFrom,
    ),
    audit: revocationAudit(audit),
    clock,
    logger,
    metrics,
  })
  // Whoever suspends an app or deactivates an account writes the job first and announces the change then.
  invalidation.on('app', () => void purger.kick())
  invalidation.on('account', () => void purger.kick())
  const retention = setInterval(() => void letOldThingsGo(foundation), HOUR).unref()
  return {
    purge: () => purger.kick(),
    sweep: () => letOldThingsGo(foundation),
    async [Symbol.asyncDispose]() {
      clearInterval(retention)
      await purger[Symbol.asyncDispose]()
    },
  }
}

async function letOldThingsGo({
  db,
  accountLinks,
  eventStore,
  endedStore,
  clock,
  config,
  logger,
}: Foundation): Promise<void> {
  const before = new Date(clock() - config.events.retentionDays * DAY)
  const keptAnswers = createIdempotencyRecordStore(db)
  try {
    // In batches, so that no lock is held for long.
    while ((await eventStore.removeOlderThan(before)) > 0);
    await accountLinks.removeExpired()
    while ((await endedStore.removeExpired(dateNow(clock))) > 0);
    while ((await keptAnswers.removeExpired(dateNow(clock))) > 0);
  } catch (error) {
    logger.warn({ err: error }, 'what is past its time could not be removed')
  }
}
