// Events on their way to the database, off the request path. Invariants: never more than
// `queueSize` of them (the oldest are dropped and counted), one write at a time, in order, and a
// write that failed is repeated until it succeeds or its events have been dropped.
import type { Logger } from '../shared/logger.ts'
import { endsWithin } from './deadline.ts'

const FIRST_RETRY_MILLIS = 200
const MAX_RETRY_MILLIS = 5000
const CLOSING_RETRY_MILLIS = 50

/** A bounded queue that writes itself out. Disposing writes what waits, for at most `closeWithinMillis`. */
export interface EventQueue<T> extends AsyncDisposable {
  push(event: T): void
  /** Writes everything that was pushed before; returns false where the database refused it (it stays queued). */
  flush(): Promise<boolean>
}

/** Waiting events in order. */
function createBacklog<T>(cutAt: number) {
  /** From `head` on; what is before has been taken. */
  let waiting: T[] = []
  let head = 0
  return {
    count: () => waiting.length - head,
    push: (event: T) => void waiting.push(event),
    take(most: number): T[] {
      const taken = waiting.slice(head, head + most)
      head += taken.length
      // Cutting off what was taken costs its length, so it is done rarely.
      if (head === waiting.length || head > cutAt) {
        waiting = waiting.slice(head)
        head = 0
      }
      return taken
    },
    giveBack(events: readonly T[]) {
      waiting = [...events, ...waiting.slice(head)]
      head = 0
    },
  }
}

interface EventQueueDeps<T> {
  write: (batch: readonly T[]) => Promise<void>
  logger: Logger
  dropped: { inc(count: number): void }
  size: { set(count: number): void }
  queueSize?: number
  batchSize?: number
  flushEveryMillis?: number
  closeWithinMillis?: number
}

/** Opens the queue over `write`, which takes one batch or rejects. None of its timers keeps the process alive. */
export function openEventQueue<T>(deps: EventQueueDeps<T>): EventQueue<T> {
  const { write, logger, queueSize = 20_000, batchSize = 1000 } = deps
  const { flushEveryMillis = 200, closeWithinMillis = 5000 } = deps
  const backlog = createBacklog<T>(queueSize)
  /** Events of the write under way. */
  let batch: readonly T[] = []
  let timer: NodeJS.Timeout | undefined
  let draining: Promise<boolean> | undefined
  let failures = 0
  let droppedSinceFailure = 0
  let closed = false

  const count = (): number => backlog.count() + batch.length

  function drop(events: number): void {
    droppedSinceFailure += events
    deps.dropped.inc(events)
  }

  function wakeIn(millis: number): void {
    if (closed) return
    clearTimeout(timer)
    timer = setTimeout(() => void drain(), millis).unref()
  }

  function drain(): Promise<boolean> {
    draining ??= writeWaiting(backlog.count()).finally(() => {
      draining = undefined
      if (backlog.count() > 0) wakeIn(failures > 0 ? retryMillis() : nextWriteMillis())
    })
    return draining
  }

  const nextWriteMillis = (): number => (backlog.count() >= batchSize ? 0 : flushEveryMillis)
  const retryMillis = (): number =>
    Math.min(FIRST_RETRY_MILLIS * 2 ** (failures - 1), MAX_RETRY_MILLIS)

  /** Writes so many events and leaves what comes meanwhile for a batch of its own. */
  async function writeWaiting(events: number): Promise<boolean> {
    clearTimeout(timer)
    timer = undefined
    for (let left = events; left > 0 && backlog.count() > 0; left -= batchSize)
      if (!(await writeBatch(Math.min(left, batchSize)))) return false
    return true
  }

  async function writeBatch(events: number): Promise<boolean> {
    batch = backlog.take(events)
    try {
      await write(batch)
      batch = []
      if (failures > 0) {
        logger.info({ dropped: droppedSinceFailure }, 'events are written again')
        failures = 0
      }
      droppedSinceFailure = 0
      return true
    } catch (error) {
      // Back to the front, where they are again the oldest.
      backlog.giveBack(batch)
      batch = []
      failures += 1
      const facts = { err: error, waiting: count(), dropped: droppedSinceFailure }
      logger.warn(facts, 'events could not be written; trying again')
      return false
    } finally {
      deps.size.set(count())
    }
  }

  async function flush(): Promise<boolean> {
    // A write under way may have begun before the newest event came.
    if (draining !== undefined && !(await draining)) return false
    return drain()
  }

  async function writeUntilEmpty(isOver: () => boolean): Promise<void> {
    while (!isOver() && !(await flush()))
      await new Promise((resolve) => setTimeout(resolve, CLOSING_RETRY_MILLIS))
  }

  return {
    push(event) {
      if (closed) {
        drop(1)
        return
      }
      if (count() >= queueSize) {
        drop(1)
        // Everything may be in the write under way; then it is the newcomer that does not fit.
        if (backlog.count() === 0) return
        backlog.take(1)
      }
      backlog.push(event)
      if (failures > 0 || draining !== undefined) return
      if (backlog.count() === batchSize) wakeIn(0)
      else if (timer === undefined) wakeIn(flushEveryMillis)
    },
    flush,
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      clearTimeout(timer)
      let isOver = false
      await endsWithin(
        writeUntilEmpty(() => isOver),
        closeWithinMillis,
      )
      isOver = true
      const left = count()
      if (left === 0) return
      drop(left)
      logger.error({ dropped: left }, 'events could not be written before the end')
    },
  }
}
