// Which addresses of the console somebody may open. Invariant: it is read from the rows themselves,
// so that a link is on a page exactly where its address would answer. Called for every page.
import { may, type Operator } from '../operator.ts'
import type { Row } from './action.ts'

/** Returns whether a link to that path, with or without a query, leads anywhere for somebody. */
export type MayOpen = (by: Operator, href: string) => boolean

/** Reads the rows, in the order in which their paths are tried. */
export function createMayOpen(rows: readonly Row[]): MayOpen {
  const opened = rows
    .filter((row) => 'show' in row || row.isPartOfOtherPage !== true)
    .map(({ path, scope }) => ({
      pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
      scope,
    }))
  return (by, href) => {
    const [path = ''] = href.split(/[?#]/, 1)
    const row = opened.find(({ pattern }) => pattern.test(path))
    // What is switched off has no rows; other parts of the server are open to everybody.
    if (row === undefined) return !path.startsWith('/admin/')
    return row.scope === undefined || may(by, row.scope)
  }
}
