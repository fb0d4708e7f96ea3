// The only place that reads the time. Everything that needs "now" takes a Clock, so that tests can
// hold it still.

/** Gives the current time in milliseconds since the epoch. */
export type Clock = () => number

/** The machine's clock. */
export const systemClock: Clock = () => Date.now()

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** Returns whole seconds since the epoch, as OAuth puts time on the wire. */
export function epochSeconds(clock: Clock): number {
  return Math.floor(clock() / SECOND)
}

/** Returns the clock's time as a Date, for the database. */
export function dateNow(clock: Clock): Date {
  return new Date(clock())
}

/** Returns a moment in milliseconds since the epoch as a Date, for the database. */
export const dateAt = (millis: number): Date => new Date(millis)
