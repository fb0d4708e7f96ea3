// Which timestamps the database can hold, as the drivers write them: years 1 to 9999. What comes
// from outside is checked here first, because beyond them a statement fails as if the fault were
// ours.

const EARLIEST_MILLIS = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST_MILLIS = Date.parse('9999-12-31T23:59:59.999Z')

/** Returns whether the database can hold the timestamp; false for an invalid date. */
export const isStorable = (at: Date): boolean =>
  at.getTime() >= EARLIEST_MILLIS && at.getTime() <= LATEST_MILLIS

/** Returns the timestamp, or the nearest that the database can hold, for the bounds of a search. */
export const nearestStorable = (at: Date): Date =>
  new Date(Math.min(Math.max(at.getTime(), EARLIEST_MILLIS), LATEST_MILLIS))
