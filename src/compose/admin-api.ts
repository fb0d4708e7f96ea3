// The admin API: the admin services for changes, the domain for reads, the token inspector for the
// caller.
import type { Middleware } from 'koa'
import { createAdminApi } from '../admin/api/admin-api.routes.ts'
import { createIdempotency } from '../admin/api/idempotency.ts'
import { createIdempotencyRecordStore } from '../admin/api/idempotency-record.store.ts'
import { listOperations } from '../admin/api/resources.ts'
import type { Limits } from '../http/limits.ts'
import { requestFacts } from '../http/request-context.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import { PATHS } from '../oauth/paths.ts'
import type { Services } from '../services.ts'
import type { AdminServices } from './admin-services.ts'

/** Creates the middleware. */
export function createAdminApiMiddleware(
  { config, db, clock, logger, sealedBox, serverKeys }: Infrastructure,
  services: Services,
  admin: AdminServices,
  limits: Limits,
  inspect: InspectToken,
): Middleware {
  const { issuer } = config.server
  const { events } = services.audit
  return createAdminApi({
    issuer,
    operations: listOperations({
      ...services,
      services: admin,
      issuer,
      tokenPath: PATHS.token,
      hasConnections: config.connections.enabled,
    }),
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
      events.requestRefused({ appId: app?.id, reason, endpoint: 'admin' }, requestFacts(ctx)),
  })
}
