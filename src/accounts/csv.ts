// Reads CSV (RFC 4180) as it arrives, with the separator that its first line uses: quoted fields
// may hold separators, quotes and line ends. Written here and not taken from a library, because an
// import must say on which line something is wrong, go on after it, and stay within bounds whatever
// it is fed. Called by import-lines.ts.

/** One record, or what is wrong with it. */
export type CsvRecord =
  { line: number; fields: string[] } | { line: number; problem: 'quotes' | 'too-long' }

/** More is no account; what is longer is thrown away while it is read. */
export const MAX_RECORD_CHARACTERS = 16 * 1024

type State = 'start' | 'plain' | 'quoted' | 'quote-seen'

// What spreadsheets separate columns with, depending on the country.
const SEPARATORS = [',', ';', '\t', '|'] as const

interface Head {
  separator: string
  /** The text without what only names the separator. */
  text: string
  /** How many lines that took. */
  skipped: number
}

/** Finds the separator in the beginning of a file, whose first line it has whole. */
function readHead(beginning: string): Head {
  const text = beginning.replace(/^\uFEFF/, '')
  // Excel writes and reads it.
  const named = /^sep=([,;|\t])(?:\r\n|\r|\n)/i.exec(text)
  if (named?.[1] !== undefined)
    return { separator: named[1], text: text.slice(named[0].length), skipped: 1 }
  const line = /^[^\r\n]*/.exec(text.replace(/"[^"]*"/g, ''))?.[0] ?? ''
  const count = (separator: string): number => line.split(separator).length
  const [separator = ','] = [...SEPARATORS].sort((a, b) => count(b) - count(a))
  return { separator, text, skipped: 0 }
}

/** Whether the beginning shows how the file is written: past its first line, and past `sep=`. */
const isWholeHead = (text: string): boolean =>
  text.length > MAX_RECORD_CHARACTERS ||
  /[\r\n]./s.test(/^\uFEFF?sep=/i.test(text) ? text.replace(/[\r\n]+/, '') : text)

/** Yields the records with the line on which each begins, from 1; empty lines are none. */
export async function* readCsv(chunks: AsyncIterable<string>): AsyncGenerator<CsvRecord> {
  let state = 'start' as State
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

  let head: Head | undefined
  let beginning = ''
  let isAfterReturn = false

  function* read(text: string, separator: string): Generator<CsvRecord> {
    for (const char of text) {
      const isRestOfLineEnd = char === '\n' && isAfterReturn
      const isLineEnd = char === '\n' || char === '\r'
      isAfterReturn = char === '\r'
      if (isLineEnd && !isRestOfLineEnd) line += 1
      if (state === 'quoted') {
        if (char === '"') state = 'quote-seen'
        else take(char)
      } else if (char === '"') {
        if (state === 'start') state = 'quoted'
        else if (state === 'quote-seen') {
          take(char)
          state = 'quoted'
        } else problem ??= 'quotes'
      } else if (char === separator) endField()
      else if (isLineEnd) {
        // A line ends in CR LF, in LF, or in CR.
        const record = isRestOfLineEnd ? undefined : endRecord()
        if (record !== undefined) yield record
      } else {
        if (state === 'quote-seen') problem ??= 'quotes'
        take(char)
        state = 'plain'
      }
    }
  }

  for await (const chunk of chunks) {
    if (head !== undefined) yield* read(chunk, head.separator)
    else {
      beginning += chunk
      if (!isWholeHead(beginning)) continue
      head = readHead(beginning)
      line = firstLine = 1 + head.skipped
      yield* read(head.text, head.separator)
    }
  }
  if (head === undefined) {
    head = readHead(beginning)
    line = firstLine = 1 + head.skipped
    yield* read(head.text, head.separator)
  }
  // A quote that is never closed swallows all that follows it.
  if (state === 'quoted') problem ??= 'quotes'
  const last = endRecord()
  if (last !== undefined) yield last
}
