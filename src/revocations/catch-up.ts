// Keeps the short-lived store from bringing back what has ended. Redis can lose its last writes: a
// replica that lagged is promoted, a file has lost its tail, a snapshot is restored. The database
// has lost nothing, so what Redis has missed is ended there again before anything of it is
// verified. Invariants: a copy is verified only while no connection to it was lost since it was
// compared with the database; it knows then all that had been answered as ended. Called by
// open-stores.ts; endings, the connections and the log of revocations say when to look.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { EndedStore, NumberedEnding } from './ended.store.ts'
import { revocationOf } from './endings.ts'
import { type EndingRange, type Fence, type FenceReading, isSameCopy } from './fence.ts'
import type { RevocationLog } from './revocation-log.ts'

const PAGE = 500
const COMPARE_MILLIS = 2000
const RETRY_MILLIS = 200
const PATIENCE_MILLIS = 500
/** Beyond it followers are told to forget everything, which is cheaper. */
const MOST_NAMED = 100
/** Beyond it the next comparison ends them again, which is right as well. */
const MOST_OWED = 100

/** Stands for a copy of the store for as long as it is verified. */
export interface KnownCopy {
  readonly copies: readonly string[]
  readonly history: string
}

/** The database knows less than the store: it was restored, and nobody knows what it has lost. */
export class StoresDisagree extends AppError {
  constructor(known: number, last: number) {
    super('temporarily_unavailable', {
      detail: `Redis knows ${known} endings and the database only ${last}`,
      retryAfterSeconds: 5,
    })
  }
}

/** Keeps the store in step with what has ended. */
export interface CatchUp extends AsyncDisposable {
  /** What stands for the copy that is verified now; `undefined` while none is. */
  verified(): KnownCopy | undefined
  /**
   * Waits for a copy to be verified, for half a second.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  whenVerified(): Promise<KnownCopy>
  /** From now on another copy may answer. */
  doubt: () => void
  /**
   * Compares with the database and ends again what is missing.
   *
   * @throws {AppError} `temporarily_unavailable`; {StoresDisagree}
   */
  look(): Promise<void>
  /**
   * Resolves when the copy that answers now knows the endings.
   *
   * @param range what was written down
   * @param copy what was verified before they were carried out there
   * @throws {AppError} `temporarily_unavailable`
   */
  afterWritten: (range: EndingRange, copy: object | undefined) => Promise<void>
}

interface CatchUpDeps {
  fence: Fence
  endedStore: Pick<EndedStore, 'last' | 'lastForCertain' | 'listAfter'>
  /** Ends in the store what has ended, where it lives there. */
  endAgain: (endings: readonly NumberedEnding[]) => Promise<void>
  log: Pick<RevocationLog, 'append'>
  clock: Clock
  logger: Logger
  onEndedAgain?: (count: number) => void
}

