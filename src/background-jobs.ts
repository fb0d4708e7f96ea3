// What the server does on its own account beside requests: carries out written-down revocations,
// and removes events, records and links that are past their time.
import { createIdempotencyRecordStore } from './admin/api/idempotency-record.store.ts'
import { createUploads } from './admin/uploads.store.ts'
import { type GaugeSampler, startGaugeSampler } from './audit/gauge-sampler.ts'
import type { RevocationReason } from './audit/event-names.ts'
import type { Events } from './audit/events.ts'
import type { Grant } from './grants/grant.ts'
import { deliverRegularly } from './deliveries/deliverer.ts'
import { createPurger } from './grants/purge.ts'
import type { Infrastructure } from './infrastructure.ts'
import { createLoginSessions } from './oauth/authorize/login-sessions.ts'
import type { Services } from './services.ts'
import { DAY, dateNow, HOUR } from './shared/clock.ts'

/** Work in the background; disposing waits for what is under way. */
export interface BackgroundJobs extends AsyncDisposable {
  /** Carries out written-down revocations now. */
  purge(): Promise<void>
  /** Counts what is alive, unless that was done in this hour. */
  sampleGauges: GaugeSampler['sampleDue']
  /** Removes what is past its time now; it does so each hour. */
  sweep(): Promise<void>
}

/** Creates what records the end of grants whose reason was written down in a job. */
export const createRevocationEvents = (events: Pick<Events, 'grantRevoked'>) => ({
  grantRevoked({ appId, accountId, id: grantId }: Grant, reason: string): void {
    events.grantRevoked({ appId, accountId, grantId, reason: reason as RevocationReason })
  },
})

/** Starts the background jobs. */
export function startBackgroundJobs(
  infrastructure: Infrastructure,
  services: Services,
): BackgroundJobs {
  const { store, clock, logger, metrics, invalidation } = infrastructure
  const { accounts, grants, audit, deliveries, stores } = services
  const purger = createPurger({
    jobs: stores.purgeJobs,
    grants,
    sessions: createLoginSessions(
      store,
      clock,
      async (accountId) => (await accounts.get(accountId)).sessionsFrom,
    ),
    audit: createRevocationEvents(audit.events),
    clock,
    logger,
    metrics,
  })
  // Suspending an app or deactivating an account writes the job first and publishes the change
  // then.
  invalidation.on('app', () => void purger.start())
  invalidation.on('account', () => void purger.start())
  const sampler = createSampler(infrastructure, services)
  const sweep = () => removeExpired(infrastructure, services)
  const retention = setInterval(() => void sweep(), HOUR).unref()
  const delivering = deliverRegularly(deliveries.deliverer)
  return {
    purge: () => purger.start(),
    sampleGauges: () => sampler.sampleDue(),
    sweep,
    async [Symbol.asyncDispose]() {
      clearInterval(retention)
      delivering[Symbol.dispose]()
      await Promise.all([purger[Symbol.asyncDispose](), sampler[Symbol.asyncDispose]()])
    },
  }
}

/** How long the log of what was delivered goes back. */
const DELIVERIES_KEPT_MILLIS = 30 * DAY

const APPS_AT_ONCE = 100

const createSampler = (
  { clock, logger, metrics }: Infrastructure,
  { apps, grantFigures, stores }: Services,
): GaugeSampler =>
  startGaugeSampler({
    gauges: stores.gauges,
    sampleApp: grantFigures.sampleApp,
    makeTrue: grantFigures.makeTrue,
    async *appIds() {
      let cursor: string | undefined
      do {
        const page = await apps.list({ cursor, limit: APPS_AT_ONCE })
        yield page.apps.filter(({ status }) => status !== 'deleted').map(({ id }) => id)
        cursor = page.next
      } while (cursor !== undefined)
    },
    metrics,
    clock,
    logger,
  })

/** For so long the figures of single hours are kept. */
const HOURS_KEPT_MILLIS = 14 * DAY

async function removeExpired(
  { db, endedStore, clock, config, logger, sealedBox }: Infrastructure,
  { accountLinks, deliveries, stores }: Services,
): Promise<void> {
  const before = new Date(clock() - config.events.retentionDays * DAY)
  const idempotencyRecords = createIdempotencyRecordStore(db)
  const uploads = createUploads({ db, encryption: sealedBox, clock })
  try {
    // In batches, so that no lock is held for long.
    while ((await stores.events.removeOlderThan(before)) > 0);
    const shownByDay = new Date(clock() - HOURS_KEPT_MILLIS)
    while ((await stores.usage.removeHoursBefore(shownByDay)) > 0);
    while ((await stores.gauges.thinOut(shownByDay)) > 0);
    await accountLinks.removeExpired()
    while ((await endedStore.removeExpired(dateNow(clock))) > 0);
    while ((await idempotencyRecords.removeExpired(dateNow(clock))) > 0);
    while ((await uploads.removeExpired()) > 0);
    const old = new Date(clock() - DELIVERIES_KEPT_MILLIS)
    while ((await deliveries.store.removeOld(dateNow(clock), old)) > 0);
  } catch (error) {
    logger.warn({ err: error }, 'what is past its time could not be removed')
  }
}
