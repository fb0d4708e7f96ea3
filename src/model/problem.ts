// One problem with what somebody handed in. Invariant: problems are values, never exceptions, so
// that all of them come back at once.

/** Why one value was refused. */
export interface Problem {
  readonly field: string
  /** The value that broke the rule, where it is one of several. */
  readonly value?: string
  /** The stable name of the rule. */
  readonly rule: string
  /** For the user who typed it. */
  readonly sentence: string
}

/** The answer to input that breaks rules: nothing has changed. */
export interface Refused {
  readonly kind: 'refused'
  readonly problems: readonly Problem[]
}
