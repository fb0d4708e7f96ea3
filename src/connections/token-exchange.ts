// Token exchange (RFC 8693) for connections: an app hands in its access token of ours and gets the
// token of a connection, by the same rules as at /connect/v1.
import type { App } from '../model/app.ts'
import type { InspectToken } from '../model/token-status.ts'
import { AppError } from '../shared/errors.ts'
import { type Clock, SECOND } from '../shared/clock.ts'
import { type ConnectCaller, isForConnect, ownerOfCaller, refusalToUse } from './caller.ts'
import type { ConnectionStore, UsableConnection } from './connection.store.ts'
import { type HandedOut, handOut, type HandOutDeps } from './handed-out.ts'
import type { IntegrationStore } from './integration.store.ts'

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** What the exchange works with. */
export interface TokenExchangeDeps extends HandOutDeps {
  inspect: InspectToken
  connections: Pick<ConnectionStore, 'findUsable' | 'listOf'>
  integrations: Pick<IntegrationStore, 'findByHandle'>
  isAccountActive: (accountId: string) => Promise<boolean>
  clock: Clock
}

/** Exchanges a token for that of a connection. @returns the members of the answer */
type Exchange = (
  app: App,
  parameters: ReadonlyMap<string, string>,
  context: { requestId?: string; address?: string },
) => Promise<object>

/** Creates the exchange. */
export const createTokenExchange =
  (deps: TokenExchangeDeps): Exchange =>
  async (app, parameters, context) => {
    // RFC 8693 §2.1: subject_token_type is REQUIRED.
    assertType(parameters, 'subject_token_type', needed(parameters, 'subject_token_type'))
    assertType(parameters, 'requested_token_type', ACCESS_TOKEN_TYPE)
    if (parameters.has('actor_token'))
      throw new AppError('parameter_invalid', { about: 'actor_token' })
    const caller = await callerOf(deps, app, needed(parameters, 'subject_token'))
    const found = await findConnection(deps, caller, parameters)
    const refusal = await refusalToUse(caller, found, deps.isAccountActive)
    if (refusal !== undefined) throw refusal
    return answerOf(await handOut(deps, caller, found, {}, context), deps.clock())
  }

/** @throws {AppError} `parameter_missing` */
function needed(parameters: ReadonlyMap<string, string>, name: string): string {
  const value = parameters.get(name) ?? ''
  if (value === '') throw new AppError('parameter_missing', { about: name })
  return value
}

function assertType(
  parameters: ReadonlyMap<string, string>,
  name: string,
  otherwise: string,
): void {
  if ((parameters.get(name) ?? otherwise) !== ACCESS_TOKEN_TYPE)
    throw new AppError('parameter_invalid', { about: name })
}

/** @throws {AppError} `subject_token_invalid` */
async function callerOf(
  { inspect, issuer }: TokenExchangeDeps,
  app: App,
  token: string,
): Promise<ConnectCaller> {
  const status = await inspect(token)
  // Another app's token is not this app's to exchange.
  if (!status.active || !isForConnect(status, issuer) || status.app.id !== app.id)
    throw new AppError('subject_token_invalid')
  return { app, accountId: status.accountId, scopes: status.scopes }
}

/**
 * @throws {AppError} `target_unknown`, `connection_unknown`, `parameter_missing` where there are
 * several
 */
async function findConnection(
  { connections, integrations, issuer }: TokenExchangeDeps,
  caller: ConnectCaller,
  parameters: ReadonlyMap<string, string>,
): Promise<UsableConnection> {
  const integration = await integrations.findByHandle(needed(parameters, 'audience'))
  if (integration === undefined) throw new AppError('target_unknown')
  const named = parameters.get('connection')
  const owned =
    named === undefined ? await connections.listOf(ownerOfCaller(caller), integration.id) : []
  if (owned.length > 1) throw new AppError('parameter_missing', { about: 'connection' })
  const found = await connections.findUsable(named ?? owned[0]?.id ?? '')
  if (found?.integration.id !== integration.id)
    throw new AppError('connection_unknown', { members: { connect_url: `${issuer}/connections` } })
  return found
}

/** Writes the answer (RFC 8693 §2.2.1). */
function answerOf({ token, tokenType, expiresAt, scopes }: HandedOut, now: number): object {
  const seconds = expiresAt && Math.max(0, Math.floor((expiresAt.getTime() - now) / SECOND))
  return {
    access_token: token,
    issued_token_type: ACCESS_TOKEN_TYPE,
    token_type: tokenType,
    ...(seconds !== undefined && { expires_in: seconds }),
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  }
}
