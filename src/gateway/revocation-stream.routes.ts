// GET /oauth/events/revocations: server-sent events by which resource servers learn at once which
// remembered tokens are inactive. Invariants: a stream sends every entry of the log after the one
// that it began with, in order, or says `flush`; it is only kept alive while the log itself is in
// reach, so that silence means "do not trust what you remember"; nobody can make us hold much
// memory for them.
//
//   hello    { position, resumed }  first; without `resumed`, forget what was remembered
//   revoked  { kind, key }          see Revocation
//   flush    {}                     entries are missing, or everything ended: forget all
//   live     {}                     everything up to now was sent
//   end      { reason }             come back, to another process if there is one
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import Router from '@koa/router'
import type { Context } from 'koa'
import { requestFacts } from '../http/request-context.ts'
import { type Revocation, type RevocationLog, isAfter } from '../revocations/revocation-log.ts'
import { AppError } from '../shared/errors.ts'

/** How often an idle stream says that it lives. */
const HEARTBEAT_MILLIS = 5000
/** Credentials are looked at when a stream begins, so no stream lives for ever. */
const LONGEST_STREAM_MILLIS = 30 * 60_000
/** What may wait for a reader that is slower than we write, and for how long. */
const MOST_WAITING_BYTES = 1024 * 1024
const SLOWEST_READ_MILLIS = 10_000
const REPLAY_PAGE = 500
/** A client that missed more is better off forgetting everything. */
const MOST_REPLAYED = 20_000

const PATH = '/oauth/events/revocations'

/** Why a stream ends; sent to the client, which reconnects. */
type EndReason = 'draining' | 'client_changed' | 'old'

interface StreamDeps {
  log: RevocationLog
  /** Says which resource server this is. @throws {AppError} of client authentication */
  authenticate: (
    authorization: string | undefined,
    address: string,
  ) => Promise<{ id: string; type: string }>
  /** Tells of changes of apps, and that some may have been missed. */
  changes: {
    on(topic: 'app', listener: (id: string) => void): void
    onGap(listener: () => void): void
  }
  /** Counts attempts by address. */
  perAddress: {
    hit(key: string): { allowed: true } | { allowed: false; retryAfterSeconds: number }
  }
  /** How many streams one client may have on this process. */
  streamsPerClient: number
  heartbeatMillis?: number
}

/** The streams of this process. */
export interface RevocationStreams extends Disposable {
  router: Router
  /** Ends all streams, so that clients go to another process, and takes no more. */
  drain(): void
}

/** Creates the route. */
export function createRevocationStreams(deps: StreamDeps): RevocationStreams {
  const { log, streamsPerClient } = deps
  const heartbeatMillis = deps.heartbeatMillis ?? HEARTBEAT_MILLIS
  const streams = new Map<string, Set<Stream>>()
  let isDraining = false

  function end(reason: EndReason, clientId?: string): void {
    for (const [id, ofClient] of streams)
      if (clientId === undefined || id === clientId)
        for (const stream of [...ofClient]) stream.end(reason)
  }
  // A client that was suspended or lost a secret does not get past authentication again; any other
  // one comes back and misses nothing.
  deps.changes.on('app', (id) => end('client_changed', id))
  deps.changes.onGap(() => end('client_changed'))

  function admit(clientId: string, res: ServerResponse): Stream {
    const ofClient = streams.get(clientId) ?? new Set<Stream>()
    if (ofClient.size >= streamsPerClient)
      throw new AppError('rate_limited', { retryAfterSeconds: 30 })
    streams.set(clientId, ofClient)
    const stream = openStream(res, log, heartbeatMillis, () => {
      ofClient.delete(stream)
      if (ofClient.size === 0) streams.delete(clientId)
    })
    ofClient.add(stream)
    return stream
  }

  async function authenticate(ctx: Context): Promise<string> {
    const { address } = requestFacts(ctx)
    try {
      const client = await deps.authenticate(ctx.req.headers.authorization, address)
      const limit = deps.perAddress.hit(address)
      if (!limit.allowed)
        throw new AppError('rate_limited', { retryAfterSeconds: limit.retryAfterSeconds })
      if (client.type !== 'resource_server') throw new AppError('stream_not_allowed')
      return client.id
    } catch (error) {
      // RFC 9110 §11.6.1: a 401 names the scheme.
      if (error instanceof AppError && error.status === 401)
        ctx.set('WWW-Authenticate', 'Basic realm="otesse"')
      throw error
    }
  }

  const router = new Router({ strict: true, sensitive: true })
  router.get(PATH, async function streamRevocations(ctx: Context) {
    const clientId = await authenticate(ctx)
    await log.ready()
    if (isDraining)
      throw new AppError('temporarily_unavailable', { detail: 'draining', retryAfterSeconds: 1 })
    const { req, res } = ctx
    const stream = admit(clientId, res)
    ctx.status = 200
    // Koa would end the answer; and the request counts as answered now, or its time would be that
    // of the stream.
    ctx.respond = false
    req.socket.setNoDelay(true)
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      // nginx and those who follow it would gather events before they pass them on.
      'X-Accel-Buffering': 'no',
    })
    const lastId = ctx.get('Last-Event-ID')
    void stream.start(lastId === '' ? undefined : lastId)
  })

  return {
    router,
    drain() {
      isDraining = true
      end('draining')
    },
    [Symbol.dispose]() {
      isDraining = true
      end('draining')
    },
  }
}

