// POST /connect/v1/sessions: an app asks for a link by which a person connects a system and comes
// back. Invariants: the link is for the account that the token speaks for, or that a trusted app
// names; the way back is an address that was registered, character by character (RFC 9700 §4.11).
import Router from '@koa/router'
import type { Context } from 'koa'
import { type Parameters, readParameters } from '../../http/parameters.ts'
import type { App } from '../../model/app.ts'
import type { Clock } from '../../shared/clock.ts'
import { AppError } from '../../shared/errors.ts'
import {
  type AdmissionDeps,
  admitCaller,
  assertHasScope,
  CONNECT_PATH,
  type ConnectCaller,
} from '../caller.ts'
import type { ConnectionStore } from '../connection.store.ts'
import type { IntegrationStore } from '../integration.store.ts'
import type { Integration } from '../integration.ts'
import { type ConnectSession, startConnectSession } from './connect-session.ts'
import type { Keeper } from './keeper.ts'
import { isOpenFor } from './view-models.ts'

export interface SessionApiDeps extends AdmissionDeps {
  integrations: Pick<IntegrationStore, 'findByHandle'>
  connections: Pick<ConnectionStore, 'find'>
  sessions: Keeper<ConnectSession>
  isAccountActive: (accountId: string) => Promise<boolean>
  /** Returns whether an app has registered an address for people to come back to. */
  isRegistered: (app: App, address: string) => boolean
  clock: Clock
}

/** Creates the route. */
export function createSessionRouter(deps: SessionApiDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  router.post(`${CONNECT_PATH}/sessions`, (ctx) => answerSession(deps, ctx))
  return router
}

async function answerSession(deps: SessionApiDeps, ctx: Context): Promise<void> {
  const caller = await admitCaller(deps, ctx)
  const parameters = await readParameters(ctx.req)
  const handle = required(parameters, 'integration')
  // Before it is looked up: whoever may not use it does not learn that there is one.
  assertHasScope(ctx, caller, { handle })
  const integration = await deps.integrations.findByHandle(handle)
  if (integration === undefined || !isOpenFor(integration, { kind: 'account' }))
    throw new AppError('not_found', { detail: 'integration', appId: caller.app.id })
  const address = required(parameters, 'return_to')
  if (!isWayBack(deps, caller, integration, address)) throw new AppError('return_address_unknown')
  const state = parameters.get('state')
  if (state !== undefined && !STATE.test(state))
    throw new AppError('parameter_invalid', { about: 'state' })
  const accountId = await whoConnects(deps, caller, integration, parameters.get('account'))
  const connectionId = parameters.get('connection')
  if (connectionId !== undefined) {
    const found = await deps.connections.find(connectionId)
    const isTheirs = found?.owner.kind === 'account' && found.owner.id === accountId
    if (!isTheirs || found.integrationId !== integration.id)
      throw new AppError('connection_unknown')
  }
  const back = { appId: caller.app.id, address, state }
  const link = { integrationId: integration.id, accountId, connectionId, back }
  const { url, expiresAt } = await startConnectSession(deps, link)
  ctx.status = 201
  ctx.set('Cache-Control', 'no-store')
  ctx.body = { connect_url: url, expires_at: new Date(expiresAt).toISOString() }
}

const STATE = /^[\x20-\x7e]{1,500}$/

/** @throws {AppError} `parameter_missing` */
function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new AppError('parameter_missing', { about: name })
  return value
}

function isWayBack(
  { isRegistered }: SessionApiDeps,
  { app }: ConnectCaller,
  { returnAddresses }: Integration,
  address: string,
): boolean {
  // People come back by links of pages, which lead to the web alone.
  if (!/^https?:/.test(address)) return false
  return isRegistered(app, address) || returnAddresses.includes(address)
}

/**
 * Returns the account that the link is for.
 *
 * @throws {AppError} `parameter_invalid`, `parameter_missing`, `app_not_trusted`
 */
async function whoConnects(
  { isAccountActive }: SessionApiDeps,
  { app, accountId }: ConnectCaller,
  { trustedApps }: Integration,
  named: string | undefined,
): Promise<string> {
  if (accountId !== undefined) {
    if (named !== undefined && named !== accountId)
      throw new AppError('parameter_invalid', { about: 'account' })
    return accountId
  }
  if (!trustedApps.includes(app.id)) throw new AppError('app_not_trusted', { appId: app.id })
  if (named === undefined) throw new AppError('parameter_missing', { about: 'account' })
  if (!(await isAccountActive(named))) throw new AppError('parameter_invalid', { about: 'account' })
  return named
}
