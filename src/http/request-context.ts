// What every request carries: its id (in the answer, the log line and the event), the client's
// address, and when it came.
import type { IncomingMessage } from 'node:http'
import type { Context, Middleware, Next } from 'koa'
import { newRequestId } from '../shared/ids.ts'
import type { Metrics } from '../shared/metrics.ts'

/** The facts of one request that events and limits need. */
export interface RequestFacts {
  requestId: string
  address: string
}

const FACTS = Symbol('request facts')

// On the request itself: a table beside it costs each garbage collection a walk.
interface Noted {
  [FACTS]?: RequestFacts
}

/** Returns the facts of a request that were noted when it came in. */
export function requestFacts(call: { req: IncomingMessage }): RequestFacts {
  const { [FACTS]: facts } = call.req as Noted
  if (facts === undefined) throw new Error('the request was not noted')
  return facts
}

/** Gives a request its id and keeps its facts for as long as the request lives. */
export function noteRequest(request: IncomingMessage, address: string): RequestFacts {
  const facts = { requestId: newRequestId(), address }
  ;(request as Noted)[FACTS] = facts
  return facts
}

/** Measures one request. @param route a pattern, never a path: a path can hold anything */
export type RequestTimer = (route: string, status: number, millis: number) => void

/** Creates the timer; it looks the labels of each route and status class up once. */
export function createRequestTimer(metrics: Pick<Metrics, 'requestSeconds'>): RequestTimer {
  // By route, then by the first digit of the status.
  const children = new Map<string, { observe(seconds: number): void }[]>()
  return function timeRequest(route, status, millis) {
    let ofRoute = children.get(route)
    if (ofRoute === undefined) children.set(route, (ofRoute = []))
    const statusClass = Math.floor(status / 100)
    const child = (ofRoute[statusClass] ??= metrics.requestSeconds.labels(
      route,
      `${statusClass}xx`,
    ))
    child.observe(millis / 1000)
  }
}

/**
 * Creates the outermost middleware: gives the request its id and measures it.
 *
 * @param addressOf returns the client's address, trusting only configured proxies
 */
export function requestContext(deps: {
  timer: RequestTimer
  addressOf: (request: IncomingMessage) => string
}): Middleware {
  return async function recordRequest(ctx: Context, next: Next) {
    const startedAt = performance.now()
    const { requestId } = noteRequest(ctx.req, deps.addressOf(ctx.req))
    ctx.set('X-Request-Id', requestId)
    try {
      await next()
    } finally {
      const route = (ctx as { _matchedRoute?: unknown })._matchedRoute
      const pattern = typeof route === 'string' ? route : 'other'
      deps.timer(pattern, ctx.status, performance.now() - startedAt)
    }
  }
}
