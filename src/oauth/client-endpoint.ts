// What token, revocation and introspection share: the phases that each request of a client goes
// through. Read the body, authenticate the client, bound the rate, then the endpoint's own work; an
// error knows the app that it concerns, so that its developer can find out why. Invariant: limits
// count before a store is asked for a token, and a stranger cannot use up the budget of an app that
// it cannot authenticate as, nor that of an address.
import Router from '@koa/router'
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { type HttpCall, JSON_TYPE } from '../http/http-call.ts'
import { limitPages } from '../http/limit-pages.ts'
import { type Parameters, readParameters } from '../http/parameters.ts'
import { type BatchedLimit, rateLimitHeaders } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { AppError } from '../shared/errors.ts'
import {
  checkClient,
  type ClientAuthenticationDeps,
  type ClientCheck,
  countRefusal,
} from './client-authentication.ts'
import { allowOrigin, answerPreflight, letEveryPageRead } from './cross-origin.ts'

/** What the phases need. */
export interface ClientPhases extends ClientAuthenticationDeps {
  perAddress: BatchedLimit
  perClient: BatchedLimit
}

/** A request that passed the phases. */
export interface ClientRequest<Selected> {
  app: App
  parameters: Parameters
  address: string
  /** What the endpoint made of the parameters before the client was looked up. */
  selected: Selected
}

/**
 * Creates an endpoint that clients call.
 *
 * The client comes before the limits, because a secret is compared in microseconds and without I/O:
 * so a wrong one is counted by itself, and takes nothing from what the honest apps at its address
 * may ask.
 *
 * @param select runs before the client is looked up, for what is wrong whichever client asks
 * @param respond the endpoint's own work
 */
export function createClientEndpoint<Selected>(
  phases: ClientPhases,
  select: (parameters: Parameters) => Selected,
  respond: (call: HttpCall, request: ClientRequest<Selected>) => Promise<void>,
): Endpoint {
  return async function answerClient(call) {
    const { address } = requestFacts(call)
    let parameters: Parameters
    let selected: Selected
    try {
      parameters = await readParameters(call.req)
      selected = select(parameters)
    } catch (error) {
      letEveryPageRead(call)
      assertWithin(phases.perAddress, address, call)
      throw error
    }
    const checking = checkClient(phases, call.req.headers.authorization, parameters, address)
    // An app that is in memory is checked at once, without a turn of promises.
    const check = checking instanceof Promise ? await checking : checking
    const app = authenticatedApp(call, phases, check, address)
    try {
      assertWithin(phases.perAddress, address, call)
      // A public app proves nothing, so what it may ask is counted for each address apart.
      assertWithin(phases.perClient, isConfidential(app) ? app.id : `${app.id} ${address}`, call)
      await respond(call, { app, parameters, address, selected })
    } catch (error) {
      if (error instanceof AppError) error.appId = app.id
      throw error
    }
  }
}

/** Lets the page that may read the answer do so. @throws {AppError} why the client is refused */
function authenticatedApp(
  call: HttpCall,
  deps: ClientAuthenticationDeps,
  check: ClientCheck,
  address: string,
): App {
  if (check.app !== undefined) allowOrigin(call, check.app)
  // Where it is not known whose page this is, and nothing in the answer is about anybody, each may
  // read it.
  else letEveryPageRead(call)
  if (check.kind === 'authenticated') return check.app
  const error = countRefusal(deps, check, address)
  if (call.req.headers.authorization !== undefined && error.status === 401) challengeByBasic(call)
  throw error
}

/**
 * RFC 6749 §5.2: a client that used the Authorization header is answered with the matching scheme.
 */
export function challengeByBasic(call: HttpCall): void {
  call.set('WWW-Authenticate', 'Basic realm="otesse"')
}

/**
 * Counts one hit; a refusal says how much of the limit is left and when it begins anew.
 *
 * @throws {AppError} `rate_limited` with the seconds to wait
 */
function assertWithin(limit: BatchedLimit, key: string, call: HttpCall): void {
  const outcome = limit.hit(key)
  if (outcome.allowed) return
  const { 'Retry-After': _set, ...headers } = rateLimitHeaders([{ size: limit.size, outcome }])
  for (const [name, value] of Object.entries(headers)) call.set(name, value)
  // Retry-After comes with the error itself.
  throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}

/** Answers JSON that no cache may keep (RFC 6749 §5.1). */
export function answerJson(call: HttpCall, body: object): void {
  call.status = 200
  call.set('Cache-Control', 'no-store')
  call.set('Pragma', 'no-cache')
  call.set('Content-Type', JSON_TYPE)
  call.body = JSON.stringify(body)
}

/**
 * Mounts an endpoint on Koa, for requests that write its address in another than the plain form,
 * and its preflight where web pages may call it.
 */
export function clientRouter(
  path: string,
  endpoint: Endpoint,
  options: { preflight: boolean; preflightsPerAddress: BatchedLimit },
): Router {
  const router = new Router({ strict: true, sensitive: true })
  if (options.preflight)
    router.options(path, limitPages(options.preflightsPerAddress), (ctx) => answerPreflight(ctx))
  router.post(path, endpoint)
  return router
}
