// What apps call: a live token of a connection, and the list of connections. Invariants: no answer
// has a refresh token or a client secret in it, and none may be kept by a cache; each token that is
// handed out is an event.
import Router from '@koa/router'
import type { Context, Next } from 'koa'
import { readParameters } from '../http/parameters.ts'
import { hasBody } from '../http/body.ts'
import { requestFacts } from '../http/request-context.ts'
import { fillAddress } from '../providers/address-template.ts'
import type { Provider } from '../providers/provider.ts'
import { AppError } from '../shared/errors.ts'
import {
  type AdmissionDeps,
  admitCaller,
  assertMayUseConnection,
  CONNECT_PATH,
  ownerOfCaller,
} from './caller.ts'
import type { ConnectionStore, UsableConnection } from './connection.store.ts'
import type { Connection } from './connection.ts'
import { type Integration, scopeOfIntegration } from './integration.ts'
import type { IntegrationStore } from './integration.store.ts'
import { handOut, type HandOutDeps } from './handed-out.ts'
import type { Wanted } from './refresh.ts'

/** What the interface for apps works with. */
export interface ConnectApiDeps extends AdmissionDeps, HandOutDeps {
  issuer: string
  connections: Pick<ConnectionStore, 'findUsable' | 'listOf'>
  integrations: Pick<IntegrationStore, 'list'>
  isAccountActive: (accountId: string) => Promise<boolean>
}

/** Creates the routes. */
export function createConnectApiRouter(deps: ConnectApiDeps): Router {
  const router = new Router({ strict: true, sensitive: true, prefix: CONNECT_PATH })
  router.get('/connections', noStore, (ctx) => answerList(deps, ctx))
  router.post('/connections/:id/token', noStore, (ctx) =>
    answerToken(deps, ctx, ctx.params['id'] ?? ''),
  )
  return router
}

async function noStore(ctx: Context, next: Next): Promise<void> {
  ctx.set('Cache-Control', 'no-store')
  await next()
}

async function answerToken(deps: ConnectApiDeps, ctx: Context, id: string): Promise<void> {
  const caller = await admitCaller(deps, ctx)
  const wanted = await readWanted(ctx)
  const found = await deps.connections.findUsable(id)
  if (found === undefined) throw notConnected(deps)
  await assertMayUseConnection(ctx, caller, found, deps.isAccountActive)
  const given = await handOut(deps, caller, found, wanted, requestFacts(ctx))
  ctx.body = {
    access_token: given.token,
    token_type: given.tokenType,
    expires_at: given.expiresAt?.toISOString() ?? null,
    ...(given.fields && { fields: given.fields }),
    ...factsOf(given.usable, given.provider),
  }
}

const MOST_SECONDS = 86_400

/** @throws {AppError} `parameter_invalid` */
async function readWanted(ctx: Context): Promise<Wanted> {
  if (!hasBody(ctx.req)) return {}
  const parameters = await readParameters(ctx.req, { numbers: true })
  const seconds = parameters.get('min_validity')
  const rejected = parameters.get('reject')
  if (seconds !== undefined && !(/^\d{1,5}$/.test(seconds) && Number(seconds) <= MOST_SECONDS))
    throw new AppError('parameter_invalid', { about: 'min_validity' })
  if (rejected !== undefined && !/^[\w-]{43}$/.test(rejected))
    throw new AppError('parameter_invalid', { about: 'reject' })
  return { minValiditySeconds: seconds === undefined ? undefined : Number(seconds), rejected }
}

const notConnected = ({ issuer }: ConnectApiDeps): AppError =>
  new AppError('connection_unknown', { members: { connect_url: `${issuer}/connections` } })

function factsOf({ connection, integration }: UsableConnection, provider: Provider): object {
  const { api = {}, config: described = [] } = provider
  const config = { ...integration.config, ...connection.config }
  return {
    scopes: connection.grantedScopes,
    missing_scopes: connection.missingScopes,
    header: { name: api.header ?? 'Authorization', prefix: api.prefix ?? 'Bearer' },
    base_url: api.base_url === undefined ? null : fillAddress(api.base_url, described, config),
    external: { id: connection.externalId ?? null, label: connection.externalLabel ?? null },
    connection: { id: connection.id, integration: integration.handle, status: connection.status },
  }
}

async function answerList(deps: ConnectApiDeps, ctx: Context): Promise<void> {
  const caller = await admitCaller(deps, ctx)
  const asked = new URLSearchParams(ctx.querystring).get('integration')
  const integrations = await deps.integrations.list()
  const open = new Map(
    integrations
      .filter(({ handle }) => asked === null || handle === asked)
      .filter((one) => caller.scopes.includes(scopeOfIntegration(one)))
      .map((one) => [one.id, one]),
  )
  const connections = await deps.connections.listOf(ownerOfCaller(caller))
  ctx.body = {
    connections: connections.flatMap((connection) => {
      const integration = open.get(connection.integrationId)
      return integration === undefined ? [] : [shown(connection, integration)]
    }),
  }
}

const shown = (connection: Connection, integration: Integration): object => ({
  id: connection.id,
  integration: integration.handle,
  name: integration.name,
  owner: connection.owner.kind,
  status: connection.status,
  reason: connection.statusReason ?? null,
  since: connection.statusSince,
  external: { id: connection.externalId ?? null, label: connection.externalLabel ?? null },
  scopes: connection.grantedScopes,
  missing_scopes: connection.missingScopes,
  expires_at: connection.accessExpiresAt ?? null,
  created_at: connection.createdAt,
})
