// Keeps a copy of something stored elsewhere fresh: reads it again on demand and at intervals.
// Invariant: refresh() resolves only after a read that began after the call, so that whoever heard
// of a change and refreshed has seen it (fresh-runs.ts).
import { createFreshRuns } from './fresh-runs.ts'

/** Keeps a copy fresh; disposing stops the interval and waits for a running read. */
export interface PolledCopy extends AsyncDisposable {
  /** Reads again. @throws what the read throws */
  refresh(): Promise<void>
  /** Reads again in the background; a failure goes to `onFailed`. */
  refreshSoon(): void
}

/**
 * Creates the refresher of a copy; it reads nothing before the first call or the first interval.
 *
 * @param read reads and takes over the new state
 * @param onFailed hears why a read in the background failed; the copy stays as it was and the next
 * interval tries again
 */
export function createPolledCopy(deps: {
  read: () => Promise<void>
  everyMillis: number
  onFailed?: ((error: unknown) => void) | undefined
}): PolledCopy {
  const { run: refresh, idle } = createFreshRuns(deps.read)
  const refreshSoon = (): void => {
    refresh().catch((error: unknown) => deps.onFailed?.(error))
  }
  const timer = setInterval(refreshSoon, deps.everyMillis).unref()
  return {
    refresh,
    refreshSoon,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await idle()
    },
  }
}
