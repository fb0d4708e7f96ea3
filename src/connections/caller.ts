// Who calls /connect/v1, and which connections they may use. Invariants: a person's token opens
// that person's connections, an app's own token those of the company, or of everybody where the
// integration trusts the app; always with the scope of the integration, which the person or an
// admin gave. Whose connection it is not learns nothing of it.

import { readBearer } from '../http/bearer.ts'
import type { HttpCall } from '../http/http-call.ts'
import type { FailedProofs } from '../http/failed-proofs.ts'
import { type BatchedLimit, rateLimitHeaders } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import type { App } from '../model/app.ts'
import type { ActiveToken, InspectToken } from '../model/token-status.ts'
import { AppError } from '../shared/errors.ts'
import type { UsableConnection } from './connection.store.ts'
import type { Connection, Owner } from './connection.ts'
import { COMPANY } from './connection.ts'
import { type Integration, scopeOfIntegration } from './integration.ts'

/** Where the interface for apps is; also the audience of tokens for it. */
export const CONNECT_PATH = '/connect/v1'

/** An app with a live token. */
export interface ConnectCaller {
  readonly app: App
  /** Whom the token speaks for; absent where the app acts for itself. */
  readonly accountId: string | undefined
  readonly scopes: readonly string[]
}

/** What letting callers in works with. */
export interface AdmissionDeps {
  issuer: string
  inspect: InspectToken
  perClient: BatchedLimit
  failedProofs: Pick<FailedProofs, 'count'>
}

const SCHEME = 'Bearer realm="otesse"'

/**
 * Lets a caller in.
 *
 * @throws {AppError} `token_missing`, `token_malformed`, `token_sent_twice`, `token_invalid`,
 * `rate_limited`
 */
export async function admitCaller(
  { issuer, inspect, perClient, failedProofs }: AdmissionDeps,
  call: HttpCall,
): Promise<ConnectCaller> {
  const { headers, rawHeaders, url } = call.req
  const presented = readBearer(headers.authorization, rawHeaders, url)
  const status = presented.kind === 'token' ? await inspect(presented.token) : undefined
  if (status?.active !== true || !isForConnect(status, issuer)) {
    const outcome = failedProofs.count(requestFacts(call).address)
    if (!outcome.allowed)
      throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
    throw refusalOf(call, presented.kind)
  }
  const { app, accountId, scopes } = status
  const outcome = perClient.hit(app.id)
  for (const [name, value] of Object.entries(rateLimitHeaders([{ size: perClient.size, outcome }])))
    call.set(name, value)
  if (!outcome.allowed)
    throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
  return { app, accountId, scopes }
}

/** Returns whether a token is an access token that is good for this interface. */
export const isForConnect = ({ kind, audience }: ActiveToken, issuer: string): boolean =>
  kind === 'access' && (audience === undefined || audience.includes(issuer + CONNECT_PATH))

// RFC 6750 §3.1: a request without any authentication is told no error code.
function refusalOf(call: HttpCall, kind: ReturnType<typeof readBearer>['kind']): AppError {
  const codes = {
    missing: 'token_missing',
    malformed: 'token_malformed',
    twice: 'token_sent_twice',
    token: 'token_invalid',
  } as const
  const error = new AppError(codes[kind])
  const challenge = `${SCHEME}, error="${error.error}", error_description="${error.sentence}"`
  call.set('WWW-Authenticate', kind === 'missing' ? SCHEME : challenge)
  return error
}

/** Returns whose connections a caller sees. */
export const ownerOfCaller = ({ accountId }: ConnectCaller): Owner =>
  accountId === undefined ? COMPANY : { kind: 'account', id: accountId }

/**
 * Says why a caller may not use a connection.
 *
 * @param isAccountActive whether an account may still be acted for
 * @returns `connection_unknown`, also where it is somebody else's; `scope_insufficient`; or
 * `undefined`
 */
export async function refusalToUse(
  caller: ConnectCaller,
  { connection, integration }: Pick<UsableConnection, 'connection' | 'integration'>,
  isAccountActive: (accountId: string) => Promise<boolean>,
): Promise<AppError | undefined> {
  if (!reaches(caller, connection, integration)) return new AppError('connection_unknown')
  const { owner } = connection
  const isOther = owner.kind === 'account' && owner.id !== caller.accountId
  if (isOther && !(await isAccountActive(owner.id))) return new AppError('connection_unknown')
  const isAllowed = caller.scopes.includes(scopeOfIntegration(integration))
  return isAllowed ? undefined : new AppError('scope_insufficient')
}

/** The same over HTTP, with the challenge that RFC 6750 §3 wants. @throws {AppError} */
export async function assertMayUseConnection(
  call: HttpCall,
  caller: ConnectCaller,
  usable: Pick<UsableConnection, 'connection' | 'integration'>,
  isAccountActive: (accountId: string) => Promise<boolean>,
): Promise<void> {
  const error = await refusalToUse(caller, usable, isAccountActive)
  if (error === undefined) return
  if (error.code === 'scope_insufficient') setChallenge(call, error, usable.integration)
  throw error
}

/**
 * Asserts that a caller has the scope of an integration.
 *
 * @throws {AppError} `scope_insufficient`
 */
export function assertHasScope(
  call: HttpCall,
  { scopes }: ConnectCaller,
  integration: Pick<Integration, 'handle'>,
): void {
  if (scopes.includes(scopeOfIntegration(integration))) return
  const error = new AppError('scope_insufficient')
  setChallenge(call, error, integration)
  throw error
}

function setChallenge(
  call: HttpCall,
  { error, sentence }: AppError,
  integration: Pick<Integration, 'handle'>,
): void {
  const scope = scopeOfIntegration(integration)
  call.set(
    'WWW-Authenticate',
    `${SCHEME}, error="${error}", error_description="${sentence}", scope="${scope}"`,
  )
}

function reaches(
  { app, accountId }: ConnectCaller,
  { owner }: Connection,
  { trustedApps }: Integration,
) {
  if (accountId !== undefined) return owner.kind === 'account' && owner.id === accountId
  return owner.kind === 'company' || trustedApps.includes(app.id)
}
