// Files of text that people hand to the console or the command line. Invariant: what is not Unicode
// is refused with its encoding named, so that nothing is stored with replacement characters in it.
import { TextDecoder } from 'node:util'
import type { Problem } from '../../model/problem.ts'

/** A file of which nothing can be taken; readers that yield what they read have no other way. */
export class FileRefused extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.sentence)
    this.problem = problem
  }
}

const CONVERT = 'Save it as UTF-8 ("CSV UTF-8" in a spreadsheet), or convert it:'

/**
 * Decodes text as it arrives: UTF-8, or UTF-16 where the file begins with its byte order mark.
 *
 * @throws {FileRefused} where it is in another encoding
 */
export async function* decodeText(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  file: string,
): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined
  let beginning = Buffer.alloc(0)
  let line = 1
  let encoding = 'utf-8'
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    if (decoder === undefined) {
      encoding = encodingOf(bytes)
      decoder = new TextDecoder(encoding, { fatal: true })
    }
    try {
      return decoder.decode(bytes, { stream })
    } catch {
      throw new FileRefused(problemOf(file, encoding, line, bytes))
    }
  }
  for await (const piece of pieces) {
    // Two bytes tell which it is.
    const bytes = decoder === undefined ? Buffer.concat([beginning, piece]) : piece
    if (decoder === undefined && bytes.length < 2) {
      beginning = Buffer.from(bytes)
      continue
    }
    const text = decode(bytes, true)
    line += text.split('\n').length - 1
    yield text
  }
  yield decode(decoder === undefined ? beginning : Buffer.alloc(0), false)
}

/** Decodes a whole file. @throws {FileRefused} where it is in another encoding */
export async function decodeWhole(bytes: Uint8Array, file: string): Promise<string> {
  let text = ''
  for await (const piece of decodeText([bytes], file)) text += piece
  return text
}

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

function problemOf(file: string, encoding: string, line: number, bytes: Uint8Array): Problem {
  // In UTF-16 without its mark every other byte of plain English is 0.
  const isWide =
    encoding === 'utf-8' && bytes.filter((byte) => byte === 0).length > bytes.length / 4
  const guess = isWide ? 'UTF-16LE' : 'WINDOWS-1252'
  const name = isWide ? 'UTF-16 without a byte order mark' : 'Windows-1252, which Excel writes'
  return {
    field: 'path',
    value: file,
    rule: 'file-encoding',
    sentence:
      encoding === 'utf-8'
        ? `The file is not UTF-8, from about line ${lineOf(bytes, line)} on. It looks like ${name}. ${CONVERT} iconv -f ${guess} -t UTF-8`
        : 'The file begins as UTF-16, and then is not. Save it again as UTF-8.',
  }
}

/** The line of the first piece that is not UTF-8. */
function lineOf(bytes: Uint8Array, line: number): number {
  let found = line
  let start = 0
  for (let at = 0; at <= bytes.length; at += 1)
    if (at === bytes.length || bytes[at] === 10) {
      // A character may go on behind the piece, or have begun before it.
      if (!isUtf8(bytes.subarray(start, at))) return found
      start = at + 1
      found += 1
    }
  return line
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
