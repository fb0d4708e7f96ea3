// What was looked at and what was found wrong, by invariant. A finding that docs/ documents as a
// bound is counted apart; everything else fails the run.

export const INVARIANTS = {
  I1: 'no acknowledged token is lost',
  I2: 'nothing that was ended lives again',
  I3: 'a code or a refresh token is redeemed once',
  I4: 'no false success',
  I5: 'fails closed, recovers alone',
  I6: 'no half grants; 503 means that nothing happened',
  I7: 'limits survive',
  I8: 'nothing leaks',
} as const

export type Invariant = keyof typeof INVARIANTS
export const INVARIANT_NAMES = Object.keys(INVARIANTS) as Invariant[]

export interface Tally {
  checked: number
  broken: number
  /** Broken, but within a bound that is documented. */
  bounded: number
  /** The first few, in words. */
  examples: string[]
}

export interface Findings {
  check(invariant: Invariant, holds: boolean, what: string): void
  /** Counts a violation that a documented bound allows. */
  bounded(invariant: Invariant, what: string): void
  tallies: Record<Invariant, Tally>
}

const EXAMPLES = 8

/** Starts counting. */
export function createFindings(): Findings {
  const tallies = Object.fromEntries(
    INVARIANT_NAMES.map((name) => [name, { checked: 0, broken: 0, bounded: 0, examples: [] }]),
  ) as unknown as Record<Invariant, Tally>
  const note = (tally: Tally, what: string): void => {
    if (tally.examples.length < EXAMPLES) tally.examples.push(what)
  }
  return {
    tallies,
    check(invariant, holds, what) {
      const tally = tallies[invariant]
      tally.checked += 1
      if (holds) return
      tally.broken += 1
      note(tally, what)
    },
    bounded(invariant, what) {
      const tally = tallies[invariant]
      tally.checked += 1
      tally.bounded += 1
      note(tally, `within the bound: ${what}`)
    },
  }
}
