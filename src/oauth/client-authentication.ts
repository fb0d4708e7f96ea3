// Who calls the back channel: client_id and client_secret in the body or by HTTP Basic (RFC 6749 §2.3.1), client_id alone for public apps.
// Invariant: every refusal looks alike from outside (`invalid_client`); the reason is in the code that the event log keeps.
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { Parameters } from '../http/parameters.ts'
import { AppError } from '../shared/errors.ts'

/** What client authentication needs of the app registry. */
export interface ClientDirectory {
  find(clientId: string): Promise<App | undefined>
  /** Says whether `find` costs no query. */
  isAtHand(clientId: string): boolean
  checkSecret(app: App, presented: string): 'valid' | 'wrong' | 'expired'
}

/** What a request says about its sender, before any of it is believed. */
export interface PresentedClient {
  clientId: string
  secret: string | undefined
  by: 'basic' | 'body'
}

/**
 * Reads the client's credentials from the header or the body.
 *
 * @throws {AppError} `client_authentication_…`, `parameter_invalid`
 */
export function presentedClient(
  authorization: string | undefined,
  parameters: Parameters,
): PresentedClient {
  const bodyId = parameters.get('client_id')
  const bodySecret = parameters.get('client_secret')
  if (authorization === undefined) {
    if (bodyId === undefined) throw new AppError('client_authentication_missing')
    return { clientId: bodyId, secret: bodySecret, by: 'body' }
  }
  const basic = parseBasic(authorization)
  // RFC 6749 §2.3: the client MUST NOT use more than one authentication method in each request.
  if (bodySecret !== undefined) throw new AppError('client_authentication_twice')
  if (bodyId !== undefined && bodyId !== basic.clientId)
    throw new AppError('parameter_invalid', { about: 'client_id' })
  return { ...basic, by: 'basic' }
}

function parseBasic(header: string): { clientId: string; secret: string | undefined } {
  const malformed = (): AppError => new AppError('client_authentication_malformed')
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

/** RFC 6749 §2.3.1: both are encoded by the form algorithm before they go into the header. What we hand out is the same encoded. */
const decoded = (part: string): string =>
  part.includes('%') || part.includes('+') ? decodeURIComponent(part.replaceAll('+', ' ')) : part

/** How a check of a presented client ended; `app` is set as soon as the client id names one. */
export type ClientCheck =
  { kind: 'authenticated'; app: App } | { kind: 'refused'; app: App | undefined; error: AppError }

/** Checks presented credentials. Costs no database query for a known app, and at most a keyed hash. */
export async function checkClient(
  directory: ClientDirectory,
  presented: PresentedClient,
): Promise<ClientCheck> {
  const app = await directory.find(presented.clientId)
  if (app === undefined || app.status === 'deleted')
    return { kind: 'refused', app: undefined, error: new AppError('client_unknown') }
  const code = refusal(directory, app, presented.secret)
  return code === undefined
    ? { kind: 'authenticated', app }
    : { kind: 'refused', app, error: new AppError(code) }
}

function refusal(
  directory: ClientDirectory,
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
    const verdict = directory.checkSecret(app, secret)
    if (verdict !== 'valid')
      return verdict === 'wrong' ? 'client_secret_wrong' : 'client_secret_expired'
  } else if (secret !== undefined) {
    return 'client_secret_unexpected'
  }
  return app.status === 'suspended' ? 'client_suspended' : undefined
}