interface Stream {
  start(lastId: string | undefined): Promise<void>
  end(reason: EndReason): void
}

/** Opens one stream; `onClosed` is called once, however it ends. */
function openStream(
  res: ServerResponse,
  log: RevocationLog,
  heartbeatMillis: number,
  onClosed: () => void,
): Stream {
  let sentId = ''
  let wroteAt = performance.now()
  let isClosed = false
  // What happens while missed entries are still being read; undefined once the stream is live.
  let waiting: (() => void)[] | undefined = []

  const unfollow = log.follow({
    onRevoked: (entry) => whenLive(() => sendRevoked(entry)),
    onGap: () => whenLive(() => sendFlush()),
    onContact() {
      // While missed entries are sent, those are the signs of life.
      if (waiting === undefined && performance.now() - wroteAt >= heartbeatMillis - 500)
        write(': alive\n\n')
    },
  })
  const oldAge = setTimeout(() => end('old'), LONGEST_STREAM_MILLIS).unref()
  res.once('close', close)

  function close(): void {
    if (isClosed) return
    isClosed = true
    waiting = []
    clearTimeout(oldAge)
    unfollow()
    onClosed()
  }
  function write(text: string): void {
    if (isClosed) return
    wroteAt = performance.now()
    res.write(text)
    // A reader that does not keep up is cut off; it comes back and goes on where it was.
    if (res.writableLength > MOST_WAITING_BYTES) cutOff()
  }
  function cutOff(): void {
    close()
    res.destroy()
  }
  function whenLive(what: () => void): void {
    if (isClosed) return
    if (waiting === undefined) what()
    else if (waiting.length >= MOST_REPLAYED) cutOff()
    else waiting.push(what)
  }
  function sendRevoked({ id, kind, key }: Revocation & { id: string }): void {
    if (!isAfter(id, sentId)) return
    sentId = id
    if (kind === 'all') write(`id: ${id}\nevent: flush\ndata: {}\n\n`)
    else write(`id: ${id}\nevent: revoked\ndata: ${JSON.stringify({ kind, key })}\n\n`)
  }
  function sendFlush(): void {
    sentId = log.position()
    write(`id: ${sentId}\nevent: flush\ndata: {}\n\n`)
  }

  /** Sends what was missed; `false` where it is not in the log any more. */
  async function replay(lastId: string): Promise<boolean> {
    sentId = lastId
    for (let count = 0; count < MOST_REPLAYED && !isClosed;) {
      const missed = await log.readAfter(sentId, REPLAY_PAGE)
      if (missed === undefined) return false
      for (const entry of missed) sendRevoked(entry)
      if (missed.length === 0) return true
      count += missed.length
      if (res.writableNeedDrain) await drained(res)
    }
    return false
  }

  async function start(lastId: string | undefined): Promise<void> {
    try {
      // Where the log stands: a client that goes on from an earlier place has missed nothing once
      // it got there.
      const position = log.position()
      const hello = JSON.stringify({ position, resumed: lastId !== undefined })
      if (lastId === undefined) {
        sentId = position
        write(`id: ${position}\nevent: hello\ndata: ${hello}\n\n`)
      } else {
        write(`event: hello\ndata: ${hello}\n\n`)
        if (!(await replay(lastId))) sendFlush()
      }
      goLive()
    } catch {
      // The log cannot be read right now; the client will find it again, here or elsewhere.
      cutOff()
    }
  }
  function goLive(): void {
    const missed = waiting ?? []
    waiting = undefined
    for (const send of missed) send()
    write('event: live\ndata: {}\n\n')
  }

  function end(reason: EndReason): void {
    if (isClosed) return
    write(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`)
    close()
    res.end()
    // A client that does not read the end does not keep the connection either.
    setTimeout(() => res.destroy(), SLOWEST_READ_MILLIS).unref()
  }

  return { start, end }
}

async function drained(res: ServerResponse): Promise<void> {
  const isDrained = await Promise.race([
    new Promise<boolean>((resolve) => {
      res.once('drain', () => resolve(true))
      res.once('close', () => resolve(true))
    }),
    sleep(SLOWEST_READ_MILLIS, false, { ref: false }),
  ])
  if (!isDrained) throw new Error('the reader is too slow')
}
