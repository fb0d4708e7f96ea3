// What an edit changed, for the audit log: each setting that differs, as it was and as it is.

/** Setting → [before, after]. */
export type Diff = Record<string, readonly [unknown, unknown]>

/** Compares two states of one thing. @param settings the members to look at */
export function diffOf<T extends object>(
  before: T,
  after: T,
  settings: readonly (keyof T & string)[],
): Diff {
  const diff: Diff = {}
  for (const setting of settings) {
    const was: unknown = before[setting]
    const is: unknown = after[setting]
    // Both are plain values or lists of texts.
    if (JSON.stringify(was) !== JSON.stringify(is)) diff[setting] = [was ?? null, is ?? null]
  }
  return diff
}
