// The activity as a file: CSV for spreadsheets, NDJSON for programs. Invariants: never more than
// one page of events in memory; and no cell of the CSV is a formula, whoever chose its text. Called
// by the activity page.
import type { EventPage, EventQuery, RecordedEvent } from '../../audit/event.store.ts'

const PAGE = 500

/** The forms of a file. */
export const EXPORT_FORMATS = {
  csv: { contentType: 'text/csv; charset=utf-8', extension: 'csv' },
  ndjson: { contentType: 'application/x-ndjson; charset=utf-8', extension: 'ndjson' },
} as const
export type ExportFormat = keyof typeof EXPORT_FORMATS

const COLUMNS = [
  'at',
  'name',
  'reason',
  'appId',
  'accountId',
  'actor',
  'address',
  'requestId',
  'grantId',
  'data',
  'id',
] as const satisfies readonly (keyof RecordedEvent)[]

// Spreadsheets read a cell that begins so as a formula, also behind spaces; some drop a tab or a
// line end before they look.
const FORMULA = /^[\s\u00A0\uFEFF]*[=+\-@|%\uFF0B\uFF0D\uFF1D\uFF20]|^[\t\r\n]/

/**
 * Writes one cell: what looks like a formula is made text by an apostrophe, and every cell stands
 * in quotes.
 */
export function csvCell(text: string): string {
  const inert = FORMULA.test(text) ? `'${text}` : text
  return `"${inert.replaceAll('"', '""')}"`
}

function textOf(event: RecordedEvent, column: (typeof COLUMNS)[number]): string {
  const value = event[column]
  if (value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const csvLine = (event: RecordedEvent): string =>
  `${COLUMNS.map((column) => csvCell(textOf(event, column))).join(',')}\r\n`

const jsonLine = (event: RecordedEvent): string =>
  `${JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, event[column]])))}\n`

/**
 * Writes all events that fit the query, newest first, a page at a time: the next is read when the
 * last has been taken.
 */
export async function* exportEvents(
  list: (query: EventQuery) => Promise<EventPage>,
  query: EventQuery,
  format: ExportFormat,
): AsyncGenerator<string> {
  const line = format === 'csv' ? csvLine : jsonLine
  // The mark tells spreadsheets that it is UTF-8.
  if (format === 'csv') yield `\uFEFF${COLUMNS.join(',')}\r\n`
  let cursor: string | undefined
  do {
    const page = await list({ ...query, cursor, limit: PAGE })
    if (page.events.length > 0) yield page.events.map(line).join('')
    cursor = page.nextCursor
  } while (cursor !== undefined)
}
