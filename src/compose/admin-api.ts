// The admin API plugged into what the server knows: the acts for changes, the domain for reads, the token inspector for who calls.
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
import { createKeptAnswerStore } from '../admin/api/kept-answer.store.ts'
import { keyOperations } from '../admin/api/keys.operations.ts'
import type { Noun } from '../admin/api/operation.ts'
import { ruleOperations } from '../admin/api/rules.operations.ts'
import { scopeOperations } from '../admin/api/scopes.operations.ts'
import { secretOperations } from '../admin/api/secrets.operations.ts'
import { tokenOperations } from '../admin/api/tokens.operations.ts'
import { BUILT_IN_SCOPES, isAdminScope } from '../apps/scope.ts'
import { createUsageStore } from '../audit/usage.store.ts'
import type { Foundation } from '../foundation.ts'
import { requestFacts } from '../http/request-context.ts'
import { PATHS } from '../oauth/provider.ts'
import type { InspectToken } from '../model/token-status.ts'
import { createActs } from './acts.ts'
import type { Limits } from './limits.ts'

/** Creates the middleware. */
export function createAdminApiMiddleware(
  foundation: Foundation,
  inspect: InspectToken,
  limits: Limits,
): Middleware {
  const { config, apps, accounts, scopes, keyRing, audit, eventStore, db, clock, logger } =
    foundation
  const acts = createActs(foundation)
  const { issuer } = config.server
  const nouns: Noun[] = [
    appOperations({ apps, acts: acts.apps }),
    secretOperations({ acts: acts.apps }),
    scopeOperations({ scopes, apps, acts: acts.scopes }),
    accountOperations({ accounts, acts: acts.accounts }),
    tokenOperations({ acts: acts.tokens }),
    keyOperations({ keyRing, acts: acts.keys }),
    auditOperations({ events: eventStore, usage: createUsageStore(db) }),
    ruleOperations(),
  ]
  const documented = documentOperations(nouns, {
    path: ADMIN_DOCUMENT_PATH.slice(ADMIN_API_PATH.length),
    baseUrl: issuer + ADMIN_API_PATH,
    tokenUrl: issuer + PATHS.token,
    powers: Object.fromEntries(
      BUILT_IN_SCOPES.filter(({ name }) => isAdminScope(name)).map(({ name, sentence }) => [
        name,
        sentence,
      ]),
    ),
  })
  return createAdminApi({
    issuer,
    operations: [...nouns, documented].flatMap(({ operations }) => operations),
    inspect,
    idempotency: createIdempotency({
      store: createKeptAnswerStore(db),
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
