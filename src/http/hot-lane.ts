// The lane of the endpoints that carry every API call: straight from node:http to the endpoint, past Koa and its routers, which would cost as
// much as the endpoint itself. Invariant: an exchange on the lane has all that it would have under Koa: id, address, error boundary, metrics,
// and its last answer while the process drains.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../shared/logger.ts'
import type { AnswerHeaders } from './answer-headers.ts'
import { answerFailure, type FailureDeps } from './error-boundary.ts'
import { createBareExchange, type BareExchange, type Exchange } from './exchange.ts'
import { noteRequest, type RequestTimer } from './request-context.ts'

/** Answers one exchange. @throws {AppError} whatever is to be told to the client */
export type Endpoint = (exchange: Exchange) => Promise<void>

/** What a lane leads to. */
export interface Route {
  /** A pattern for the metrics, never a path: a path can hold anything. */
  readonly name: string
  readonly endpoint: Endpoint
}

/** Tells where a request goes; `undefined` where it takes the long way. */
export type Lane = (method: string, url: string) => Route | undefined

/** Creates the lane of endpoints that take POST. Anything but the plain form of the address goes the long way. */
export function createPostLane(endpoints: ReadonlyMap<string, Endpoint>): Lane {
  const routes = new Map([...endpoints].map(([name, endpoint]) => [name, { name, endpoint }]))
  return (method, url) => (method === 'POST' ? routes.get(url) : undefined)
}

export interface HotLaneDeps extends FailureDeps {
  lanes: readonly Lane[]
  timer: RequestTimer
  addressOf: (request: IncomingMessage) => string
  isDraining: () => boolean
  /** Of every answer. */
  answerHeaders: AnswerHeaders
  logger: Logger
}

/** Creates the lane: it takes a request and returns true, or leaves it to the others. */
export function createHotLane(
  deps: HotLaneDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return function take(request, response) {
    const { url = '', method = '' } = request
    for (const lane of deps.lanes) {
      const route = lane(method, url)
      if (route === undefined) continue
      run(deps, route, createBareExchange(request, url, deps.answerHeaders), response).catch(
        (error: unknown) => {
          deps.logger.error({ err: error }, 'response failed')
          response.destroy()
        },
      )
      return true
    }
    return false
  }
}

async function run(
  deps: HotLaneDeps,
  { name, endpoint }: Route,
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
  deps.timer(name, exchange.status, performance.now() - startedAt)
  exchange.send(response)
}
