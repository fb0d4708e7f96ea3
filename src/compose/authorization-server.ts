// The authorization server over what the server knows.
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import { createFindStanding } from '../grants/standing.store.ts'
import type { Limits } from '../http/limits.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import {
  type AuthorizationServer,
  type AuthorizationServerDeps,
  createAuthorizationServer,
} from '../oauth/authorization-server.ts'
import type { Services } from '../services.ts'

/** Creates it. @param inspect may answer from memory */
export function openAuthorizationServer(
  infrastructure: Infrastructure,
  services: Services,
  limits: Limits,
  inspect: InspectToken,
  { views, exchange }: Pick<AuthorizationServerDeps, 'views' | 'exchange'>,
): AuthorizationServer {
  const { config, serverKeys, db } = infrastructure
  const { issuer } = config.server
  return createAuthorizationServer({
    ...infrastructure,
    ...services,
    issuer,
    settings: config.tokens,
    session: {
      ttlSeconds: config.signIn.sessionTtlSeconds,
      maxSeconds: config.signIn.sessionMaxSeconds,
      cookieKeys: serverKeys.texts('cookie'),
    },
    adminAudience: issuer + ADMIN_API_PATH,
    findStanding: createFindStanding(db),
    inspect,
    exchange,
    limits,
    views,
  })
}
