// The prom-client registry and every metric that we publish, in one place. Labels are of low
// cardinality: never an id, never an address.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

/** Creates a registry of its own for each server, so that several can live in one process (tests). */
export function createMetrics(options: { processMetrics: boolean }) {
  const registry = new Registry()
  const registers = [registry]
  if (options.processMetrics) collectDefaultMetrics({ register: registry })
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'otesse_request_seconds',
      help: 'Time from the arrival of a request to its answer, by route and status class',
      labelNames: ['route', 'status'] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    events: new Counter({
      name: 'otesse_events_total',
      help: 'Business events, by name and reason code (empty where there is none)',
      labelNames: ['event', 'reason'] as const,
      registers,
    }),
    eventsDropped: new Counter({
      name: 'otesse_events_dropped_total',
      help: 'Events that did not reach the database because the queue was full or writing failed for too long',
      registers,
    }),
    eventQueue: new Gauge({
      name: 'otesse_event_queue',
      help: 'Events that wait to be written',
      registers,
    }),
    passwordChecksWaiting: new Gauge({
      name: 'otesse_password_checks_waiting',
      help: 'Password checks that wait for a free hashing thread',
      registers,
    }),
    invalidationGaps: new Counter({
      name: 'otesse_invalidation_gaps_total',
      help: 'Times that the invalidation channel was lost and all caches were emptied',
      registers,
    }),
    endedAgain: new Counter({
      name: 'otesse_endings_carried_out_again_total',
      help: 'Revocations that Redis had lost and that were carried out again from the database',
      registers,
    }),
    unreplicatedEndings: new Counter({
      name: 'otesse_unreplicated_endings_total',
      help: 'Revocations that were answered before a replica of Redis had confirmed them',
      registers,
    }),
    grantsLive: new Gauge({
      name: 'otesse_grants_live',
      help: 'Authorizations that are alive, as of the last hour',
      registers,
    }),
    peopleConnected: new Gauge({
      name: 'otesse_people_connected',
      help: 'People with an authorization that is alive, as of the last hour',
      registers,
    }),
    purgeJobs: new Gauge({
      name: 'otesse_purge_jobs',
      help: 'Revocations of whole apps or accounts that are written down and not yet carried out',
      registers,
    }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
