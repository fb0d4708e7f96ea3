// What every request carries: its id (in the answer, the log line and the event), the client's address, and when it came.
import type { Context, Middleware, Next } from 'koa'
import type { Clock } from '../shared/clock.ts'
import { newRequestId } from '../shared/ids.ts'
import type { Metrics } from '../shared/metrics.ts'

/** The facts of one request that events and limits need. */
export interface RequestFacts {
  requestId: string
  address: string
}

const factsOf = new WeakMap<object, RequestFacts>()

/** Returns the facts of a request that went through requestContext. */
export function requestFacts(ctx: Context): RequestFacts {
  const facts = factsOf.get(ctx.req)
  if (facts === undefined) throw new Error('requestContext is not mounted')
  return facts
}

/**
 * Creates the outermost middleware: gives the request its id and measures it.
 *
 * @param addressOf tells the client's address, trusting only configured proxies
 */
export function requestContext(deps: {
  clock: Clock
  metrics: Metrics
  addressOf: (ctx: Context) => string
}): Middleware {
  return async function recordRequest(ctx: Context, next: Next) {
    const startedAt = performance.now()
    const facts = { requestId: newRequestId(), address: deps.addressOf(ctx) }
    factsOf.set(ctx.req, facts)
    ctx.set('X-Request-Id', facts.requestId)
    try {
      await next()
    } finally {
      // The route's pattern, never the path: a path can hold anything.
      const route = (ctx as { _matchedRoute?: unknown })._matchedRoute
      deps.metrics.requestSeconds.observe(
        {
          route: typeof route === 'string' ? route : 'other',
          status: `${Math.floor(ctx.status / 100)}xx`,
        },
        (performance.now() - startedAt) / 1000,
      )
    }
  }
}
