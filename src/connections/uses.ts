// Counts which app used a connection when, and writes it in batches, so that handing out a token
// costs no trip for it. Invariants: at most what came since the last batch is lost with the
// process; nothing here fails a request.
import { type Clock, dateNow, SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { ConnectionUse, ConnectionUseStore } from './connection-use.store.ts'

const FLUSH_MILLIS = 10 * SECOND
/** Pairs that may wait; more are not counted until the next batch. */
const MOST_WAITING = 50_000

/** Counts uses; disposing writes what waits. */
export interface ConnectionUses extends AsyncDisposable {
  note(connectionId: string, appId: string): void
  /** Writes what waits. Never rejects. */
  flush(): Promise<void>
}

/** Creates the counter. */
export function createConnectionUses(deps: {
  store: ConnectionUseStore
  clock: Clock
  logger: Pick<Logger, 'warn'>
}): ConnectionUses {
  const { store, clock, logger } = deps
  let waiting = new Map<string, ConnectionUse>()
  const timer = setInterval(() => void flush(), FLUSH_MILLIS).unref()

  async function flush(): Promise<void> {
    const batch = [...waiting.values()]
    waiting = new Map()
    try {
      await store.add(batch)
    } catch (error) {
      logger.warn({ err: error }, 'uses of connections could not be written')
    }
  }
  return {
    note(connectionId, appId) {
      const key = `${connectionId} ${appId}`
      const before = waiting.get(key)
      if (before === undefined && waiting.size >= MOST_WAITING) return
      const uses = (before?.uses ?? 0) + 1
      waiting.set(key, { connectionId, appId, uses, usedAt: dateNow(clock) })
    },
    flush,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await flush()
    },
  }
}
