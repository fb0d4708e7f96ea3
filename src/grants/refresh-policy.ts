// What a presented refresh token means, as a pure function of the family's state. Ordered by hash and generation, never by clocks; the
// clock only closes the grace window.
import type { RefreshRecord } from './grant.ts'

/** What to do with a presented refresh token. */
export type RefreshDecision =
  /** It is the current one. */
  | { kind: 'current' }
  /** It follows on the stored one, whose replacement the store has lost: it is the current one. */
  | { kind: 'ahead' }
  /** It is the immediate predecessor, whose answer may have been lost: give the same successor again. */
  | { kind: 'repeat' }
  /** It was replaced: either the app or a thief holds a copy, and we cannot tell which. */
  | { kind: 'reused' }
  | { kind: 'unknown' }

/** A presented token. */
export interface PresentedRefresh {
  hash: string
  /** The one that it carries; `Infinity` where nothing but its hash can prove it. */
  generation: number
}

/**
 * Returns whether the token is of a later generation than the store knows. It was made by a rotation
 * here, and handed out, so the store has lost that: a replica that lagged was promoted, or a copy
 * was restored.
 */
export const isAhead = (state: RefreshRecord, { generation }: PresentedRefresh): boolean =>
  generation > state.generation && generation !== Infinity

/**
 * How often the grace answers for one rotation. More than the workers of one app that meet at a
 * token, and a bound for whoever copied one. What
 * comes beyond it is a replaced token without the excuse of a lost answer: reuse (RFC 9700
 * §4.14.2).
 */
export const MOST_REPEATS = 50

/**
 * Decides about a refresh token that is genuine, or known by its hash alone.
 *
 * @param repeats how often the grace has answered since the rotation
 * @see RFC 9700 §4.14.2 rotation detects replay; RFC 6749 §10.4
 */
export function decideRefresh(
  state: RefreshRecord,
  presented: PresentedRefresh,
  nowMillis: number,
  graceMillis: number,
  repeats = 0,
): RefreshDecision {
  if (state.expiresAt * 1000 <= nowMillis) return { kind: 'unknown' }
  if (presented.hash === state.hash) return { kind: 'current' }
  if (
    presented.hash === state.previous?.hash &&
    nowMillis - state.previous.replacedAt <= graceMillis &&
    repeats < MOST_REPEATS
  )
    return { kind: 'repeat' }
  if (isAhead(state, presented)) return { kind: 'ahead' }
  return presented.generation < state.generation ? { kind: 'reused' } : { kind: 'unknown' }
}
