// The two clocks: one that never jumps, for how long something has been remembered, and that of the
// day, for when a token ends.

/** Milliseconds since some moment; never goes back. */
export const monotonicMillis = (): number => performance.now()

/** Milliseconds since the epoch. */
export const wallMillis = (): number => Date.now()
