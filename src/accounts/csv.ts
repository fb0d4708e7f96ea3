// Reads CSV (RFC 4180) as it arrives: quoted fields may hold commas, quotes and line ends. Written here and not taken from a library, because an import
// must say on which line something is wrong, go on after it, and stay within bounds whatever it is fed. Called by import-lines.ts.

/** One record, or what is wrong with it. */
export type CsvRecord =
  { line: number; fields: string[] } | { line: number; problem: 'quotes' | 'too-long' }

/** More is no account; what is longer is thrown away while it is read. */
export const MAX_RECORD_CHARACTERS = 16 * 1024

type State = 'start' | 'plain' | 'quoted' | 'quote-seen'

/** Yields the records with the line on which each begins, from 1; empty lines are none. */
export async function* readCsv(chunks: AsyncIterable<string>): AsyncGenerator<CsvRecord> {
  let state: State = 'start'
  let fields: string[] = []
  let field = ''
  let size = 0
  let line = 1
  let firstLine = 1
  let problem: 'quotes' | 'too-long' | undefined

  function take(char: string): void {
    size += 1
    if (size > MAX_RECORD_CHARACTERS) problem = 'too-long'
    else field += char
  }
  function endField(): void {
    if (problem === undefined) fields.push(field)
    field = ''
    state = 'start'
  }
  function endRecord(): CsvRecord | undefined {
    const isEmpty = state === 'start' && fields.length === 0
    endField()
    const record =
      problem === undefined ? { line: firstLine, fields } : { line: firstLine, problem }
    fields = []
    size = 0
    problem = undefined
    firstLine = line
    return isEmpty ? undefined : record
  }

  let isFirst = true
  for await (const chunk of chunks) {
    for (const char of isFirst ? chunk.replace(/^\uFEFF/, '') : chunk) {
      if (char === '\n') line += 1
      if (state === 'quoted') {
        if (char === '"') state = 'quote-seen'
        else take(char)
      } else if (char === '"') {
        if (state === 'start') state = 'quoted'
        else if (state === 'quote-seen') {
          take(char)
          state = 'quoted'
        } else problem ??= 'quotes'
      } else if (char === ',') endField()
      else if (char === '\n') {
        const record = endRecord()
        if (record !== undefined) yield record
        // A line ends in CR LF or in LF; a CR elsewhere is no character of any column.
      } else if (char !== '\r') {
        if (state === 'quote-seen') problem ??= 'quotes'
        take(char)
        state = 'plain'
      }
    }
    if (chunk !== '') isFirst = false
  }
  // A quote that is never closed swallows all that follows it.
  if (state === 'quoted') problem ??= 'quotes'
  const last = endRecord()
  if (last !== undefined) yield last
}
