// What token, revocation and introspection share: read the body, bound the rate, authenticate the client, answer JSON that nobody caches.
// A refusal knows the app it concerns, so that its developer can be told why. Invariant: limits
// count before a store is asked for
// a token, and a stranger cannot use up the budget of an app that it cannot authenticate as, nor
// that of an address.
import Router from '@koa/router'
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import { type HttpCall, JSON_TYPE } from '../http/http-call.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { limitPages } from '../http/limit-pages.ts'
import { type Parameters, readParameters } from '../http/parameters.ts'
import type { FailedProofs } from '../http/failed-proofs.ts'
import { type BatchedLimit, rateLimitHeaders } from '../http/rate-limit.ts'
import type { LimitOutcome } from '../http/limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { AppError } from '../shared/errors.ts'
import {
  checkClient,
  type ClientDirectory,
  type PresentedClient,
  presentedClient,
} from './client-authentication.ts'
import { allowOrigin, answerPreflight, letEveryPageRead } from './cross-origin.ts'

/** A limit on a hot path: counts at once, without waiting. */
export type HotLimit = BatchedLimit

/** An authenticated back-channel request. */
export interface BackChannelRequest {
  app: App
  parameters: Parameters
  /** Absent where the server asks itself. */
  address?: string
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
function assertWithin(limit: HotLimit, key: string, call: HttpCall): void {
  const outcome = limit.hit(key)
  if (outcome.allowed) return
  const { 'Retry-After': _set, ...headers } = rateLimitHeaders([{ size: limit.size, outcome }])
  for (const [name, value] of Object.entries(headers)) call.set(name, value)
  // Retry-After comes with the error itself.
  throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}

/** What taking a request in needs. */
export interface IntakeDeps {
  clients: ClientDirectory
  perAddress: HotLimit
  perClient: HotLimit
  failedProofs: FailedProofs
}

/**
 * Takes a back-channel request in: parameters, client, limits.
 *
 * The client comes before the limits, because a secret is compared in microseconds and without I/O:
 * so a wrong one is counted by itself,
 * and draws nothing from what the honest apps at its address may ask.
 *
 * @param inspectParameters runs before the client is looked up, for what is wrong whoever asks
 */
export async function takeIn(
  call: HttpCall,
  deps: IntakeDeps,
  inspectParameters?: (parameters: Parameters) => void,
): Promise<BackChannelRequest> {
  const { address } = requestFacts(call)
  let parameters: Parameters
  try {
    parameters = await readParameters(call.req)
    inspectParameters?.(parameters)
  } catch (error) {
    letEveryPageRead(call)
    assertWithin(deps.perAddress, address, call)
    throw error
  }
  const app = await authenticate(call, deps, parameters)
  // A public app proves nothing, so what it may ask is counted for each address apart.
  const key = isConfidential(app) ? app.id : `${app.id} ${address}`
  try {
    assertWithin(deps.perAddress, address, call)
    assertWithin(deps.perClient, key, call)
  } catch (error) {
    throw error instanceof AppError ? refuse(error, app) : error
  }
  return { app, parameters, address }
}

async function authenticate(
  call: HttpCall,
  { clients, failedProofs }: IntakeDeps,
  parameters: Parameters,
): Promise<App> {
  const { authorization } = call.req.headers
  const { address } = requestFacts(call)
  let presented: PresentedClient | undefined
  try {
    presented = presentedClient(authorization, parameters)
    if (!clients.isAtHand(presented.clientId)) assertAllowed(failedProofs.countLookUp(address))
    const check = await checkClient(clients, presented)
    if (check.app !== undefined) allowOrigin(call, check.app)
    if (check.kind === 'authenticated') return check.app
    throw refuse(check.error, check.app)
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error
    const app = appOfRefusal(error)
    // Where it is not known whose page this is, and nothing in the answer is about anybody, each
    // may read it.
    if (app === undefined) letEveryPageRead(call)
    if (error.code === 'rate_limited') throw error
    try {
      // By the id of a client that there is: others are invented, and each would have a budget of
      // its own.
      assertAllowed(failedProofs.count(address, app?.id))
    } catch (limited) {
      throw limited instanceof AppError ? refuse(limited, app) : limited
    }
    // RFC 6749 §5.2: a client that used the Authorization header is answered with the matching scheme.
    if (authorization !== undefined && error.status === 401)
      call.set('WWW-Authenticate', 'Basic realm="otesse"')
    throw error
  }
}

/** @throws {AppError} `rate_limited` with the seconds to wait */
function assertAllowed(outcome: LimitOutcome): void {
  if (outcome.allowed) return
  throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}

/** Answers JSON that no cache may keep (RFC 6749 §5.1). */
export function answer(call: HttpCall, body: object): void {
  call.status = 200
  call.set('Cache-Control', 'no-store')
  call.set('Pragma', 'no-cache')
  call.set('Content-Type', JSON_TYPE)
  call.body = JSON.stringify(body)
}

/** Mounts an endpoint for whoever writes its address in another than the plain form, and its preflight where web pages may call it. */
export function backChannelRouter(
  path: string,
  endpoint: Endpoint,
  options: { preflight: boolean; preflightsPerAddress: HotLimit },
): Router {
  const router = new Router({ strict: true, sensitive: true })
  if (options.preflight)
    router.options(path, limitPages(options.preflightsPerAddress), (ctx) => answerPreflight(ctx))
  router.post(path, endpoint)
  return router
}
