// The fast path: the endpoints that carry every API call run straight on node:http, past Koa and
// its routers, which would cost as much as the endpoint itself. Invariant: such a call has all that
// it would have under Koa: id, address, the error boundary, metrics, and its last answer while the
// process drains.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../shared/logger.ts'
import type { AnswerHeaders } from './answer-headers.ts'
import { answerFailure, type FailureDeps } from './error-boundary.ts'
import { BareHttpCall, type HttpCall } from './http-call.ts'
import { noteRequest, type RequestTimer } from './request-context.ts'

/** Answers one call. @throws {AppError} the reason of a refusal, which the boundary answers */
export type Endpoint = (call: HttpCall) => Promise<void>

/** Where the fast path leads to. */
export interface FastRoute {
  /** A pattern for the metrics, never a path: a path can hold anything. */
  readonly name: string
  readonly endpoint: Endpoint
}

/** Finds the route of a request; `undefined` where Koa answers it. */
export type FindFastRoute = (method: string, url: string) => FastRoute | undefined

/** Creates the routes of endpoints that take POST, by the plain form of their address. */
export function createPostRoutes(endpoints: ReadonlyMap<string, Endpoint>): FindFastRoute {
  const routes = new Map([...endpoints].map(([name, endpoint]) => [name, { name, endpoint }]))
  return (method, url) => (method === 'POST' ? routes.get(url) : undefined)
}

export interface FastPathDeps extends FailureDeps {
  routes: readonly FindFastRoute[]
  timer: RequestTimer
  addressOf: (request: IncomingMessage) => string
  isDraining: () => boolean
  /** Of every answer. */
  answerHeaders: AnswerHeaders
  logger: Logger
}

/** Creates the fast path: it answers a request and returns true, or leaves it to Koa. */
export function createFastPath(
  deps: FastPathDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return function take(request, response) {
    const { url = '', method = '' } = request
    for (const find of deps.routes) {
      const route = find(method, url)
      if (route === undefined) continue
      run(deps, route, new BareHttpCall(request, url, deps.answerHeaders), response).catch(
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
  deps: FastPathDeps,
  { name, endpoint }: FastRoute,
  call: BareHttpCall,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now()
  const { requestId } = noteRequest(call.req, deps.addressOf(call.req))
  call.set('X-Request-Id', requestId)
  try {
    await endpoint(call)
  } catch (error) {
    answerFailure(call, error, deps)
  }
  if (deps.isDraining()) call.set('Connection', 'close')
  deps.timer(name, call.status, performance.now() - startedAt)
  call.send(response)
}
