// What a check of `otesse doctor` says.

/** What one check found. The sentence says what is, and for all but `ok` what to do. */
export interface Finding {
  check: string
  status: 'ok' | 'warn' | 'fail'
  sentence: string
}
