// In which order a list is read, and how its matches are counted. Invariant: an order is total:
// rows with the same value are ordered by their id, in the same direction.

/** A column and a direction. */
export interface ListOrder<Column extends string> {
  readonly by: Column
  readonly descending: boolean
}

/** How many match; where counting stopped there are more. */
export interface MatchCount {
  readonly count: number
  readonly isMore: boolean
}

/** Nobody reads further, and counting everything would cost more than the page. */
export const MOST_COUNTED = 10_000

/** Returns the count of a query that read one more than is counted. */
export const countUpTo = (found: number): MatchCount => ({
  count: Math.min(found, MOST_COUNTED),
  isMore: found > MOST_COUNTED,
})
