// The end of a family or of one token, after the store has forgotten it and before anybody is
// answered: written down in the database and appended to the log of revocations, both at once.
// Invariants: what was answered as ended is in the database, so that no failover, crash or restore
// of the short-lived store brings it back; endings of one moment share a statement, so that a flood
// costs few; what could not be written is tried again until it can. Called by grants/.
import type { Logger } from '../shared/logger.ts'
import type { Replication } from '../storage/replication.ts'
import type { EndedStore, Ending } from './ended.store.ts'
import type { EndingRange } from './fence.ts'
import type { Revocation, RevocationLog } from './revocation-log.ts'

const BATCH = 500
const RETRY_MILLIS = 1000
/**
 * Beyond it the database has been away for so long that a process cannot hold what it must
 * remember.
 */
const MOST_UNWRITTEN = 100_000

/** Takes endings in. */
export interface Endings extends AsyncDisposable {
  /**
   * Resolves when the ending is durable and everybody has been told.
   *
   * @throws {AppError} `temporarily_unavailable`; it is tried again in the background, and may be
   * recorded again
   */
  record(ending: Ending): Promise<void>
}

/**
 * Creates the endings.
 *
 * @param deps.afterWritten is waited for when endings are in the database, until the copy of the
 * short-lived store that answers knows them; see catch-up.ts
 */
export function createEndings(deps: {
  store: Pick<EndedStore, 'add'>
  log: Pick<RevocationLog, 'append'>
  /** Where the short-lived store may have replicas. */
  replication?: Pick<Replication, 'reach'> | undefined
  logger: Logger
  afterWritten?: ((range: EndingRange, copy: object | undefined) => Promise<void>) | undefined
}): Endings {
  const { store, log, logger } = deps
  let waiting: Ending[] = []
  let next: Promise<void> | undefined
  let running: Promise<void> = Promise.resolve()
  const unwritten = new Map<string, Ending>()
  let retry: NodeJS.Timeout | undefined
  let isClosed = false

  /** Gathers while an earlier statement is under way. */
  function write(ending: Ending): Promise<void> {
    if (waiting.length >= BATCH) next = undefined
    if (next === undefined) {
      waiting = []
      const batch = waiting
      const written = running.then(() => writeBatch(batch))
      running = written.then(
        () => undefined,
        () => undefined,
      )
      next = written.then((last) => afterWritten(batch, last))
    }
    waiting.push(ending)
    return next
  }

  async function writeBatch(batch: Ending[]): Promise<number> {
    if (batch === waiting) next = undefined
    try {
      const last = await store.add(batch)
      for (const ending of batch) unwritten.delete(nameOf(ending))
      return last
    } catch (error) {
      for (const ending of batch) keepForLater(ending)
      throw error
    }
  }

  async function afterWritten(batch: readonly Ending[], last: number): Promise<void> {
    const [first] = batch
    const isOfOneCopy = batch.every(({ copy }) => copy === first?.copy)
    const range = { first: last - batch.length + 1, last }
    await deps.afterWritten?.(range, isOfOneCopy ? first?.copy : undefined)
  }

  function keepForLater(ending: Ending): void {
    if (unwritten.size >= MOST_UNWRITTEN && !unwritten.has(nameOf(ending))) {
      logger.error(
        { grantId: ending.family },
        'an ending could not be written down and is given up',
      )
      return
    }
    unwritten.set(nameOf(ending), ending)
    retry ??= setTimeout(tryAgain, RETRY_MILLIS).unref()
  }

  function tryAgain(): void {
    retry = undefined
    if (isClosed) return
    for (const ending of [...unwritten.values()]) write(ending).catch(() => undefined)
  }

  async function tell(ending: Ending): Promise<void> {
    await log.append(revocationOf(ending))
    await deps.replication?.reach(ending.family)
  }

  return {
    async record(ending) {
      const [written, told] = await Promise.allSettled([write(ending), tell(ending)])
      for (const outcome of [written, told]) if (outcome.status === 'rejected') throw outcome.reason
    },
    async [Symbol.asyncDispose]() {
      if (unwritten.size > 0) tryAgain()
      isClosed = true
      clearTimeout(retry)
      await running
      if (unwritten.size > 0)
        logger.error(
          { endings: unwritten.size },
          'endings could not be written down before the end',
        )
    },
  }
}

const nameOf = ({ family, token }: Ending): string => `${family} ${token ?? ''}`

/** Returns what followers of the log are told of an ending. */
export const revocationOf = ({ family, token }: Ending): Revocation =>
  token === undefined ? { kind: 'grant', key: family } : { kind: 'token', key: token }
