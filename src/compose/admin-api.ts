// The admin API plugged into what the server knows: the services for changes, the domain for reads, the token inspector for who calls.
import type { Middleware } from 'koa'
import { accountOperations } from '../admin/api/accounts.operations.ts'
import {
  ADMIN_API_PATH,
  ADMIN_DOCUMENT_PATH,
  createAdminApi,
} from '../admin/api/admin-api.routes.ts'
import { appOperations } from '../admin/api/apps.operations.ts'
import { auditOperations } from '../admin/api/audit.operations.ts'
import { documentOperations } from '../admin/api/document.operations.ts'
import { createIdempotency } from '../admin/api/idempotency.ts'
import { createIdempotencyRecordStore } from '../admin/api/idempotency-record.store.ts'
import { keyOperations } from '../admin/api/keys.operations.ts'
import type { ApiResource } from '../admin/api/operation.ts'
import { ruleOperations } from '../admin/api/rules.operations.ts'
import { scopeOperations } from '../admin/api/scopes.operations.ts'
import { secretOperations } from '../admin/api/secrets.operations.ts'
import { tokenOperations } from '../admin/api/tokens.operations.ts'
import { BUILT_IN_SCOPES, isAdminScope } from '../apps/scope.ts'
import { createUsageStore } from '../audit/usage.store.ts'
import type { Foundation } from '../foundation.ts'
import { requestFacts } from '../http/request-context.ts'
import { PATHS } from '../oauth/paths.ts'
import type { InspectToken } from '../model/token-status.ts'
import { createAdminServices } from './admin-services.ts'
import type { Limits } from './limits.ts'

/** Creates the middleware. */
export function createAdminApiMiddleware(
  foundation: Foundation,
  inspect: InspectToken,
  limits: Limits,
): Middleware {
  const { config, apps, accounts, scopes, keyRing, audit, eventStore, db, clock, logger } =
    foundation
  const services = createAdminServices(foundation)
  const { issuer } = config.server
  const resources: ApiResource[] = [
    appOperations({ apps, service: services.apps }),
    secretOperations({ service: services.apps }),
    scopeOperations({ scopes, apps, service: services.scopes }),
    accountOperations({ accounts, service: services.accounts }),
    tokenOperations({ service: services.tokens }),
    keyOperations({ keyRing, service: services.keys }),
    auditOperations({ events: eventStore, usage: createUsageStore(db) }),
    ruleOperations(),
  ]
  const documented = documentOperations(resources, {
    path: ADMIN_DOCUMENT_PATH.slice(ADMIN_API_PATH.length),
    baseUrl: issuer + ADMIN_API_PATH,
    tokenUrl: issuer + PATHS.token,
    adminScopes: Object.fromEntries(
      BUILT_IN_SCOPES.filter(({ name }) => isAdminScope(name)).map(({ name, sentence }) => [
        name,
        sentence,
      ]),
    ),
  })
  return createAdminApi({
    issuer,
    operations: [...resources, documented].flatMap(({ operations }) => operations),
    inspect,
    idempotency: createIdempotency({
      store: createIdempotencyRecordStore(db),
      box: foundation.sealedBox,
      mac: foundation.serverKeys.current('idempotency'),
      clock,
      logger,
    }),
    limits: {
      perClient: limits.adminPerClient,
      perStranger: limits.adminPerStranger,
      failedProofs: limits.failedProofs,
    },
    logger,
    onRefused: (ctx, reason, app) => {
      // A path that nobody serves is not an event.
      if (reason !== 'not_found')
        audit.events.requestRefused(
          { appId: app?.id, reason, endpoint: 'admin' },
          requestFacts(ctx),
        )
    },
  })
}
