// The accounts of a JSON export, one after the other while the text arrives. Invariant: memory
// holds one entry and not the file; what is inside an entry is left to JSON.parse. Called by
// export-formats.ts.

/** Where the entries of an export are. */
export type EntryPlace =
  /** In the list `users` of the object, or of each object of a list. */
  | 'users'
  /** In the list; or one after the other, as lines have them. */
  | 'top'

/** How far a text could be read. */
export interface EntriesRead {
  /** Whether there was a place for entries at all. */
  found: boolean
  /** Whether every bracket was closed by its own. */
  complete: boolean
}

const MAX_ENTRY_CHARACTERS = 1_000_000
const STOPS = /["{}[\]]/g

/**
 * Yields the text of each entry; an empty text for one that is too long.
 *
 * @param read is told how it went, when the text has ended
 */
export async function* jsonEntries(
  pieces: AsyncIterable<string>,
  place: EntryPlace,
  read: EntriesRead,
): AsyncGenerator<string> {
  const scan: Scan = {
    open: [],
    key: '',
    isInText: false,
    isEscaped: false,
    isBroken: false,
    entry: undefined,
  }
  for await (const piece of pieces) {
    yield* entriesIn(piece, place, scan, read)
    if (scan.isBroken) break
  }
  read.complete = scan.open.length === 0 && !scan.isInText && !scan.isBroken
}

interface Scan {
  /** The brackets that are open, each with the member that it is the value of. */
  open: { bracket: '{' | '['; key: string }[]
  /** The last text that ended: the name of a member where a value follows it. */
  key: string
  isInText: boolean
  isEscaped: boolean
  /** A bracket was closed by another one. */
  isBroken: boolean
  /** What was read of the present entry. */
  entry: { text: string; depth: number; isTooLong: boolean } | undefined
}

function* entriesIn(
  piece: string,
  place: EntryPlace,
  scan: Scan,
  read: EntriesRead,
): Generator<string> {
  let from = 0
  let at = 0
  const keep = (to: number): void => {
    const { entry } = scan
    if (entry === undefined) return
    if (entry.text.length + to - from > MAX_ENTRY_CHARACTERS) entry.isTooLong = true
    entry.text = entry.isTooLong ? '' : entry.text + piece.slice(from, to)
    from = to
  }
  while (at < piece.length) {
    if (scan.isInText) {
      at = endOfText(piece, at, scan)
      continue
    }
    STOPS.lastIndex = at
    const found = STOPS.exec(piece)
    if (found === null) break
    at = found.index + 1
    const [bracket] = found
    if (bracket === '"') {
      scan.isInText = true
      scan.key = ''
    } else if (bracket === '{' || bracket === '[') {
      if (scan.entry === undefined && bracket === '{' && isPlace(scan.open, place)) {
        read.found = true
        from = found.index
        scan.entry = { text: '', depth: scan.open.length, isTooLong: false }
      }
      scan.open.push({ bracket, key: scan.key })
      scan.key = ''
      if (bracket === '[' && isPlace(scan.open, place)) read.found = true
    } else {
      if (scan.open.pop()?.bracket !== (bracket === '}' ? '{' : '[')) {
        scan.isBroken = true
        return
      }
      if (scan.entry?.depth === scan.open.length) {
        keep(at)
        yield scan.entry.text
        scan.entry = undefined
      }
    }
  }
  keep(piece.length)
}

/** Goes to the end of a text, or of the piece; notes the text where it may be a member's name. */
function endOfText(piece: string, start: number, scan: Scan): number {
  let at = start
  while (at < piece.length) {
    if (scan.isEscaped) {
      scan.isEscaped = false
      at += 1
      continue
    }
    const character = piece.charCodeAt(at)
    at += 1
    if (character === BACKSLASH) scan.isEscaped = true
    else if (character === QUOTE) {
      scan.isInText = false
      at -= 1
      break
    }
  }
  if (scan.entry === undefined && scan.key.length < 10) scan.key += piece.slice(start, at)
  return scan.isInText ? at : at + 1
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Whether what begins here is an entry. */
function isPlace(open: Scan['open'], place: EntryPlace): boolean {
  const last = open.at(-1)
  if (place === 'top') return last === undefined || (open.length === 1 && last.bracket === '[')
  if (last?.bracket !== '[' || last.key !== 'users' || open.at(-2)?.bracket !== '{') return false
  return open.length === 2 || (open.length === 3 && open[0]?.bracket === '[')
}
