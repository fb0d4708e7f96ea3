// Carries out what is written down in purge_jobs: the end of all grants of an account, of an app,
// or of one account for one app. Whoever shuts something down writes the job in the same
// transaction, then starts it. Invariants: a job is removed only when everything that it means is
// revoked, so that neither a crash nor a Redis that is away leaves anything half revoked; jobs work
// in turns of bounded length, so that a large one holds up nobody.
import { type Clock, SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import { appFamily } from './app-tokens.ts'
import type { Grant } from './grant.ts'
import type { Grants } from './grants.ts'
import type { ListedIn } from './listing.ts'
import type { PurgeTask } from '../storage/purge-outbox.ts'
import {
  ownerOf,
  type PurgeJob,
  type PurgeJobStore,
  type PurgeProgress,
} from './purge-job.store.ts'
import { batchesOf } from './purge-batches.ts'

/** How many grants a job looks at before it is somebody else's turn. */
const TURN = 500
// How many owners a process tells apart in taking turns; a purge of more of them is fair by age
// alone.
const MOST_SERVED = 1000
const DONE = Symbol('done')
const POLL_MILLIS = 3 * SECOND
// Renewed with each batch; how long a job of a process that died waits for another one.
const LEASE_MILLIS = 30 * SECOND
const FIRST_RETRY_MILLIS = SECOND
const LONGEST_RETRY_MILLIS = 15 * SECOND

/** What purging needs. */
export interface PurgeDeps {
  jobs: PurgeJobStore
  grants: Pick<Grants, 'revoke' | 'walkOfAccount' | 'walkOfApp'>
  sessions: {
    /** Signs the account out everywhere. */
    removeAllOf: (accountId: string) => Promise<void>
  }
  audit: {
    /** Records the end of one grant; never throws. */
    grantRevoked: (grant: Grant, reason: string) => void
  }
  clock: Clock
  logger: Logger
  metrics: Pick<Metrics, 'purgeJobs'>
}

/** Carries out purge jobs until it is disposed, which waits for the batch under way. */
export interface Purger extends AsyncDisposable {
  /** Looks for jobs at once; resolves when those that were due are done or put off, and never rejects. */
  start(): Promise<void>
}

/** Creates the purger and starts looking for jobs every few seconds. */
export function createPurger(deps: PurgeDeps): Purger {
  const { jobs, clock, logger, metrics } = deps
  let isClosing = false
  let running: Promise<void> | undefined
  let following: Promise<void> | undefined

  const timer = setInterval(() => void (running ?? start()), POLL_MILLIS).unref()

  // A job written while a round is under way may have been missed by it: then another round
  // follows.
  function start(): Promise<void> {
    if (isClosing) return Promise.resolve()
    if (running === undefined)
      return (running = round().finally(() => {
        running = undefined
      }))
    return (following ??= running.then(() => {
      following = undefined
      return start()
    }))
  }

  async function round(): Promise<void> {
    try {
      // Whose jobs had a turn: the next one is somebody else's, until everybody had one.
      const served = new Set<string>()
      while (!isClosing) {
        const job = await claim([...served])
        if (job === undefined && served.size === 0) break
        if (job === undefined || served.size >= MOST_SERVED) served.clear()
        if (job === undefined) continue
        served.add(ownerOf(job.task))
        await takeTurn(job)
      }
      metrics.purgeJobs.set(await jobs.count())
    } catch (error) {
      logger.warn({ err: error }, 'purge jobs could not be read')
    }
  }

  function claim(except: readonly string[]): Promise<PurgeJob | undefined> {
    const now = clock()
    return jobs.claim(new Date(now), new Date(now + LEASE_MILLIS), except)
  }

  async function takeTurn(job: PurgeJob): Promise<void> {
    const { kind, reason } = job.task
    try {
      const progress = await carryOut(job)
      if (progress === DONE) {
        await jobs.remove(job.id)
        logger.info({ purge: kind, reason }, 'purge done')
      } else await jobs.saveProgress(job.id, progress, new Date(clock()))
    } catch (error) {
      const waitMillis = Math.min(
        FIRST_RETRY_MILLIS * 2 ** (job.attempts - 1),
        LONGEST_RETRY_MILLIS,
      )
      logger.warn({ err: error, purge: kind, reason, waitMillis }, 'purge put off')
      await jobs.postpone(job.id, new Date(clock() + waitMillis))
    }
  }

  /** Revokes batch by batch until the job is done or its turn is over; returns how far it came. */
  async function carryOut(job: PurgeJob): Promise<PurgeProgress | typeof DONE> {
    const { id, task, generation } = job
    if (job.progress === undefined && task.kind !== 'connection') await endRest(task, generation)
    let progress = job.progress ?? {}
    let looked = 0
    for await (const batch of batchesOf(deps.grants, task, generation, progress.behind)) {
      if (isClosing) return progress
      await Promise.all(batch.meant.map((found) => revoke(found.grantId, found, task.reason)))
      progress = { behind: batch.place }
      looked += batch.looked
      if (looked >= TURN) return progress
      await jobs.saveProgress(id, progress, new Date(clock() + LEASE_MILLIS))
    }
    return DONE
  }

  async function endRest(
    task: Exclude<PurgeTask, { kind: 'connection' }>,
    generation: number | undefined,
  ): Promise<void> {
    if (task.kind === 'account') return deps.sessions.removeAllOf(task.accountId)
    // The app may have been activated meanwhile: what it got for itself since then stays.
    const before = generation === undefined ? undefined : { before: { app: generation } }
    return revoke(appFamily(task.appId), before, task.reason)
  }

  async function revoke(grantId: string, listed: ListedIn | undefined, reason: string) {
    const grant = await deps.grants.revoke(grantId, listed, reason)
    if (grant !== undefined) deps.audit.grantRevoked(grant, reason)
  }

  return {
    start: start,
    async [Symbol.asyncDispose]() {
      isClosing = true
      clearInterval(timer)
      await (following ?? running)
    },
  }
}
