// What token, revocation and introspection share: read the body, bound the rate, authenticate the client, answer JSON that nobody caches.
// A refusal knows the app it concerns, so that its developer can be told why. Invariant: limits count before work is done, and a stranger
// cannot use up the budget of an app that it cannot authenticate as.
import Router from '@koa/router'
import type { App } from '../apps/app.ts'
import { isConfidential } from '../apps/app.ts'
import { type Exchange, JSON_TYPE } from '../http/exchange.ts'
import type { Endpoint } from '../http/hot-lane.ts'
import { type Parameters, readParameters } from '../http/parameters.ts'
import { type BatchedLimit, rateLimitHeaders } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { AppError } from '../shared/errors.ts'
import { checkClient, type ClientDirectory, presentedClient } from './client-authentication.ts'
import { allowOrigin, answerPreflight } from './cross-origin.ts'

/** A limit on a hot path: counts at once, without waiting. */
export type HotLimit = BatchedLimit

/** An authenticated back-channel request. */
export interface BackChannelRequest {
  app: App
  parameters: Parameters
}

const refusedApp = new WeakMap<AppError, Pick<App, 'id'>>()

/** Returns the app that a refusal concerns, where it was known. */
export const appOfRefusal = (error: AppError): Pick<App, 'id'> | undefined => refusedApp.get(error)

/** Ties a refusal to the app that it concerns. */
export function refuse(error: AppError, app: Pick<App, 'id'> | undefined): AppError {
  if (app !== undefined) refusedApp.set(error, app)
  return error
}

/** Counts one hit; a refusal tells where the client stands. @throws {AppError} `rate_limited` with the seconds to wait */
export function assertWithin(limit: HotLimit, key: string, exchange: Pick<Exchange, 'set'>): void {
  const outcome = limit.hit(key)
  if (outcome.allowed) return
  const { 'Retry-After': _set, ...headers } = rateLimitHeaders([{ size: limit.size, outcome }])
  for (const [name, value] of Object.entries(headers)) exchange.set(name, value)
  // Retry-After comes with the error itself.
  throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}

/**
 * Takes a back-channel request in: parameters, limits, client.
 *
 * @param inspectParameters runs before the client is looked up, for what is wrong whoever asks
 */
export async function takeIn(
  exchange: Exchange,
  deps: { clients: ClientDirectory; perAddress: HotLimit; perClient: HotLimit },
  inspectParameters?: (parameters: Parameters) => void,
): Promise<BackChannelRequest> {
  const { address } = requestFacts(exchange)
  assertWithin(deps.perAddress, address, exchange)
  const parameters = await readParameters(exchange.req)
  inspectParameters?.(parameters)
  const app = await authenticate(exchange, deps.clients, parameters)
  // A public app proves nothing, so what it may ask is counted for each address apart.
  const key = isConfidential(app) ? app.id : `${app.id} ${address}`
  try {
    assertWithin(deps.perClient, key, exchange)
  } catch (error) {
    throw error instanceof AppError ? refuse(error, app) : error
  }
  return { app, parameters }
}

async function authenticate(
  exchange: Exchange,
  clients: ClientDirectory,
  parameters: Parameters,
): Promise<App> {
  const { authorization } = exchange.req.headers
  try {
    const check = await checkClient(clients, presentedClient(authorization, parameters))
    if (check.app !== undefined) allowOrigin(exchange, check.app)
    if (check.kind === 'authenticated') return check.app
    throw refuse(check.error, check.app)
  } catch (error) {
    // RFC 6749 §5.2: a client that used the Authorization header is answered with the matching scheme.
    if (authorization !== undefined && error instanceof AppError && error.status === 401)
      exchange.set('WWW-Authenticate', 'Basic realm="otesse"')
    throw error
  }
}

/** Answers JSON that no cache may keep (RFC 6749 §5.1). */
export function answer(exchange: Exchange, body: object): void {
  exchange.status = 200
  exchange.set('Cache-Control', 'no-store')
  exchange.set('Pragma', 'no-cache')
  exchange.set('Content-Type', JSON_TYPE)
  exchange.body = JSON.stringify(body)
}

/** Mounts an endpoint for whoever writes its address in another than the plain form, and its preflight where web pages may call it. */
export function backChannelRouter(
  path: string,
  endpoint: Endpoint,
  options: { preflight: boolean },
): Router {
  const router = new Router({ strict: true, sensitive: true })
  if (options.preflight) router.options(path, answerPreflight)
  router.post(path, endpoint)
  return router
}
