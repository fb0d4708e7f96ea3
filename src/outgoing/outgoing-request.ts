// One request whose answer is read as a whole. Size and time are bounded.
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import {
  beginRequest,
  type CheckedDestination,
  findDestination,
  type OutgoingRules,
  withoutConnectionHeaders,
} from './destination.ts'
import { codeOf, type FailedOutcome, failedOutcome, OutgoingError } from './failure.ts'

export interface OutgoingRequest {
  method: 'GET' | 'POST' | 'DELETE'
  url: string
  headers?: Readonly<Record<string, string>>
  body?: string
  /** For everything together: DNS, connecting, sending, and reading the whole answer. */
  timeoutMillis: number
  /** Of the body, as sent and after decompression. */
  maxBodyBytes: number
}

/** What became of a request. A redirect is an answer like any other, and is not followed. */
export type OutgoingOutcome =
  | { kind: 'answered'; status: number; headers: IncomingMessage['headers']; body: Buffer }
  | FailedOutcome

const DECODERS: Readonly<Record<string, typeof decodeGzip>> = {
  gzip: decodeGzip,
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

function decodeGzip(body: Buffer, bounds: { maxOutputLength: number }): Promise<Buffer> {
  return promisify(gunzip)(body, bounds)
}

/** Sends one request and reads its answer; never throws. */
export async function sendOutgoing(
  request: OutgoingRequest,
  rules: OutgoingRules,
): Promise<OutgoingOutcome> {
  const deadline = AbortSignal.timeout(request.timeoutMillis)
  try {
    const destination = await findDestination(request.url, rules, deadline)
    const answer = await ask(request, destination, deadline)
    const sent = await readBody(answer, request.maxBodyBytes)
    const body = await decode(sent, answer.headers['content-encoding'], request.maxBodyBytes)
    return { kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers, body }
  } catch (error) {
    return failedOutcome(error, deadline)
  }
}

function ask(
  { method, headers = {}, body }: OutgoingRequest,
  destination: CheckedDestination,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const sending = beginRequest(destination, {
    method,
    headers: {
      ...withoutConnectionHeaders(headers),
      'accept-encoding': 'identity',
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    },
    signal,
  })
  return new Promise((resolve, reject) => {
    sending.on('response', resolve)
    sending.on('error', reject)
    // Also where no event told of an end, as after an upgrade that nobody asked for.
    sending.on('close', () => reject(new OutgoingError('unreachable')))
    sending.end(body)
  })
}

async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new OutgoingError('too_large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function decode(body: Buffer, encoding: string | undefined, maxOutputLength: number) {
  if (encoding === undefined || encoding === 'identity' || body.length === 0) return body
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined
  if (decoder === undefined) throw new OutgoingError('unreadable')
  try {
    return await decoder(body, { maxOutputLength })
  } catch (error) {
    const isTooLarge = codeOf(error).code === 'ERR_BUFFER_TOO_LARGE'
    throw new OutgoingError(isTooLarge ? 'too_large' : 'unreadable')
  }
}
