// The lane of the endpoints that carry every API call: straight from node:http to the endpoint, past Koa and its routers, which would cost as
// much as the endpoint itself. Invariant: an exchange on the lane has all that it would have under Koa: id, address, error boundary, metrics,
// and its last answer while the process drains.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../shared/logger.ts'
import { answerFailure, type FailureDeps } from './error-boundary.ts'
import { createBareExchange, type BareExchange, type Exchange } from './exchange.ts'
import { noteRequest, type RequestTimer } from './request-context.ts'

/** Answers one exchange. @throws {AppError} whatever is to be told to the client */
export type Endpoint = (exchange: Exchange) => Promise<void>

export interface HotLaneDeps extends FailureDeps {
  /** Endpoints by their exact path, for POST. */
  endpoints: ReadonlyMap<string, Endpoint>
  timer: RequestTimer
  addressOf: (request: IncomingMessage) => string
  isDraining: () => boolean
  logger: Logger
}

/** Creates the lane: it takes a request and returns true, or leaves it to the others. */
export function createHotLane(
  deps: HotLaneDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return function take(request, response) {
    const { url = '', method } = request
    // Anything but the plain form of the address goes the long way.
    const endpoint = method === 'POST' ? deps.endpoints.get(url) : undefined
    if (endpoint === undefined) return false
    run(deps, endpoint, createBareExchange(request, url), response).catch((error: unknown) => {
      deps.logger.error({ err: error }, 'response failed')
      response.destroy()
    })
    return true
  }
}

async function run(
  deps: HotLaneDeps,
  endpoint: Endpoint,
  exchange: BareExchange,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now()
  const { requestId } = noteRequest(exchange.req, deps.addressOf(exchange.req))
  exchange.set('X-Request-Id', requestId)
  try {
    await endpoint(exchange)
  } catch (error) {
    answerFailure(exchange, error, deps)
  }
  if (deps.isDraining()) exchange.set('Connection', 'close')
  deps.timer(exchange.path, exchange.status, performance.now() - startedAt)
  exchange.send(response)
}
