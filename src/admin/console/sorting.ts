// How a list is sorted, as its address says it: `sort=name` or `sort=-name`. Invariant: another
// order begins at the first page, and an order that there is not is the list's own. Called by the
// routes of lists.
import type { ListOrder, MatchCount } from '../../model/list-order.ts'
import { numberInWords } from './labels.ts'
import { linkWith, type Query } from './paging.ts'

/** The heading of a column by which the list can be sorted. */
export interface SortHeading {
  label: string
  /** Sorts by it; where the list is sorted by it, the other way round. */
  href: string
  state: 'ascending' | 'descending' | undefined
}

/** How a list is sorted, and how else it can be. */
export interface Sorting<Column extends string> {
  order: ListOrder<Column>
  headings: Readonly<Record<Column, SortHeading>>
  /** The choices of a form that narrows the list. */
  choices: { value: string; label: string; isChosen: boolean }[]
}

/** A column: what it is called, and what its two directions are. */
interface SortColumn {
  label: string
  up: string
  down: string
}

/** Reads how a list is sorted. @param usual the list's own order */
export function sortingOf<Column extends string>(
  path: string,
  query: Query,
  columns: Readonly<Record<Column, SortColumn>>,
  usual: ListOrder<NoInfer<Column>>,
): Sorting<Column> {
  const names = Object.keys(columns) as Column[]
  const asked = query.get('sort') ?? ''
  const by = names.find((name) => name === asked.replace(/^-/, ''))
  const order = by === undefined ? usual : { by, descending: asked.startsWith('-') }
  const others = Object.fromEntries(query.entries)
  const valueOf = (each: ListOrder<Column>): string => (each.descending ? `-${each.by}` : each.by)
  const headingOf = (name: Column): SortHeading => {
    const isCurrent = name === order.by
    const next = { by: name, descending: isCurrent && !order.descending }
    return {
      label: columns[name].label,
      href: linkWith(path, { ...others, sort: valueOf(next), cursor: undefined, trail: undefined }),
      state: isCurrent ? (order.descending ? 'descending' : 'ascending') : undefined,
    }
  }
  return {
    order,
    headings: Object.fromEntries(names.map((name) => [name, headingOf(name)])) as Record<
      Column,
      SortHeading
    >,
    choices: names.flatMap((name) =>
      [false, true].map((descending) => ({
        value: valueOf({ by: name, descending }),
        label: descending ? columns[name].down : columns[name].up,
        isChosen: name === order.by && descending === order.descending,
      })),
    ),
  }
}

/** Says how many there are: `1 app`, `more than 10,000 apps`. */
export function totalInWords({ count, isMore }: MatchCount, one: string, many: string): string {
  const total = `${numberInWords(count)} ${count === 1 ? one : many}`
  return isMore ? `More than ${total}` : total
}
