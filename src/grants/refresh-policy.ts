// What a presented refresh token means, as a pure function of the family's state. Ordered by hash
// and generation, never by clocks; the clock only closes the grace window.
import type { RefreshRecord } from './grant.ts'

/** What to do with a presented refresh token. */
export type RefreshDecision =
  /** It is the current one. */
  | { kind: 'current' }
  /** It follows on the stored one, whose replacement the store has lost: it is the current one. */
  | { kind: 'ahead' }
  /**
   * It is the immediate predecessor, whose answer may have been lost: give the same successor
   * again. `doubts` are to be kept with the state.
   */
  | { kind: 'repeat'; doubts: number }
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
 * Returns whether the token is of a later generation than the store knows. It was made by a
 * rotation here, and handed out, so the store has lost that: a replica that lagged was promoted, or
 * a copy was restored.
 */
export const isAhead = (state: RefreshRecord, { generation }: PresentedRefresh): boolean =>
  generation > state.generation && generation !== Infinity

/**
 * How often the grace answers for one rotation. More than the workers of one app that meet at a
 * token, and a bound for whoever copied one. What comes beyond it is a replaced token without the
 * excuse of a lost answer: reuse (RFC 9700 §4.14.2).
 */
export const MOST_REPEATS = 50

/**
 * How long after a rotation the workers of one moment may still be on their way with the token that
 * was replaced. Who comes later had the time to see the successor: an answer was lost, or it is a
 * copy.
 */
export const MOMENT_MILLIS = 5000

/**
 * How many rotations in a row may be repeated late, or from another network. Answers get lost now
 * and then; that it happens at every rotation is the mark of two who live on one token. An app that
 * proves itself is not doubted: a copy of its token is worth nothing alone.
 */
const MOST_DOUBTED_ROTATIONS = 2

/** How a refresh token came. */
export interface Presentation {
  /** How often the grace has answered since the rotation. */
  repeats?: number
  /** Marks the network. */
  from?: string | undefined
  /** Whether the app proved itself. */
  isProven?: boolean
}

/**
 * Decides about a refresh token that is genuine, or known by its hash alone.
 *
 * @see RFC 9700 §4.14.2 rotation detects replay; RFC 6749 §10.4
 */
export function decideRefresh(
  state: RefreshRecord,
  presented: PresentedRefresh,
  nowMillis: number,
  graceMillis: number,
  presentation: Presentation = {},
): RefreshDecision {
  if (state.expiresAt * 1000 <= nowMillis) return { kind: 'unknown' }
  if (presented.hash === state.hash) return { kind: 'current' }
  if (
    presented.hash === state.previous?.hash &&
    nowMillis - state.previous.replacedAt <= graceMillis &&
    (presentation.repeats ?? 0) < MOST_REPEATS
  ) {
    const doubts = doubtsOf(state, state.previous, nowMillis, presentation)
    if (doubts <= MOST_DOUBTED_ROTATIONS) return { kind: 'repeat', doubts }
  }
  if (isAhead(state, presented)) return { kind: 'ahead' }
  return presented.generation < state.generation ? { kind: 'reused' } : { kind: 'unknown' }
}

/**
 * The rotations in a row, this one included, whose repeats were doubtful. Once there is a doubt, a
 * repeat without one does not take it away: a rotation that nobody repeats does, because then a
 * copy of the token is two generations old.
 */
function doubtsOf(
  { doubts = 0 }: RefreshRecord,
  previous: NonNullable<RefreshRecord['previous']>,
  nowMillis: number,
  { from, isProven }: Presentation,
): number {
  if (isProven === true) return 0
  const isDoubtful =
    nowMillis - previous.replacedAt > MOMENT_MILLIS || isFromElsewhere(previous, from) === true
  return Math.max(previous.doubts ?? 0, isDoubtful ? doubts + 1 : doubts)
}

/**
 * Whether a repeat comes from another network than the rotation; `undefined` where that is not
 * known.
 */
export const isFromElsewhere = (
  previous: RefreshRecord['previous'],
  from: string | undefined,
): boolean | undefined =>
  previous?.from === undefined || from === undefined ? undefined : previous.from !== from
