// Runs of one piece of work, such as a comparison with what is stored elsewhere. Invariants: never
// two at once and never more than one waiting; whoever asks gets a run that began after they asked,
// so that what they had heard of is seen by it.

/** The runs. */
export interface FreshRuns {
  /** Resolves after a run that began after the call. @throws what the run throws */
  run: () => Promise<void>
  isRunning: () => boolean
  /** Resolves when no run is under way or waiting; never rejects. */
  idle: () => Promise<void>
}

/** Creates the runs of that work; none begins by itself. */
export function createFreshRuns(work: () => Promise<void>): FreshRuns {
  let running: Promise<void> | undefined
  let waiting: Promise<void> | undefined

  function run(): Promise<void> {
    if (running === undefined)
      return (running = work().finally(() => {
        running = undefined
      }))
    return (waiting ??= running
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return run()
      }))
  }

  return {
    run,
    isRunning: () => running !== undefined,
    idle: async () => (waiting ?? running)?.catch(() => undefined),
  }
}
