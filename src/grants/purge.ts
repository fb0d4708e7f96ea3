// Carries out what is written down in purge_jobs: the end of all grants of an account, of an app, or of one account for one app. Whoever
// shuts something down writes the job in the same transaction, then kicks. Invariant: a job is removed only when everything that it means is
// revoked, so that neither a crash nor a Redis that is away leaves anything half revoked.
import { type Clock, SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import { appFamily } from './app-tokens.ts'
import type { Grant } from './grant.ts'
import type { Grants, ListedIn } from './grants.ts'
import type { PurgeJob, PurgeJobStore, PurgeTask } from './purge-job.store.ts'

const BATCH = 100
const POLL_MILLIS = 3 * SECOND
// Renewed with each batch; how long a job of a process that died waits for another one.
const LEASE_MILLIS = 30 * SECOND
const FIRST_RETRY_MILLIS = SECOND
const LONGEST_RETRY_MILLIS = 15 * SECOND
// How many members may leave an index between the reading of two pages without any being missed.
const OVERLAP = 20

/** What purging needs. */
export interface PurgeDeps {
  jobs: PurgeJobStore
  grants: Pick<Grants, 'revoke' | 'listOfAccount' | 'listOfApp'>
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
  kick(): Promise<void>
}

/** Creates the purger and starts looking for jobs every few seconds. */
export function createPurger(deps: PurgeDeps): Purger {
  const { jobs, clock, logger, metrics } = deps
  let isClosing = false
  let running: Promise<void> | undefined
  let following: Promise<void> | undefined

  const timer = setInterval(() => void (running ?? kick()), POLL_MILLIS).unref()

  // A job written while a round is under way may have been missed by it: then another round follows.
  function kick(): Promise<void> {
    if (isClosing) return Promise.resolve()
    if (running === undefined)
      return (running = round().finally(() => {
        running = undefined
      }))
    return (following ??= running.then(() => {
      following = undefined
      return kick()
    }))
  }

  async function round(): Promise<void> {
    try {
      while (!isClosing) {
        const now = clock()
        const job = await jobs.claim(new Date(now), new Date(now + LEASE_MILLIS))
        if (job === undefined) break
        await carryOut(job)
      }
      metrics.purgeJobs.set(await jobs.count())
    } catch (error) {
      logger.warn({ err: error }, 'purge jobs could not be read')
    }
  }

  async function carryOut(job: PurgeJob): Promise<void> {
    const { kind, reason } = job.task
    try {
      if (await isDone(job)) {
        await jobs.remove(job.id)
        logger.info({ purge: kind, reason }, 'purge done')
      } else await jobs.postpone(job.id, new Date(clock()))
    } catch (error) {
      const waitMillis = Math.min(
        FIRST_RETRY_MILLIS * 2 ** (job.attempts - 1),
        LONGEST_RETRY_MILLIS,
      )
      logger.warn({ err: error, purge: kind, reason, waitMillis }, 'purge put off')
      await jobs.postpone(job.id, new Date(clock() + waitMillis))
    }
  }

  /** Revokes batch by batch; `false` where the purger closes before the end. */
  async function isDone({ id, task, generation }: PurgeJob): Promise<boolean> {
    if (task.kind !== 'connection') await endRest(task)
    for await (const batch of batchesOf(deps, task, generation)) {
      if (isClosing) return false
      await jobs.postpone(id, new Date(clock() + LEASE_MILLIS))
      await Promise.all(batch.map((found) => revoke(found.grantId, found, task.reason)))
    }
    return true
  }

  async function endRest(task: Exclude<PurgeTask, { kind: 'connection' }>): Promise<void> {
    if (task.kind === 'account') await deps.sessions.removeAllOf(task.accountId)
    else await revoke(appFamily(task.appId), undefined, task.reason)
  }

  async function revoke(grantId: string, listed: ListedIn | undefined, reason: string) {
    const grant = await deps.grants.revoke(grantId, listed, reason)
    if (grant !== undefined) deps.audit.grantRevoked(grant, reason)
  }

  return {
    kick,
    async [Symbol.asyncDispose]() {
      isClosing = true
      clearInterval(timer)
      await (following ?? running)
    },
  }
}

type Found = ListedIn & { grantId: string }

/**
 * Yields the grants of a task, of which those stay that began with the job's generation or a later
 * one.
 */
async function* batchesOf(
  { grants }: Pick<PurgeDeps, 'grants'>,
  task: PurgeTask,
  generation: number | undefined,
): AsyncGenerator<Found[]> {
  if (task.kind === 'connection') {
    yield* connectionBatches(grants, task, generation)
    return
  }
  if (task.kind === 'account') {
    const { accountId } = task
    const before = generation === undefined ? {} : { before: { account: generation } }
    yield* pages(
      (offset) => grants.listOfAccount(accountId, offset, BATCH),
      (page) => page.map((entry) => ({ ...entry, accountId, ...before })),
    )
    return
  }
  const { appId } = task
  const before = generation === undefined ? {} : { before: { app: generation } }
  yield* pages(
    (offset) => grants.listOfApp(appId, offset, BATCH),
    (page) => page.map((grantId) => ({ grantId, appId, ...before })),
  )
}

/**
 * Yields the grants of one account for one app, walking past those for other apps, which stay.
 *
 * @param generation of the account: what began with it or a later one stays as well
 */
export function connectionBatches(
  grants: Pick<Grants, 'listOfAccount'>,
  { accountId, appId }: { accountId: string; appId: string },
  generation?: number,
): AsyncGenerator<Found[]> {
  const before = generation === undefined ? {} : { before: { account: generation } }
  return pages(
    (offset) => grants.listOfAccount(accountId, offset, BATCH),
    (page) =>
      page
        .filter((entry) => entry.appId === appId)
        .map((entry) => ({ ...entry, accountId, ...before })),
  )
}

const nameOf = (entry: string | { grantId: string }): string =>
  typeof entry === 'string' ? entry : entry.grantId

/**
 * Pages through an index, of which some members leave once they were yielded and others stay: a
 * page is read again until it shows nothing new,
 * then it is passed. What begins meanwhile and stays costs a look and no more, so that it cannot
 * keep this going.
 */
async function* pages<T extends string | { grantId: string }>(
  list: (offset: number) => Promise<T[]>,
  meant: (page: T[]) => Found[],
): AsyncGenerator<Found[]> {
  let seen: ReadonlySet<string> = new Set()
  for (let offset = 0; ;) {
    const page = await list(offset)
    const before = seen
    const found = meant(page.filter((entry) => !before.has(nameOf(entry))))
    seen = new Set(page.map(nameOf))
    if (found.length > 0) yield found
    if (page.length < BATCH) return
    if (found.length === 0) offset += page.length - OVERLAP
  }
}
