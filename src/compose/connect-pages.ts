// The pages of connections to other systems, where they are switched on.
import type Router from '@koa/router'
import type { Context } from 'koa'
import { hasPermission, ROLE_PERMISSIONS } from '../admin/roles.ts'
import type { EventContext } from '../audit/events.ts'
import {
  checkDeps,
  createConnectionRefresher,
  createSessions,
  withdrawalDeps,
} from './connections.ts'
import { checkConnection } from '../connections/check.ts'
import { createKeeper } from '../connections/connect/keeper.ts'
import { createConnectRouter } from '../connections/connect/connect.routes.ts'
import { createEndingStore } from '../connections/ending.store.ts'
import { withdrawNow } from '../connections/withdrawals.ts'
import { createProviderCalls } from '../connections/provider-calls.ts'
import { createFindAnyApp } from '../connected-apps/connections.ts'
import { requestFacts } from '../http/request-context.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import type { Services } from '../services.ts'
import { signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import type { PageParts } from './pages.ts'

/** Creates the routers; none where connections are switched off. */
export function createConnectionRouters(
  infrastructure: Infrastructure,
  services: Services,
  interactions: Pick<EngineInteractions, 'loginSession'>,
  { views, csrf, perAddress }: PageParts,
): Router[] {
  const { config, clock, store, sealedBox: box, outgoing, logger } = infrastructure
  if (!config.connections.enabled) return []
  const { accounts, apps, audit, providers, stores } = services
  const { events } = audit
  const findApp = createFindAnyApp(apps)
  const withdrawal = withdrawalDeps(infrastructure, services)
  const refresher = createConnectionRefresher(infrastructure, services)
  const checking = checkDeps(infrastructure, services, refresher)
  const keeperDeps = { store, box, clock }
  return [
    createConnectRouter({
      issuer: config.server.issuer,
      clock,
      csrf,
      views,
      perAddress,
      providers,
      integrations: stores.integrations,
      connections: stores.connections,
      endings: createEndingStore(infrastructure.db),
      withdraw: (connectionId) => withdrawNow(withdrawal, connectionId),
      check: (usable) => checkConnection(checking, usable),
      calls: createProviderCalls({ send: (lane, request) => outgoing.send(lane, request), clock }),
      flows: createKeeper(keeperDeps, 'connect'),
      choices: createKeeper(keeperDeps, 'connect-choice'),
      sessions: createSessions(infrastructure),
      mayActForCompany: ({ role }) =>
        hasPermission(ROLE_PERMISSIONS[role], 'admin:connections:write'),
      signInUrl: signInAddress,
      isAppActive: async (appId) => (await apps.find(appId))?.status === 'active',
      findAppName: async (appId) => (await findApp(appId))?.name ?? appId,
      async findVisit(ctx) {
        const session = await interactions.loginSession(ctx)
        const account = session && (await accounts.find(session.accountId))
        if (session === undefined || account?.status !== 'active') return undefined
        return { account, sessionId: session.sessionId }
      },
      eventsOf(ctx, accountId) {
        const context = contextOf(ctx, accountId)
        return {
          connectionCreated: (facts) => events.connectionCreated(facts, context),
          connectionRenewed: (facts) => events.connectionRenewed(facts, context),
          connectionDisconnected: (facts) => events.connectionDisconnected(facts, context),
        }
      },
      onNotSaved: (ctx, error) =>
        logger.error(
          { err: error, requestId: requestFacts(ctx).requestId },
          'a connection could not be saved',
        ),
    }),
  ]
}

const contextOf = (ctx: Context, actor: string): EventContext => ({ ...requestFacts(ctx), actor })