/** Creates it; nothing is verified before the first look. */
export function openCatchUp(deps: CatchUpDeps): CatchUp {
  const { fence, endedStore, logger } = deps
  let verified: KnownCopy | undefined
  let lastReading: FenceReading | undefined
  let suspicions = 0
  let owed: EndingRange[] = []
  let running: Promise<void> | undefined
  let following: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let hasDisagreed = false
  let isClosed = false
  const waiting = new Set<(copy: KnownCopy) => void>()

  function suspect(): void {
    suspicions += 1
    verified = undefined
    owed = []
  }

  function verify(reading: FenceReading): void {
    lastReading = reading
    hasDisagreed = false
    if (verified !== undefined) return
    const copy = { copies: reading.copies, history: reading.history }
    verified = copy
    for (const resolve of waiting) resolve(copy)
    waiting.clear()
  }

  /** A look under way may have read before what the caller knows of: then another one follows. */
  function look(): Promise<void> {
    if (running === undefined)
      return (running = compare().finally(() => {
        running = undefined
      }))
    return (following ??= running
      .catch(() => undefined)
      .then(() => {
        following = undefined
        return look()
      }))
  }

  async function compare(): Promise<void> {
    try {
      let isAllForgotten = false
      for (;;) {
        const before = suspicions
        const reading = await fence.read()
        if (verified !== undefined && !isEqual(verified.copies, reading.copies)) suspect()
        // The very copy that was verified before has lost nothing, whatever became of connections.
        else if (before === suspicions && isAsBefore(reading)) verify(reading)
        const last = await endedStore.last()
        if (reading.known > last) await assertNothingLost(endedStore, reading.known)
        else if (reading.known < last)
          isAllForgotten =
            (await endPageAgain(deps, reading, last, isAllForgotten)) || isAllForgotten
        else if (before === suspicions) {
          verify(reading)
          return
        }
      }
    } catch (error) {
      if (error instanceof StoresDisagree) refuse(error)
      else logger.debug({ err: error }, 'the stores cannot be compared')
      if (verified === undefined && !isClosed) retry ??= setTimeout(tryAgain, RETRY_MILLIS).unref()
      throw error
    }
  }

  const isAsBefore = ({ copies, known }: FenceReading): boolean =>
    lastReading !== undefined &&
    isSameCopy(copies, lastReading.copies) &&
    known >= lastReading.known

  function refuse(error: StoresDisagree): void {
    suspect()
    lastReading = undefined
    if (!hasDisagreed)
      logger.error(
        { reason: error.detail },
        'the database is older than Redis: stop all servers and run "otesse stores reconcile"',
      )
    hasDisagreed = true
  }

  function tryAgain(): void {
    retry = undefined
    if (!isClosed) look().catch(() => undefined)
  }

  /** What nobody has told: a copy that took over without a word, an ending whose process died. */
  async function compareNow(): Promise<void> {
    const copy = verified
    if (copy === undefined) return look()
    const reading = await raise(copy)
    if (!isEqual(reading.copies, copy.copies)) return look()
    const last = await endedStore.last()
    if (reading.known === last) return
    // Others may have written an ending down and be about to say so.
    if ((await fence.read()).known !== (await endedStore.last())) await look()
  }

  async function raise(copy: KnownCopy): Promise<FenceReading> {
    const reading = await fence.raise(copy.copies, owed)
    owed = owed.filter(({ last }) => last > reading.known)
    if (owed.length > MOST_OWED) owed = []
    return reading
  }

  const timer = setInterval(() => {
    if (running === undefined) compareNow().catch(() => undefined)
  }, COMPARE_MILLIS).unref()

  return {
    verified: () => verified,
    whenVerified: () =>
      verified === undefined ? nextVerified(waiting) : Promise.resolve(verified),
    doubt: suspect,
    look,
    async afterWritten(range, copy) {
      const now = verified
      if (now !== undefined && now === copy) {
        owed.push(range)
        const reading = await raise(now)
        if (verified === now && isEqual(reading.copies, now.copies)) return
      }
      await look()
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearInterval(timer)
      clearTimeout(retry)
      await (following ?? running)?.catch(() => undefined)
    },
  }
}

const isEqual = (copies: readonly string[], others: readonly string[]): boolean =>
  copies.join() === others.join()

/** Waits for the next copy that is verified, for a moment. */
async function nextVerified(waiting: Set<(copy: KnownCopy) => void>): Promise<KnownCopy> {
  let resolve: (copy: KnownCopy) => void = () => undefined
  const copy = await Promise.race([
    new Promise<KnownCopy>((done) => waiting.add((resolve = done))),
    sleep(PATIENCE_MILLIS, undefined, { ref: false }),
  ])
  waiting.delete(resolve)
  if (copy !== undefined) return copy
  throw new AppError('temporarily_unavailable', {
    detail: 'redis: not yet compared with the database',
    retryAfterSeconds: 1,
  })
}

/** The first number may come from a database that lags behind the one that is written to. */
async function assertNothingLost(
  endedStore: Pick<EndedStore, 'lastForCertain'>,
  known: number,
): Promise<void> {
  const last = await endedStore.lastForCertain()
  if (known > last) throw new StoresDisagree(known, last)
}

/** Ends a page again; returns whether followers have to forget everything. */
async function endPageAgain(
  deps: CatchUpDeps,
  reading: FenceReading,
  last: number,
  isAllForgotten: boolean,
): Promise<boolean> {
  const { endedStore, log, fence, logger } = deps
  const page = await endedStore.listAfter(reading.known, dateNow(deps.clock), PAGE)
  await deps.endAgain(page)
  const isMany = page.length > MOST_NAMED
  if (isMany && !isAllForgotten) await log.append({ kind: 'all', key: '' })
  if (!isMany && !isAllForgotten)
    await Promise.all(page.map((row) => log.append(revocationOf(row))))
  const end = page.at(-1)?.seq ?? last
  const to = page.length < PAGE ? Math.max(last, end) : end
  await fence.raise(reading.copies, [{ first: reading.known + 1, last: to }])
  deps.onEndedAgain?.(page.length)
  logger.warn({ endings: page.length }, 'Redis had missed what was ended: it is ended again')
  return isMany
}
