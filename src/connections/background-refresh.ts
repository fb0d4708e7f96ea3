// Renews tokens before somebody has to wait for it, uses refresh tokens before they die of
// idleness, tries keys each week, and tells owners of an end that only they can move. Invariants:
// each due connection is taken by one process; no more are begun at once than a provider should
// notice; what fails is noted on the connection, and stops no other.
import { type Clock, dateAt, MINUTE, SECOND } from '../shared/clock.ts'
import { isUnavailable } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { Provider } from '../providers/provider.ts'
import type { CheckStore } from './check.store.ts'
import type { CheckResult } from './connection.ts'
import type { ConnectionStore, UsableConnection } from './connection.store.ts'
import type { DueStore } from './due.store.ts'
import type { Refresher } from './refresh.ts'
import { dueAfter, endToTell, isCheckDue, isWorthRenewing, nextCheck } from './refresh-plan.ts'
import { type Rounds, startRounds } from './rounds.ts'

/** What the work needs. */
export interface BackgroundRefreshDeps {
  due: DueStore
  connections: Pick<ConnectionStore, 'findUsable'>
  refresher: Pick<Refresher, 'renew'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  /** Tries a connection. */
  check: (usable: UsableConnection) => Promise<CheckResult>
  checks: Pick<CheckStore, 'noteEnding'>
  events: {
    connectionEnding(facts: {
      accountId: string | undefined
      connection: string
      integration: string
      endsAt: Date
    }): void
  }
  clock: Clock
  logger: Pick<Logger, 'warn'>
}

const EVERY_MILLIS = 5 * SECOND
/** How long a process may take for what it took; then another one may. */
const HOLD_MILLIS = 10 * MINUTE
const MOST_AT_ONCE = 40
/** Of one integration in one round; the others wait for the next. */
const MOST_OF_INTEGRATION = 10

/** Starts the work. */
export const startBackgroundRefresh = (deps: BackgroundRefreshDeps): Rounds =>
  startRounds(() => work(deps), EVERY_MILLIS)

async function work(deps: BackgroundRefreshDeps): Promise<number> {
  const now = deps.clock()
  try {
    const taken = await deps.due.take(new Date(now), new Date(now + HOLD_MILLIS), {
      most: MOST_AT_ONCE,
      mostOfIntegration: MOST_OF_INTEGRATION,
    })
    await Promise.all(taken.map((id) => look(deps, id)))
    return taken.length
  } catch (error) {
    if (!isUnavailable(error)) deps.logger.warn({ err: error }, 'connections could not be renewed')
    return 0
  }
}

async function look(deps: BackgroundRefreshDeps, id: string): Promise<void> {
  try {
    const usable = await deps.connections.findUsable(id)
    if (usable === undefined) return
    if (usable.integration.kind === 'keys') await lookAtKeys(deps, usable)
    else await lookAtTokens(deps, usable)
  } catch {
    // What went wrong is noted on the connection, and told as an event.
  }
}

async function lookAtKeys(deps: BackgroundRefreshDeps, usable: UsableConnection): Promise<void> {
  const { connection } = usable
  const now = deps.clock()
  if (!isCheckDue(connection, now)) {
    await deps.due.set(connection.id, nextCheck(connection, now, Math.random()))
    return
  }
  const lastCheck = await deps.check(usable)
  if (lastCheck === 'revoked') return
  const checked = { lastCheck, lastCheckedAt: dateAt(now) }
  await deps.due.set(connection.id, nextCheck(checked, now, Math.random()))
}

async function lookAtTokens(deps: BackgroundRefreshDeps, usable: UsableConnection): Promise<void> {
  const { due, clock } = deps
  const { connection } = usable
  const life = await lifeOf(deps, usable)
  const isWorth = isWorthRenewing(connection, life, clock())
  const after = isWorth ? (await deps.refresher.renew(usable)).connection : connection
  if (after.generation === connection.generation)
    await due.set(connection.id, dueAfter(after, life, clock()))
  const end = isWorth ? endToTell(connection, after, clock()) : undefined
  if (end === undefined || !(await deps.checks.noteEnding(connection.id, end))) return
  const { owner } = connection
  deps.events.connectionEnding({
    accountId: owner.kind === 'account' ? owner.id : undefined,
    connection: connection.id,
    integration: usable.integration.handle,
    endsAt: end,
  })
}

async function lifeOf(
  { providerOf }: BackgroundRefreshDeps,
  usable: UsableConnection,
): Promise<{ refreshIdleDays: number | undefined }> {
  const provider = await providerOf(usable)
  return { refreshIdleDays: provider?.life?.refresh_idle_days }
}
