// The admin console.
import type Router from '@koa/router'
import { createGetChangeable } from '../admin/console/app-reads.ts'
import { createConsoleRouter } from '../admin/console/console.routes.ts'
import { createUsedForms } from '../admin/console/used-forms.store.ts'
import { createAccountImports } from '../admin/account-imports.ts'
import { findAttention } from '../admin/attention.ts'
import { createAppPreviews } from '../admin/app-preview.ts'
import { createDeclarations } from '../admin/apply/declarations.ts'
import { createUploads } from '../admin/uploads.store.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { AuthorizationServer } from '../oauth/authorization-server.ts'
import { PATHS } from '../oauth/paths.ts'
import type { Services } from '../services.ts'
import { signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import type { AdminServices } from './admin-services.ts'
import type { Integration } from '../connections/integration.ts'
import { startConnectSession } from '../connections/connect/connect-session.ts'
import { createSessions } from './connections.ts'
import type { PageParts } from './pages.ts'

/** Creates the router of /admin. */
export function createConsole(
  infrastructure: Infrastructure,
  services: Services,
  admin: AdminServices,
  { interactions, tokensInProcess }: AuthorizationServer,
  { templates, csrf, perAddress }: PageParts,
): Router {
  const { config, clock, db, sealedBox, logger } = infrastructure
  const { accounts, apps, scopes, keyRing, grants, previews, audit, stores } = services
  const { accountConnections, usageReports } = services
  const { issuer } = config.server
  const uploads = createUploads({ db, encryption: sealedBox, clock })
  return createConsoleRouter({
    issuer,
    apps,
    getChangeable: createGetChangeable(apps),
    scopes,
    catalogue: () => scopes.current().scopes,
    accounts,
    keyRing,
    eventStore: stores.events,
    reports: usageReports,
    findAttention: () =>
      findAttention({
        usage: stores.usage,
        countLive: services.grantFigures.countLive,
        accessTtlSeconds: async (appId) =>
          (await apps.find(appId))?.accessTtlSeconds ?? config.tokens.accessTtlSeconds,
        clock,
      }),
    accountConnections,
    services: admin,
    connections: config.connections.enabled ? connectionParts(infrastructure, services) : undefined,
    previews: createAppPreviews({
      previews,
      apps,
      grants,
      tokens: tokensInProcess,
      authorizeUrl: issuer + PATHS.authorize,
      events: audit.events,
    }),
    imports: createAccountImports({ uploads, accounts: admin.accounts }),
    declarations: createDeclarations({ uploads, apps, scopes, services: admin, logger }),
    usedForms: createUsedForms(db, clock),
    lifetimes: config.tokens,
    clock,
    lastSignIn: interactions.lastSignIn,
    signInUrl: signInAddress,
    templates,
    csrf,
    events: audit.events,
    perAddress,
  })
}

function connectionParts(infrastructure: Infrastructure, { providers, stores }: Services) {
  const { issuer } = infrastructure.config.server
  const { clock } = infrastructure
  const sessions = createSessions(infrastructure)
  return {
    providers,
    find: (id: string) => stores.connections.find(id),
    async startTrial(integration: Integration, accountId: string, address: string) {
      const back = { appId: undefined, address, state: undefined }
      const session = { integrationId: integration.id, accountId, connectionId: undefined, back }
      return (await startConnectSession({ issuer, sessions, clock }, session)).url
    },
  }
}
