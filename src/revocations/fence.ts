// What tells how far a copy of the short-lived store knows the endings in the database.

/** What a copy says of itself. */
export interface FenceReading {
  /** The number of the last ending up to which it knows all; 0 where it knows of none. */
  known: number
  /** Names the copy, by parts where it has some: another name is another copy. */
  copies: readonly string[]
  /** Another one once something that was acknowledged may have been lost. */
  history: string
}

/** Endings by their numbers, both included. */
export interface EndingRange {
  first: number
  last: number
}

/** How far the store knows what was ended. */
export interface Fence {
  /** @throws {AppError} `temporarily_unavailable` */
  read(): Promise<FenceReading>
  /**
   * Notes that these copies, and no others, know the endings of the ranges; what follows on a gap
   * is not noted. Returns how it is then.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  raise(copies: readonly string[], ranges: readonly EndingRange[]): Promise<FenceReading>
}

/** Returns whether two readings are of one copy; one that does not name itself is like no other. */
export const isSameCopy = (copies: readonly string[], others: readonly string[]): boolean =>
  copies.length === others.length && copies.every((copy, at) => copy !== '' && copy === others[at])
