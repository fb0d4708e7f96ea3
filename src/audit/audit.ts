// What happened, kept three ways: a row for the audit trail, a counter for the metrics and the
// daily usage, a line for the log. Requests only ever write to memory; the queue and the counters
// are written out in the background, and once more when this is disposed.
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { UsageName } from './event-names.ts'
import { openEventQueue } from './event-queue.ts'
import type { EventStore, NewEvent } from './event.store.ts'
import { createEvents, type EndedBySuspicion, type Events, type ReconnectNeeded } from './events.ts'
import { openUsage } from './usage.ts'
import type { UsageStore } from './usage.store.ts'

/** The audit trail. Disposing writes out what waits. */
export interface Audit extends AsyncDisposable {
  events: Events
  /**
   * Counts what has no row of its own, introspections above all.
   *
   * @param appId of a registered app only
   */
  count(name: UsageName, appId?: string, reason?: string): void
  /** Writes out events and counters now; returns false where the database refused. */
  flush(): Promise<boolean>
}

/**
 * Opens the audit trail.
 *
 * @param deps.queueSize events that may wait for the database, 20 000 by default
 */
export function openAudit(deps: {
  store: Pick<EventStore, 'insert'>
  usageStore: Pick<UsageStore, 'add'>
  metrics: Pick<Metrics, 'events' | 'eventsDropped' | 'eventQueue'>
  logger: Logger
  clock: Clock
  queueSize?: number
  refusalRowsPerSecond?: number
  onSuspicion?: (ended: EndedBySuspicion) => void
  onReconnectNeeded?: (connection: ReconnectNeeded) => void
}): Audit {
  const { store, usageStore, metrics, logger, clock, queueSize, refusalRowsPerSecond } = deps
  const queue = openEventQueue<NewEvent>({
    write: (batch) => store.insert(batch),
    logger,
    dropped: metrics.eventsDropped,
    size: metrics.eventQueue,
    ...(queueSize !== undefined && { queueSize }),
  })
  const usage = openUsage({ store: usageStore, logger, clock })
  const limits = refusalRowsPerSecond === undefined ? {} : { refusalRowsPerSecond }
  return {
    events: createEvents({
      queue,
      usage,
      metrics,
      logger,
      clock,
      onSuspicion: deps.onSuspicion,
      onReconnectNeeded: deps.onReconnectNeeded,
      ...limits,
    }),
    count: (name, appId, reason) => usage.count(name, appId, reason),
    async flush() {
      const written = await Promise.all([queue.flush(), usage.flush()])
      return written.every(Boolean)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([queue[Symbol.asyncDispose](), usage[Symbol.asyncDispose]()])
    },
  }
}
