// Why a request to another host came to nothing.

/**
 * - `refused`: the destination is not allowed; nothing was sent.
 * - `busy`: too many calls of the same lane are under way; nothing was sent.
 * - `unreachable`: DNS, TCP or TLS failed, or the connection ended early.
 * - `timed_out`: a bound of time was reached.
 * - `sent_too_large`, `too_large`: the body of the request, or of the answer, is too large.
 * - `unreadable`: the body has an unknown encoding or cannot be decompressed.
 * - `given_up`: who asked for it has gone.
 */
export type OutgoingFailure =
  | 'refused'
  | 'busy'
  | 'unreachable'
  | 'timed_out'
  | 'sent_too_large'
  | 'too_large'
  | 'unreadable'
  | 'given_up'

/** A request that failed; `code` is Node's. */
export interface FailedOutcome {
  kind: 'failed'
  reason: OutgoingFailure
  code?: string
}

/** Carries the reason to where the outcome is made. */
export class OutgoingError extends Error {
  readonly reason: OutgoingFailure
  constructor(reason: OutgoingFailure) {
    super(reason)
    this.reason = reason
  }
}

/** Makes the outcome of what was thrown. @param signal the one that ends the request */
export function failedOutcome(error: unknown, signal: AbortSignal): FailedOutcome {
  if (error instanceof OutgoingError) return { kind: 'failed', reason: error.reason }
  if (signal.aborted) {
    const cause: unknown = signal.reason
    return { kind: 'failed', reason: cause instanceof OutgoingError ? cause.reason : 'timed_out' }
  }
  return { kind: 'failed', reason: 'unreachable', ...codeOf(error) }
}

/** Returns Node's code of an error, where it has one. */
export function codeOf(error: unknown): { code?: string } {
  const isCoded = typeof error === 'object' && error !== null && 'code' in error
  return isCoded ? { code: String(error.code) } : {}
}
