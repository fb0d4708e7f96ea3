// Work that is done again and again in the background. Invariant: one round at a time in a process.

/** The work; disposing waits for the round that is under way. */
export interface Rounds extends AsyncDisposable {
  /** Does a round now, or takes part in the one that is under way. @returns how much was done */
  run(): Promise<number>
}

/** Starts it. @param work never rejects */
export function startRounds(work: () => Promise<number>, everyMillis: number): Rounds {
  let running: Promise<number> | undefined
  const run = (): Promise<number> =>
    (running ??= work().finally(() => {
      running = undefined
    }))
  const timer = setInterval(() => void run(), everyMillis).unref()
  return {
    run,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}
