// Bodies of requests as bytes and as a stream of text, within bounds. Invariant: nothing beyond a
// bound is kept in memory, and a body that did not arrive whole is never taken for one that did.
// Called by parameters.ts and the admin API.
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { AppError, type ErrorCode } from '../shared/errors.ts'

/**
 * Returns the content type of a request in lower case and without parameters; empty where there is
 * none.
 */
export function mediaTypeOf(request: IncomingMessage): string {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';')
  return type.trim().toLowerCase()
}

/** Returns whether a request announces a body (RFC 9112 §6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Reads a whole body.
 *
 * @param limitBytes what it may have at most
 * @param tooLarge the error of a larger one
 * @throws {AppError} `tooLarge`, `body_incomplete`
 */
export function readBytes(
  request: IncomingMessage,
  limitBytes: number,
  tooLarge: ErrorCode = 'body_too_large',
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes)
    return Promise.reject(new AppError(tooLarge))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limitBytes) {
        request.pause()
        reject(new AppError(tooLarge))
        return
      }
      chunks.push(chunk)
    })
    request.on('end', () => {
      const [first] = chunks
      resolve(first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks))
    })
    const incomplete = (): void => reject(new AppError('body_incomplete'))
    request.on('error', incomplete)
    request.on('aborted', incomplete)
  })
}

const BYTE_ORDER_MARK = '\uFEFF'

/** Reads bytes as UTF-8, without a byte order mark. @throws {AppError} `body_not_utf8` */
export function decodeUtf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new AppError('body_not_utf8')
  const text = bytes.toString('utf8')
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
}

/**
 * Reads a body of any length as text, piece by piece as it arrives.
 *
 * @param maxLineBytes how far apart two line feeds may be
 * @throws {AppError} `import_line_too_long`, `body_not_utf8`, `body_incomplete`
 */
export async function* readText(
  request: IncomingMessage,
  maxLineBytes: number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    try {
      return decoder.decode(bytes, { stream })
    } catch {
      throw new AppError('body_not_utf8')
    }
  }
  let lineBytes = 0
  // A caller that stops reading still wants to answer: the connection stays open.
  for await (const chunk of arriving(request.iterator({ destroyOnReturn: false }))) {
    lineBytes = longestLine(chunk, lineBytes, maxLineBytes)
    const text = decode(chunk, true)
    if (text !== '') yield text
  }
  const rest = decode(new Uint8Array(), false)
  if (rest !== '') yield rest
}

async function* arriving(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const source = chunks[Symbol.asyncIterator]()
  for (;;) {
    let next: IteratorResult<Buffer>
    try {
      next = await source.next()
    } catch (error) {
      throw new AppError('body_incomplete', { cause: error })
    }
    if (next.done === true) return
    yield next.value
  }
}

const LINE_FEED = 0x0a

/**
 * Returns how long the line is that goes on after the chunk.
 *
 * @throws {AppError} `import_line_too_long`
 */
function longestLine(chunk: Buffer, before: number, limitBytes: number): number {
  let start = 0
  let carried = before
  for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, start)) {
    if (carried + at - start > limitBytes) throw new AppError('import_line_too_long')
    carried = 0
    start = at + 1
  }
  carried += chunk.length - start
  if (carried > limitBytes) throw new AppError('import_line_too_long')
  return carried
}
