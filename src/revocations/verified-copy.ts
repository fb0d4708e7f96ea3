// Which copy of the short-lived store is verified now, and who waits for one. Invariant: a copy is
// the same object for as long as nothing was suspected since it was verified. Called by
// catch-up.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../shared/errors.ts'
import { type FenceReading, isSameCopy } from './fence.ts'

const PATIENCE_MILLIS = 500

/** Stands for a copy of the store for as long as it is verified. */
export interface KnownCopy {
  readonly copies: readonly string[]
  readonly history: string
}

/** The copy that is verified now, if any. */
export interface VerifiedCopy {
  now: () => KnownCopy | undefined
  /** Waits for one, for half a second. @throws {AppError} `temporarily_unavailable` */
  next(): Promise<KnownCopy>
  /** Counts the suspicions so far. */
  suspicions(): number
  /** From now on another copy may answer. */
  suspect(): void
  verify(reading: FenceReading): void
  /** Returns whether it is the copy that was verified last, and has lost nothing since. */
  isAsBefore(reading: FenceReading): boolean
  /** No copy counts as the one that was verified last. */
  forgetReading(): void
}

/** Creates it; nothing is verified yet. */
export function createVerifiedCopy(): VerifiedCopy {
  let verified: KnownCopy | undefined
  let lastReading: FenceReading | undefined
  let suspicions = 0
  const waiting = new Set<(copy: KnownCopy) => void>()
  return {
    now: () => verified,
    next: () => (verified === undefined ? nextVerified(waiting) : Promise.resolve(verified)),
    suspicions: () => suspicions,
    suspect() {
      suspicions += 1
      verified = undefined
    },
    verify(reading) {
      lastReading = reading
      if (verified !== undefined) return
      const copy = { copies: reading.copies, history: reading.history }
      verified = copy
      for (const resolve of waiting) resolve(copy)
      waiting.clear()
    },
    isAsBefore: ({ copies, known }) =>
      lastReading !== undefined &&
      isSameCopy(copies, lastReading.copies) &&
      known >= lastReading.known,
    forgetReading() {
      lastReading = undefined
    },
  }
}

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
