// What a limit is, and what it says to a request.

/** So many points within so many seconds; `points: 0` is no limit. */
export interface LimitSize {
  points: number
  seconds: number
}

/** What a limit says to one request. */
export type LimitOutcome =
  | { allowed: true; remaining: number; resetSeconds: number }
  | { allowed: false; retryAfterSeconds: number }
