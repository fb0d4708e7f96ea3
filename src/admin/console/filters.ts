// What a list is narrowed by, in words: for the title of its page, and for the ways to widen it
// where it is empty. Called by the routes of all lists.
import type { LinkTo } from './frame.ts'
import { linkWith, type Query } from './paging.ts'

/** One filter of a list: its name in the query, how it is called, and how its value is. */
export interface Filter {
  name: string
  label: string
  /**
   * `undefined` where it does not narrow: nothing was asked for, or something that there is not.
   */
  value: string | undefined
}

/** How a list is narrowed. */
export interface Narrowing {
  /**
   * What the list shows, for the title of the page: `“calendar”, Status: Suspended`. Empty where it
   * shows everything.
   */
  text: string
  /** One link for each filter, to the list without it; only where there are several. */
  widen: LinkTo[]
}

/** Returns how the filters narrow a list. */
export function narrowingOf(path: string, query: Query, filters: readonly Filter[]): Narrowing {
  const narrowing = filters.flatMap(({ name, label, value }) =>
    value === undefined
      ? []
      : [{ name, label: name === 'search' ? `“${value}”` : `${label}: ${value}` }],
  )
  const asked = Object.fromEntries(query.entries)
  const without = (name: string): string =>
    linkWith(path, { ...asked, [name]: undefined, cursor: undefined, trail: undefined })
  return {
    text: narrowing.map(({ label }) => label).join(', '),
    widen:
      narrowing.length < 2
        ? []
        : narrowing.map(({ name, label }) => ({ label: `Without ${label}`, href: without(name) })),
  }
}
