// Keeps the short-lived store from bringing back what has ended. Redis can lose its last writes: a
// replica that lagged is promoted, a file has lost its tail, a snapshot is restored. The database
// has lost nothing, so what Redis has missed is ended there again before anything of it is
// verified. Invariants: a copy is verified only while no connection to it was lost since it was
// compared with the database; it knows then all that had been answered as ended. Called by
// open-stores.ts; endings, the connections and the log of revocations say when to look.
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { createFreshRuns } from '../shared/fresh-runs.ts'
import type { Logger } from '../shared/logger.ts'
import type { EndedStore, NumberedEnding } from './ended.store.ts'
import { revocationOf } from './endings.ts'
import { type EndingRange, type Fence, type FenceReading } from './fence.ts'
import type { RevocationLog } from './revocation-log.ts'
import { createVerifiedCopy, type KnownCopy, type VerifiedCopy } from './verified-copy.ts'

const PAGE = 500
const COMPARE_MILLIS = 2000
const RETRY_MILLIS = 200
/** Beyond it followers are told to forget everything, which is cheaper. */
const MOST_NAMED = 100
/** Beyond it the next comparison ends them again, which is right as well. */
const MOST_OWED = 100

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
  const { fence, logger } = deps
  const copy = createVerifiedCopy()
  const owed = createOwedEndings(fence)
  const looks = createFreshRuns(look)
  let retry: NodeJS.Timeout | undefined
  let hasDisagreed = false
  let isClosed = false

  function suspect(): void {
    copy.suspect()
    owed.forget()
  }

  async function look(): Promise<void> {
    try {
      await compare(deps, copy, suspect)
      hasDisagreed = false
    } catch (error) {
      if (error instanceof StoresDisagree) refuse(error)
      else logger.debug({ err: error }, 'the stores cannot be compared')
      if (copy.now() === undefined && !isClosed)
        retry ??= setTimeout(tryAgain, RETRY_MILLIS).unref()
      throw error
    }
  }

  function refuse(error: StoresDisagree): void {
    suspect()
    copy.forgetReading()
    if (!hasDisagreed)
      logger.error(
        { reason: error.detail },
        'the database is older than Redis: stop all servers and run "otesse stores reconcile"',
      )
    hasDisagreed = true
  }

  function tryAgain(): void {
    retry = undefined
    if (!isClosed) looks.run().catch(() => undefined)
  }

  /** What nobody has told: a copy that took over without a word, an ending whose process died. */
  async function compareNow(): Promise<void> {
    const now = copy.now()
    if (now === undefined) return looks.run()
    const reading = await owed.raise(now)
    if (!isEqual(reading.copies, now.copies)) return looks.run()
    const last = await deps.endedStore.last()
    if (reading.known === last) return
    // Others may have written an ending down and be about to say so.
    if ((await fence.read()).known !== (await deps.endedStore.last())) await looks.run()
  }

  const timer = setInterval(() => {
    if (!looks.isRunning()) compareNow().catch(() => undefined)
  }, COMPARE_MILLIS).unref()

  return {
    verified: copy.now,
    whenVerified: () => copy.next(),
    doubt: suspect,
    look: looks.run,
    async afterWritten(range, before) {
      const now = copy.now()
      if (now !== undefined && now === before) {
        owed.add(range)
        const reading = await owed.raise(now)
        if (copy.now() === now && isEqual(reading.copies, now.copies)) return
      }
      await looks.run()
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearInterval(timer)
      clearTimeout(retry)
      await looks.idle()
    },
  }
}

/** Reads, and ends again what is missing, until a reading has nothing to add. */
async function compare(deps: CatchUpDeps, copy: VerifiedCopy, suspect: () => void): Promise<void> {
  const { fence, endedStore } = deps
  let isAllForgotten = false
  for (;;) {
    const before = copy.suspicions()
    const reading = await fence.read()
    const now = copy.now()
    if (now !== undefined && !isEqual(now.copies, reading.copies)) suspect()
    // The very copy that was verified before has lost nothing, whatever became of connections.
    else if (before === copy.suspicions() && copy.isAsBefore(reading)) copy.verify(reading)
    const last = await endedStore.last()
    if (reading.known > last) await assertNothingLost(endedStore, reading.known)
    else if (reading.known < last)
      isAllForgotten = (await endPageAgain(deps, reading, last, isAllForgotten)) || isAllForgotten
    else if (before === copy.suspicions()) {
      copy.verify(reading)
      return
    }
  }
}

/** Endings that were carried out on the verified copy, whose number it has yet to be told. */
function createOwedEndings(fence: Fence) {
  let owed: EndingRange[] = []
  return {
    add: (range: EndingRange): void => void owed.push(range),
    forget(): void {
      owed = []
    },
    async raise({ copies }: KnownCopy): Promise<FenceReading> {
      const reading = await fence.raise(copies, owed)
      owed = owed.filter(({ last }) => last > reading.known)
      if (owed.length > MOST_OWED) owed = []
      return reading
    },
  }
}

/** A copy that does not name itself equals itself here: nobody can tell it from another. */
const isEqual = (copies: readonly string[], others: readonly string[]): boolean =>
  copies.join() === others.join()

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
