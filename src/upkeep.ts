// What the server does on its own account beside requests: carries out written-down revocations and lets old events go.
import type { RevocationReason } from './audit/event-names.ts'
import type { Foundation } from './foundation.ts'
import type { Grant } from './grants/grant.ts'
import { createPurgeJobStore } from './grants/purge-job.store.ts'
import { createPurger } from './grants/purge.ts'
import { createLoginSessions } from './oauth/login-sessions.ts'
import { DAY, HOUR } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'

/** Work in the background; disposing waits for what is under way. */
export interface Upkeep extends AsyncDisposable {
  /** Carries out written-down revocations now. */
  purge(): Promise<void>
}

/** Returns what records the end of grants whose reason was written down in a job. */
export const revocationAudit = ({ events }: Foundation['audit']) => ({
  grantRevoked({ appId, accountId, id: grantId }: Grant, reason: string): void {
    events.grantRevoked({ appId, accountId, grantId, reason: reason as RevocationReason })
  },
})

/** Starts the background work. */
export function startUpkeep(foundation: Foundation): Upkeep {
  const { db, store, grants, clock, logger, metrics, audit, invalidation } = foundation
  const purger = createPurger({
    jobs: createPurgeJobStore(db),
    grants,
    sessions: createLoginSessions(store, clock),
    audit: revocationAudit(audit),
    clock,
    logger,
    metrics,
  })
  // Whoever suspends an app or deactivates an account writes the job first and announces the change then.
  invalidation.on('app', () => void purger.kick())
  invalidation.on('account', () => void purger.kick())
  const retention = setInterval(() => void letOldEventsGo(foundation, logger), HOUR).unref()
  return {
    purge: () => purger.kick(),
    async [Symbol.asyncDispose]() {
      clearInterval(retention)
      await purger[Symbol.asyncDispose]()
    },
  }
}

async function letOldEventsGo(
  { eventStore, clock, config }: Foundation,
  logger: Logger,
): Promise<void> {
  try {
    const before = new Date(clock() - config.events.retentionDays * DAY)
    // In batches, so that no lock is held for long.
    while ((await eventStore.removeOlderThan(before)) > 0);
  } catch (error) {
    logger.warn({ err: error }, 'old events could not be removed')
  }
}
