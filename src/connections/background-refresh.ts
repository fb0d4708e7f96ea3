// Renews tokens before somebody has to wait for it, and uses refresh tokens before they die of
// idleness. Invariants: each due connection is taken by one process; no more are begun at once than
// a provider should notice; what fails is noted on the connection, and stops no other.
import { type Clock, MINUTE, SECOND } from '../shared/clock.ts'
import { isUnavailable } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { Provider } from '../providers/provider.ts'
import type { ConnectionStore, UsableConnection } from './connection.store.ts'
import type { DueStore } from './due.store.ts'
import type { Refresher } from './refresh.ts'
import { dueAfter, isWorthRenewing } from './refresh-plan.ts'

/** What the work needs. */
export interface BackgroundRefreshDeps {
  due: DueStore
  connections: Pick<ConnectionStore, 'findUsable'>
  refresher: Pick<Refresher, 'renew'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  clock: Clock
  logger: Pick<Logger, 'warn'>
}

/** The work; disposing waits for what is under way. */
export interface BackgroundRefresh extends AsyncDisposable {
  /** Does what is due now. @returns how many connections were looked at */
  run(): Promise<number>
}

const EVERY_MILLIS = 5 * SECOND
/** How long a process may take for what it took; then another one may. */
const HOLD_MILLIS = 10 * MINUTE
const MOST_AT_ONCE = 40
/** Of one integration in one round; the others wait for the next. */
const MOST_OF_INTEGRATION = 10

/** Starts the work. */
export function startBackgroundRefresh(deps: BackgroundRefreshDeps): BackgroundRefresh {
  let running: Promise<number> | undefined
  const run = (): Promise<number> =>
    (running ??= work(deps).finally(() => {
      running = undefined
    }))
  const timer = setInterval(() => void run(), EVERY_MILLIS).unref()
  return {
    run,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

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
    const { connection } = usable
    const life = await lifeOf(deps, usable)
    if (isWorthRenewing(connection, life, deps.clock())) await deps.refresher.renew(usable)
    else await deps.due.set(id, dueAfter(connection, life, deps.clock()))
  } catch {
    // What went wrong is noted on the connection, and told as an event.
  }
}

async function lifeOf(
  { providerOf }: BackgroundRefreshDeps,
  usable: UsableConnection,
): Promise<{ refreshIdleDays: number | undefined }> {
  const provider = await providerOf(usable)
  return { refreshIdleDays: provider?.life?.refresh_idle_days }
}
