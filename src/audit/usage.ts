// Counters of the hour in memory, added to the database every few seconds. Invariant: what could
// not be written stays counted. The hot paths call count(); it must stay a map look-up.
import { HOUR, type Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { endsWithin } from './deadline.ts'
import type { HourCount, UsageStore } from './usage.store.ts'

/** Counts what happens. Disposing writes what was counted, for at most `closeWithinMillis`. */
export interface Usage extends AsyncDisposable {
  /**
   * Counts one occurrence in the current hour.
   *
   * @param appId of a registered app only, or empty: an invented one would make a row of its own
   */
  count(name: string, appId?: string, reason?: string): void
  /** Writes what was counted; returns false where the database refused it (it stays counted). */
  flush(): Promise<boolean>
}

/** Opens the counters; none of their timers keeps the process alive. */
export function openUsage(deps: {
  store: Pick<UsageStore, 'add'>
  logger: Logger
  clock: Clock
  flushEveryMillis?: number
  closeWithinMillis?: number
}): Usage {
  const { store, logger, clock, flushEveryMillis = 5000, closeWithinMillis = 5000 } = deps
  let counts = new Map<string, HourCount>()
  let writing: Promise<boolean> | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let hour = ''
  let hourStart = Number.NaN

  function thisHour(): string {
    const now = clock()
    // False for NaN as well; clocks may also be set back.
    const isSameHour = now >= hourStart && now < hourStart + HOUR
    if (!isSameHour) {
      hourStart = Math.floor(now / HOUR) * HOUR
      hour = new Date(hourStart).toISOString()
    }
    return hour
  }

  // What is counted is mostly what was counted just before; comparing four texts costs less than
  // joining them.
  let last: HourCount | undefined

  function add(inHour: string, appId: string, name: string, reason: string, count: number): void {
    if (
      last?.appId === appId &&
      last.name === name &&
      last.reason === reason &&
      last.hour === inHour
    ) {
      last.count += count
      return
    }
    const key = `${inHour} ${name} ${reason} ${appId}`
    last = counts.get(key)
    if (last === undefined) counts.set(key, (last = { hour: inHour, appId, name, reason, count }))
    else last.count += count
  }

  function wake(): void {
    if (closed) return
    timer ??= setTimeout(() => void write(), flushEveryMillis).unref()
  }

  function write(): Promise<boolean> {
    writing ??= writeCounts().finally(() => {
      writing = undefined
      if (counts.size > 0) wake()
    })
    return writing
  }

  async function writeCounts(): Promise<boolean> {
    clearTimeout(timer)
    timer = undefined
    if (counts.size === 0) return true
    const taken = counts
    counts = new Map()
    last = undefined
    try {
      await store.add([...taken.values()])
      return true
    } catch (error) {
      for (const one of taken.values()) add(one.hour, one.appId, one.name, one.reason, one.count)
      logger.warn({ err: error }, 'usage could not be written; trying again')
      return false
    }
  }

  async function flush(): Promise<boolean> {
    if (writing !== undefined && !(await writing)) return false
    return write()
  }

  return {
    count(name, appId = '', reason = '') {
      add(thisHour(), appId, name, reason, 1)
      if (timer === undefined && writing === undefined) wake()
    },
    flush,
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      clearTimeout(timer)
      await endsWithin(flush(), closeWithinMillis)
      if (counts.size > 0)
        logger.error({ counters: counts.size }, 'usage could not be written before the end')
    },
  }
}
