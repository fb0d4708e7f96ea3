// What an edit changes: each setting that differs, as it was and as it is. The audit log, plans of
// `otesse apply` and the console's page of a conflict compare with this.

/** One setting that differs. */
export interface Change {
  field: string
  before: unknown
  after: unknown
}

/** Setting → [before, after]. */
export type Diff = Record<string, readonly [unknown, unknown]>

/**
 * Lists the settings that differ, in the order in which they are named.
 *
 * @param settings the members to look at
 * @param comparable what of a value counts: all of it unless told otherwise
 */
export function changesOf<Setting extends string>(
  before: Readonly<Partial<Record<Setting, unknown>>>,
  after: Readonly<Partial<Record<Setting, unknown>>>,
  settings: readonly Setting[],
  comparable: (value: unknown) => unknown = (value) => value,
): Change[] {
  // Values are plain, or lists of texts.
  const written = (value: unknown): string | undefined => JSON.stringify(comparable(value))
  return settings.flatMap((field) => {
    const [was, is]: unknown[] = [before[field], after[field]]
    return written(was) === written(is) ? [] : [{ field, before: was, after: is }]
  })
}

/** Compares two states of one thing, for the audit log. */
export const diffOf = <Setting extends string>(
  before: Readonly<Partial<Record<Setting, unknown>>>,
  after: Readonly<Partial<Record<Setting, unknown>>>,
  settings: readonly Setting[],
): Diff =>
  Object.fromEntries(
    changesOf(before, after, settings).map(({ field, before: was, after: is }) => [
      field,
      [was ?? null, is ?? null],
    ]),
  )
