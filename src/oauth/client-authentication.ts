// Who calls: client_id and client_secret in the body or by HTTP Basic (RFC 6749 §2.3.1), client_id
// alone for public apps. Invariants: every refusal looks alike from outside (`invalid_client`), and
// its reason is in the code that the event log keeps; a wrong secret costs its own budget and
// nobody else's.
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { FailedProofs } from '../http/failed-proofs.ts'
import type { LimitOutcome } from '../http/limit.ts'
import type { Parameters } from '../http/parameters.ts'
import { AppError } from '../shared/errors.ts'

/** What client authentication needs of the app registry. */
export interface ClientDirectory {
  /** The app, where it is in memory. */
  known(clientId: string): App | undefined
  find(clientId: string): Promise<App | undefined>
  /** Says whether `find` costs no query. */
  isAtHand(clientId: string): boolean
  checkSecret(app: App, presented: string): 'valid' | 'wrong' | 'expired'
}

/** What client authentication needs. */
export interface ClientAuthenticationDeps {
  clients: ClientDirectory
  failedProofs: FailedProofs
}

/** How a check of a client ended; `app` is set as soon as the client id names one. */
export type ClientCheck =
  { kind: 'authenticated'; app: App } | { kind: 'refused'; app: App | undefined; error: AppError }

/** What a request says about its sender, before any of it is checked. */
interface PresentedClient {
  clientId: string
  secret: string | undefined
}

/**
 * Checks the client that a request names. Costs no database query for a known app, and at most a
 * keyed hash. Failures are not counted, except look-ups of clients that are not in memory.
 *
 * @returns a refusal for whatever the client did wrong; a promise only where the client has to be
 * loaded, because a hot path must not pay for one
 * @throws {AppError} where the database is away
 */
export function checkClient(
  { clients, failedProofs }: ClientAuthenticationDeps,
  authorization: string | undefined,
  parameters: Parameters,
  address: string,
): ClientCheck | Promise<ClientCheck> {
  let presented: PresentedClient
  try {
    presented = presentedClient(authorization, parameters)
    const known = clients.known(presented.clientId)
    if (known !== undefined) return checkPresented(clients, known, presented.secret)
    if (!clients.isAtHand(presented.clientId)) assertAllowed(failedProofs.countLookUp(address))
  } catch (error) {
    return refused(error)
  }
  const { clientId, secret } = presented
  return clients.find(clientId).then((app) => checkPresented(clients, app, secret))
}

function checkPresented(
  clients: ClientDirectory,
  app: App | undefined,
  secret: string | undefined,
): ClientCheck {
  if (app === undefined || app.status === 'deleted') return refused(new AppError('client_unknown'))
  const code = problemOf(clients, app, secret)
  return code === undefined ? { kind: 'authenticated', app } : refused(new AppError(code), app)
}

/**
 * Counts a failed check against the address and the client that it named: by the id of a client
 * that there is, since others are invented and each would have a budget of its own.
 *
 * @returns the error to answer with: that of the check, or `rate_limited`
 */
export function countRefusal(
  { failedProofs }: ClientAuthenticationDeps,
  { app, error }: Extract<ClientCheck, { kind: 'refused' }>,
  address: string,
): AppError {
  error.appId = app?.id
  if (error.status >= 500 || error.code === 'rate_limited') return error
  const outcome = failedProofs.count(address, app?.id)
  if (outcome.allowed) return error
  const { retryAfterSeconds } = outcome
  return new AppError('rate_limited', { retryAfterSeconds, appId: app?.id })
}

/**
 * Authenticates a client by its Authorization header alone.
 *
 * @throws {AppError} why it is refused
 */
export async function authenticateByHeader(
  deps: ClientAuthenticationDeps,
  authorization: string | undefined,
  address: string,
): Promise<App> {
  const check = await checkClient(deps, authorization, NO_PARAMETERS, address)
  if (check.kind === 'authenticated') return check.app
  throw countRefusal(deps, check, address)
}

export const NO_PARAMETERS: Parameters = new Map()

/** Returns an error of the request as the value that a refusal is; others are thrown on. */
function refused(error: unknown, app?: App): ClientCheck {
  if (error instanceof AppError) return { kind: 'refused', app, error }
  throw error
}

/** @throws {AppError} `rate_limited` with the seconds to wait */
function assertAllowed(outcome: LimitOutcome): void {
  if (outcome.allowed) return
  throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}

/**
 * Reads the client's credentials from the header or the body.
 *
 * @throws {AppError} `client_authentication_…`, `parameter_invalid`
 */
function presentedClient(
  authorization: string | undefined,
  parameters: Parameters,
): PresentedClient {
  const bodyId = parameters.get('client_id')
  const bodySecret = parameters.get('client_secret')
  if (authorization === undefined) {
    if (bodyId === undefined) throw new AppError('client_authentication_missing')
    return { clientId: bodyId, secret: bodySecret }
  }
  const basic = parseBasic(authorization)
  // RFC 6749 §2.3: the client MUST NOT use more than one authentication method in each request.
  if (bodySecret !== undefined) throw new AppError('client_authentication_twice')
  if (bodyId !== undefined && bodyId !== basic.clientId)
    throw new AppError('parameter_invalid', { about: 'client_id' })
  return basic
}

// Named only where it is surely a scheme: a header may be a bare secret.
const OTHER_SCHEME = /^(?:bearer|dpop|digest|negotiate)(?= )/i

function parseBasic(header: string): PresentedClient {
  const malformed = (): AppError =>
    new AppError('client_authentication_malformed', { came: OTHER_SCHEME.exec(header)?.[0] })
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)
  if (match === null) throw malformed()
  const pair = Buffer.from(match[1] ?? '', 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon < 1) throw malformed()
  try {
    const clientId = decoded(pair.slice(0, colon))
    const secret = decoded(pair.slice(colon + 1))
    return { clientId, secret: secret === '' ? undefined : secret }
  } catch {
    throw malformed()
  }
}

/**
 * RFC 6749 §2.3.1: both are encoded by the form algorithm before they go into the header. What we
 * hand out is the same encoded.
 */
const decoded = (part: string): string =>
  part.includes('%') || part.includes('+') ? decodeURIComponent(part.replaceAll('+', ' ')) : part

function problemOf(
  clients: ClientDirectory,
  app: App,
  secret: string | undefined,
):
  | 'client_secret_missing'
  | 'client_secret_wrong'
  | 'client_secret_expired'
  | 'client_secret_unexpected'
  | 'client_suspended'
  | undefined {
  if (isConfidential(app)) {
    if (secret === undefined) return 'client_secret_missing'
    const result = clients.checkSecret(app, secret)
    if (result !== 'valid')
      return result === 'wrong' ? 'client_secret_wrong' : 'client_secret_expired'
  } else if (secret !== undefined) {
    return 'client_secret_unexpected'
  }
  return app.status === 'suspended' ? 'client_suspended' : undefined
}
