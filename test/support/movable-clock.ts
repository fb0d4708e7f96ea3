// A clock for tests that runs on from wherever it was moved to.

export interface MovableClock {
  (): number
  /** Lets so many milliseconds pass at once. */
  move(millis: number): void
}

/** Creates a clock that shows the machine's time until it is moved. */
export function createMovableClock(): MovableClock {
  let ahead = 0
  return Object.assign(() => Date.now() + ahead, {
    move: (millis: number) => void (ahead += millis),
  })
}
