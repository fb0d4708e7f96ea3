// How lists look for part of a text. Invariant: what people type is never a pattern, and a search
// costs no more than its matches: two letters are in too many texts for an index of parts, so they
// match beginnings alone.
import { type RawBuilder, sql } from 'kysely'

const FEWEST_FOR_PARTS = 3

const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

/** Returns whether the search is long enough to be found in the middle of a text. */
export const findsParts = (search: string): boolean => Array.from(search).length >= FEWEST_FOR_PARTS

/** Returns the condition that a column has the text in it, in whatever case. */
export const contains = (column: string, search: string): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} ilike ${`%${escaped(search)}%`}`

/** Returns the condition that a text, which the expression gives in lower case, begins with the search. */
export const beginsWith = (lowerCase: RawBuilder<string>, search: string): RawBuilder<boolean> =>
  sql<boolean>`${lowerCase} like ${`${escaped(search.toLowerCase())}%`}`
