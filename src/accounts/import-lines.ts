// The lines of an import file, CSV or NDJSON, as rows of known columns. Invariant: every line that
// is not empty comes out once, as a row or with what is wrong with it, under its own number. Called
// by account-import.ts.
import type { Problem } from '../model/problem.ts'
import { MAX_RECORD_CHARACTERS, readCsv } from './csv.ts'

const COLUMNS = ['email', 'name', 'role', 'password_hash'] as const
export type Column = (typeof COLUMNS)[number]

/** What is written in the columns; an empty one is absent. */
export type ImportRow = Partial<Record<Column, string>>

export type ImportLine =
  { line: number; row: ImportRow } | { line: number; problem: Problem; isFatal?: true }

const isColumn = (name: string): name is Column => (COLUMNS as readonly string[]).includes(name)

const lineProblem = (rule: string, sentence: string): Problem => ({
  field: 'line',
  rule,
  sentence,
})

const TOO_LONG = lineProblem(
  'line-too-long',
  'The line is too long, or a quote in it is not closed.',
)
const JSON_LIST = lineProblem(
  'json-list',
  "This is one JSON list. Write one object per line: jq -c '.[]' people.json",
)
const KNOWN = `The columns are ${COLUMNS.join(', ')}.`

/** Reads the rows of a file. */
export function readLines(
  chunks: AsyncIterable<string>,
  format: 'csv' | 'ndjson',
): AsyncGenerator<ImportLine> {
  return format === 'csv' ? readCsvLines(chunks) : readJsonLines(chunks)
}

async function* readCsvLines(chunks: AsyncIterable<string>): AsyncGenerator<ImportLine> {
  let columns: Column[] | undefined
  for await (const record of readCsv(chunks)) {
    const { line } = record
    if ('problem' in record) {
      const problem =
        record.problem === 'too-long'
          ? TOO_LONG
          : lineProblem('csv-quotes', 'A quote stands where none may be, or is not closed.')
      // Without its first line nothing of the file can be understood.
      yield columns === undefined ? { line, problem, isFatal: true } : { line, problem }
      if (columns === undefined) return
    } else if (columns === undefined) {
      const names = record.fields.map((name) => name.trim().toLowerCase())
      const problem = headingProblem(names)
      if (problem !== undefined) {
        yield { line, problem, isFatal: true }
        return
      }
      columns = names.filter(isColumn)
    } else if (record.fields.length !== columns.length) {
      const sentence = `The first line names ${columns.length} columns; this one has ${record.fields.length}.`
      yield { line, problem: lineProblem('csv-columns', sentence) }
    } else {
      const row: ImportRow = {}
      for (const [at, column] of columns.entries()) {
        const value = record.fields[at]?.trim() ?? ''
        if (value !== '') row[column] = value
      }
      yield { line, row }
    }
  }
}

/** A column that nobody knows is not left out silently: it may be the passwords, misspelt. */
function headingProblem(names: readonly string[]): Problem | undefined {
  const unknown = names.filter((name) => !isColumn(name))
  if (unknown.length > 0 || new Set(names).size < names.length)
    return lineProblem(
      'columns-unknown',
      `The first line names a column that is not known, or one twice. ${KNOWN}`,
    )
  return names.includes('email')
    ? undefined
    : lineProblem('columns-missing', `The first line does not name the column email. ${KNOWN}`)
}

async function* readJsonLines(chunks: AsyncIterable<string>): AsyncGenerator<ImportLine> {
  let line = 0
  for await (const text of textLines(chunks)) {
    line += 1
    if (line === 1 && text?.trimStart().startsWith('[') === true) {
      yield { line, problem: JSON_LIST, isFatal: true }
      return
    }
    if (text === undefined) yield { line, problem: TOO_LONG }
    else if (text.trim() !== '') yield { line, ...parseJsonLine(text) }
  }
}

function parseJsonLine(text: string): { row: ImportRow } | { problem: Problem } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: lineProblem('json', 'This is not a JSON object.') }
  const row: ImportRow = {}
  for (const [name, member] of Object.entries(value)) {
    if (!isColumn(name))
      return { problem: lineProblem('columns-unknown', `A member is not known. ${KNOWN}`) }
    if (member === null || member === '') continue
    if (typeof member !== 'string')
      return { problem: { field: name, rule: 'json-text', sentence: 'This is not a text.' } }
    row[name] = member
  }
  return { row }
}

/** Yields the lines of a text that arrives in pieces; `undefined` for one that is too long. */
async function* textLines(chunks: AsyncIterable<string>): AsyncGenerator<string | undefined> {
  let rest = ''
  let isTooLong = false
  let isFirst = true
  for await (const chunk of chunks) {
    const lines = (rest + (isFirst ? chunk.replace(/^\uFEFF/, '') : chunk)).split('\n')
    isFirst = false
    rest = lines.pop() ?? ''
    for (const line of lines) {
      yield isTooLong || line.length > MAX_RECORD_CHARACTERS ? undefined : line
      isTooLong = false
    }
    if (rest.length > MAX_RECORD_CHARACTERS) {
      isTooLong = true
      rest = ''
    }
  }
  if (isTooLong) yield undefined
  else if (rest !== '') yield rest.length > MAX_RECORD_CHARACTERS ? undefined : rest
}
