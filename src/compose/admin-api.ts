// The admin API: the admin services for changes, the domain for reads, the token inspector for who
// calls.
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
import { requestFacts } from '../http/request-context.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import { PATHS } from '../oauth/paths.ts'
import type { Services } from '../services.ts'
import type { AdminServices } from './admin-services.ts'
import type { Limits } from './limits.ts'

/** Creates the middleware. */
export function createAdminApiMiddleware(
  { config, db, clock, logger, sealedBox, serverKeys }: Infrastructure,
  { apps, accounts, scopes, keyRing, audit, stores }: Services,
  admin: AdminServices,
  limits: Limits,
  inspect: InspectToken,
): Middleware {
  const { issuer } = config.server
  const resources: ApiResource[] = [
    appOperations({ apps, service: admin.apps }),
    secretOperations({ service: admin.apps }),
    scopeOperations({ scopes, apps, service: admin.scopes }),
    accountOperations({ accounts, service: admin.accounts }),
    tokenOperations({ service: admin.tokens }),
    keyOperations({ keyRing, service: admin.keys }),
    auditOperations(stores),
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
      box: sealedBox,
      mac: serverKeys.current('idempotency'),
      clock,
      logger,
    }),
    limits: {
      perClient: limits.adminPerClient,
      perStranger: limits.adminPerStranger,
      failedProofs: limits.failedProofs,
    },
    logger,
    onRefused: (ctx, reason, app) =>
      audit.events.requestRefused({ appId: app?.id, reason, endpoint: 'admin' }, requestFacts(ctx)),
  })
}
