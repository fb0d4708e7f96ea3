// One request whose body and answer pass through as they come. Nothing is kept: a reader that is
// slow slows the sender down. Invariant: an answer that broke off never looks complete; its stream
// ends in an error.
import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { pipeline, type Readable, Transform } from 'node:stream'
import {
  beginRequest,
  type CheckedDestination,
  findDestination,
  type OutgoingHeaders,
  type OutgoingRules,
  withoutConnectionHeaders,
} from './destination.ts'
import { codeOf, type FailedOutcome, failedOutcome, OutgoingError } from './failure.ts'

export interface StreamedRequest {
  method: string
  url: string
  headers: OutgoingHeaders
  /** Nothing where there is no body. A stream is read to its end and never destroyed. */
  body?: Buffer | StreamedBody | undefined
  bounds: StreamBounds
  /** Ends the request, as when who asked for it has gone. */
  signal?: AbortSignal | undefined
}

/** A body that is sent while it comes. */
export interface StreamedBody {
  stream: Readable
  /** Bytes, where that is known; it is sent in chunks otherwise. */
  length: number | undefined
}

/** What a request may take. */
export interface StreamBounds {
  /** Until the head of the answer is there: DNS, connecting, and sending. */
  headMillis: number
  /** Between two parts of the answer. */
  silenceMillis: number
  totalMillis: number
  maxSentBytes: number
  maxAnswerBytes: number
}

/** What became of a request. A redirect is an answer like any other, and is not followed. */
export type StreamedOutcome = StreamedAnswer | FailedOutcome

/** The beginning of an answer. */
export interface StreamedAnswer {
  kind: 'answered'
  status: number
  /** Names and values in turn, as they came. */
  rawHeaders: readonly string[]
  /** As it was sent, compressed or not. It must be read or destroyed. */
  body: Readable
}

/**
 * Sends one request and returns when the head of the answer is there; never throws.
 *
 * @param agentFor gives connections that are kept; without it the request has one of its own
 */
export async function streamOutgoing(
  request: StreamedRequest,
  rules: OutgoingRules,
  agentFor?: (destination: CheckedDestination) => Agent,
): Promise<StreamedOutcome> {
  const { bounds } = request
  const ending = new AbortController()
  const signal = AbortSignal.any([ending.signal, ...gone(request.signal)])
  const endAfter = (millis: number) =>
    setTimeout(() => ending.abort(new OutgoingError('timed_out')), millis).unref()
  const total = endAfter(bounds.totalMillis)
  const head = endAfter(bounds.headMillis)
  try {
    const destination = await findDestination(request.url, rules, signal)
    const answer = await exchangeKept(request, destination, signal, agentFor?.(destination))
    const body = boundedBody(answer, bounds, () => clearTimeout(total))
    return {
      kind: 'answered',
      status: answer.statusCode ?? 0,
      rawHeaders: answer.rawHeaders,
      body,
    }
  } catch (error) {
    clearTimeout(total)
    return failedOutcome(error, signal)
  } finally {
    clearTimeout(head)
  }
}

// Why a signal of others was aborted is not told on.
function gone(signal: AbortSignal | undefined): AbortSignal[] {
  if (signal === undefined) return []
  const told = new AbortController()
  const tell = (): void => told.abort(new OutgoingError('given_up'))
  if (signal.aborted) tell()
  else signal.addEventListener('abort', tell, { once: true })
  return [told.signal]
}

/**
 * Makes the call, and once more where a kept connection turns out to be closed and that repeats
 * nothing (RFC 9110 §9.2.2).
 */
async function exchangeKept(
  request: StreamedRequest,
  destination: CheckedDestination,
  signal: AbortSignal,
  agent: Agent | undefined,
): Promise<IncomingMessage> {
  const used: { sending?: ClientRequest } = {}
  try {
    return await exchange(request, destination, signal, agent, used)
  } catch (error) {
    const isStale = used.sending?.reusedSocket === true && CLOSED.has(codeOf(error).code ?? '')
    if (!isStale || signal.aborted || !isRepeatable(request)) throw error
    return exchange(request, destination, signal)
  }
}

const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])

const isRepeatable = ({ method, body }: StreamedRequest): boolean =>
  IDEMPOTENT.has(method) && (body === undefined || Buffer.isBuffer(body))

function exchange(
  { method, headers, body, bounds }: StreamedRequest,
  destination: CheckedDestination,
  signal: AbortSignal,
  agent?: Agent,
  used: { sending?: ClientRequest } = {},
): Promise<IncomingMessage> {
  const sending = beginRequest(destination, {
    method,
    headers: { ...withoutConnectionHeaders(headers), ...lengthOf(body) },
    signal,
    agent,
  })
  used.sending = sending
  return new Promise((resolve, reject) => {
    sending.on('response', resolve)
    sending.on('error', reject)
    // Also where no event told of an end, as after an upgrade that nobody asked for.
    sending.on('close', () => reject(new OutgoingError('unreachable')))
    if (body === undefined || Buffer.isBuffer(body)) sending.end(body)
    else
      send(body.stream, sending, bounds.maxSentBytes).catch((error: unknown) => {
        // Half a body must never look like a whole one.
        reject(error instanceof Error ? error : new OutgoingError('given_up'))
        sending.destroy()
      })
  })
}

function lengthOf(body: StreamedRequest['body']): OutgoingHeaders {
  if (body === undefined) return {}
  return body.length === undefined
    ? { 'transfer-encoding': 'chunked' }
    : { 'content-length': String(body.length) }
}

/** Sends a body as fast as it is taken. @throws {OutgoingError} `sent_too_large`, `given_up` */
async function send(body: Readable, sending: ClientRequest, maxBytes: number): Promise<void> {
  let size = 0
  try {
    for await (const part of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      // The answer may be there, and the connection closed, before everything was sent.
      if (sending.destroyed) return
      size += part.length
      if (size > maxBytes) throw new OutgoingError('sent_too_large')
      if (!sending.write(part)) await drained(sending)
    }
  } catch (error) {
    throw error instanceof OutgoingError ? error : new OutgoingError('given_up')
  }
  sending.end()
}

function drained(sending: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sending.off('drain', done)
      sending.off('close', done)
      resolve()
    }
    sending.on('drain', done)
    sending.on('close', done)
  })
}

function boundedBody(
  answer: IncomingMessage,
  { silenceMillis, maxAnswerBytes }: StreamBounds,
  onEnd: () => void,
): Readable {
  let size = 0
  const meter = new Transform({
    transform(part: Buffer, _encoding, done) {
      size += part.length
      if (size > maxAnswerBytes) done(new OutgoingError('too_large'))
      else done(null, part)
    },
  })
  answer.setTimeout(silenceMillis, () => answer.destroy(new OutgoingError('timed_out')))
  // Ends the connection when whoever reads it stops, and the stream when the connection ends.
  return pipeline(answer, meter, onEnd)
}
