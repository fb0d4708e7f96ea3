// Addresses of lists: what is searched for, and which page. Invariant: a query is what a person
// could have typed, one value a name, the empty ones left out. Called by the routes of all lists.
import type { LinkTo } from './frame.ts'

/** The query of a request: the first value of each name, without empty ones. */
export interface Query {
  get(name: string): string | undefined
  readonly entries: readonly (readonly [string, string])[]
}

/** Reads the query of a request. */
export function queryOf({ querystring }: { querystring: string }): Query {
  const found = new Map<string, string>()
  for (const [name, typed] of new URLSearchParams(querystring)) {
    // A NUL is the one character that Postgres takes in no text.
    const value = typed.replaceAll('\0', '').trim()
    if (value !== '' && !found.has(name)) found.set(name, value)
  }
  return { get: (name) => found.get(name), entries: [...found] }
}

/**
 * Returns the sentence about what was done just now, which the query names; a query may name
 * anything.
 */
export function doneOf(
  query: Query,
  sentences: Readonly<Record<string, string>>,
): string | undefined {
  const name = query.get('done') ?? ''
  return Object.hasOwn(sentences, name) ? sentences[name] : undefined
}

/** Returns the path with that query; members without a value are left out. */
export function linkWith(
  path: string,
  query: Readonly<Record<string, string | undefined>>,
): string {
  const present = Object.entries(query).filter(
    (each): each is [string, string] => each[1] !== undefined,
  )
  const text = new URLSearchParams(present).toString()
  return text === '' ? path : `${path}?${text}`
}

/** The ways on from a page of a list. */
export interface Pager {
  first: LinkTo | undefined
  previous: LinkTo | undefined
  next: LinkTo | undefined
}

// Lists are read forward only, by the cursor of where a page ended; the way back is kept in the
// address: the cursors of the pages before.
const TRAIL_END = '~'
const FIRST_PAGE = '-'
const MAX_TRAIL = 12

/** Returns the pager of a list that is read forward. @param next the cursor of the next page */
export function pagerOf(path: string, query: Query, next: string | undefined): Pager {
  const others = Object.fromEntries(
    query.entries.filter(([name]) => name !== 'cursor' && name !== 'trail'),
  )
  const cursor = query.get('cursor')
  const trail = query.get('trail')?.split(TRAIL_END).slice(-MAX_TRAIL) ?? []
  const to = (label: string, at: string | undefined, way: readonly string[]): LinkTo => ({
    label,
    href: linkWith(path, {
      ...others,
      cursor: at === FIRST_PAGE ? undefined : at,
      trail: way.length === 0 ? undefined : way.join(TRAIL_END),
    }),
  })
  const before = trail.at(-1)
  return {
    first: cursor === undefined ? undefined : to('First page', undefined, []),
    previous:
      cursor === undefined || before === undefined
        ? undefined
        : to('Previous page', before, trail.slice(0, -1)),
    next:
      next === undefined
        ? undefined
        : to('Next page', next, [...trail, cursor ?? FIRST_PAGE].slice(-MAX_TRAIL)),
  }
}
