// Follows the server's stream of revocations for as long as the verifier lives, across lost
// connections. Invariants: the feed is trusted only while it was heard within the bound on a
// connection that had caught up, and for two seconds more when that broke; whatever may have been
// missed makes everything be forgotten.
import { monotonicMillis } from './clock.ts'
import { createEventReader, type StreamEvent } from './event-stream.ts'

/** What the verifier does with what is heard. */
export interface FeedListener {
  onRevoked(kind: string, key: string): void
  onForgetAll(): void
  onProblem(error: Error): void
}

export interface FeedOptions {
  readonly url: string
  readonly authorization: string
  /** How long an answer to the connection may take. */
  readonly timeoutMillis: number
  /** The bound after which silence means that the stream is lost. */
  readonly silenceMillis: number
}

export interface RevocationFeed {
  /** Returns whether what is remembered can be trusted at this moment (monotonic milliseconds). */
  isTrusted(now: number): boolean
  /** Until when it could be trusted if nothing more were heard. */
  trustedUntil(): number
  close(): void
}

const SOONEST_RETRY_MILLIS = 100
const LATEST_RETRY_MILLIS = 2000
/** Credentials do not get right by trying. */
const REFUSED_RETRY_MILLIS = 10_000
const CATCH_UP_MILLIS = 30_000
/** A connection that was seen to break tells more than silence: another one is there within this time, or something is wrong. */
const LOST_MILLIS = 2000

class StreamRefused extends Error {}

// What fetch throws ("fetch failed", "terminated") does not tell whose connection it was.
const problemOf = (error: unknown): Error =>
  error instanceof StreamRefused
    ? error
    : new Error('The stream of revocations cannot be reached, or was lost.', { cause: error })

/** Starts to follow. */
export function openRevocationFeed(options: FeedOptions, listener: FeedListener): RevocationFeed {
  const { silenceMillis } = options
  let lastId: string | undefined
  let heardAt = -Infinity
  let connection: AbortController | undefined
  let lostAt: number | undefined
  let isLive = false
  let isClosed = false
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  // A connection that is silent for the bound is dead, whatever the network says.
  const watchdog = setInterval(() => {
    if (isLive && monotonicMillis() - heardAt > silenceMillis) connection?.abort()
  }, 250).unref()

  async function connect(): Promise<void> {
    const own = (connection = new AbortController())
    let retryMillis: number | undefined
    const patience = setTimeout(() => own.abort(), options.timeoutMillis)
    try {
      const response = await fetch(options.url, {
        headers: {
          authorization: options.authorization,
          accept: 'text/event-stream',
          ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
        },
        redirect: 'error',
        cache: 'no-store',
        signal: own.signal,
      })
      clearTimeout(patience)
      if (response.status !== 200 || response.body === null) {
        if (response.status === 401 || response.status === 403) retryMillis = REFUSED_RETRY_MILLIS
        throw new StreamRefused(`The stream of revocations answered ${response.status}.`)
      }
      await read(response.body, own)
    } catch (error) {
      if (!isClosed) {
        failures += 1
        listener.onProblem(problemOf(error))
      }
    } finally {
      clearTimeout(patience)
      own.abort()
      if (isLive) lostAt = monotonicMillis()
      isLive = false
      if (!isClosed) timer = setTimeout(() => void connect(), retryMillis ?? pause()).unref()
    }
  }

  // Spread, so that the clients of a process that ended do not all come at once.
  const pause = (): number =>
    Math.min(SOONEST_RETRY_MILLIS * 2 ** Math.max(0, failures - 1), LATEST_RETRY_MILLIS) *
    (0.5 + Math.random() / 2)

  async function read(body: ReadableStream<Uint8Array>, own: AbortController): Promise<void> {
    const catchUp = setTimeout(() => own.abort(), CATCH_UP_MILLIS)
    const decoder = new TextDecoder()
    const feed = createEventReader()
    try {
      for await (const chunk of body) {
        const now = monotonicMillis()
        // This process stood still, or the network did: what arrives now may have been sent long
        // ago. Only a new connection tells.
        if (isLive && now - heardAt > silenceMillis) throw new Error('The stream was silent.')
        for (const event of feed(decoder.decode(chunk, { stream: true }))) {
          if (event.type === 'live') clearTimeout(catchUp)
          if (take(event, now) === 'end') return
        }
        // After the events: a sign of life vouches for what came with it only when that has been
        // carried out.
        if (isLive) heardAt = now
      }
    } finally {
      clearTimeout(catchUp)
    }
    throw new Error('The stream of revocations ended.')
  }

  function take({ type, id, data }: StreamEvent, now: number): 'end' | undefined {
    const { kind, key, resumed } = parse(data)
    switch (type) {
      case 'hello':
        if (resumed !== true) listener.onForgetAll()
        break
      case 'revoked':
        if (typeof kind === 'string' && typeof key === 'string') listener.onRevoked(kind, key)
        else listener.onForgetAll()
        break
      case 'flush':
        listener.onForgetAll()
        break
      case 'live':
        isLive = true
        heardAt = now
        lostAt = undefined
        failures = 0
        break
      case 'end':
        return 'end'
    }
    // Only when it has been carried out.
    if (id !== undefined) lastId = id
    return undefined
  }

  void connect()
  const trustedUntil = (): number =>
    Math.min(heardAt + silenceMillis, (lostAt ?? Infinity) + LOST_MILLIS)
  return {
    isTrusted: (now) => now <= trustedUntil(),
    trustedUntil,
    close() {
      isClosed = true
      heardAt = -Infinity
      clearInterval(watchdog)
      clearTimeout(timer)
      connection?.abort()
    },
  }
}

function parse(data: string): Record<string, unknown> {
  if (data === '') return {}
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
