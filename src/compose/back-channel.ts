// The endpoints that clients call: token, revocation and introspection.
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import type { Foundation } from '../foundation.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { createIntrospectionEndpoint } from '../oauth/introspect/introspection-endpoint.ts'
import type { InspectToken } from '../model/token-status.ts'
import { PATHS } from '../oauth/paths.ts'
import { createRevocationEndpoint } from '../oauth/revoke/revocation-endpoint.ts'
import type { ScopeExists } from '../oauth/scope-list.ts'
import { createSigner } from '../oauth/signer.ts'
import { createIdTokenIssuer } from '../oauth/token/id-token.ts'
import { createTokenEndpoint } from '../oauth/token/token-endpoint.ts'
import type { Limits } from './limits.ts'

/** Creates the endpoints by their path. */
export function createBackChannel(
  foundation: Foundation,
  deps: {
    inspect: InspectToken
    admitsGrant: (accountId: string, generation: number) => Promise<boolean>
    scopeExists: ScopeExists
    limits: Limits
  },
): ReadonlyMap<string, Endpoint> {
  const { config, clock, audit, apps, grants, logger, keyRing } = foundation
  const { inspect, admitsGrant, scopeExists, limits } = deps
  const { issuer } = config.server
  const { events } = audit
  const clients = { clients: apps, failedProofs: limits.failedProofs }
  const phases = {
    ...clients,
    perAddress: limits.tokenPerAddress,
    perClient: limits.tokenPerClient,
  }
  const signer = createSigner(keyRing)
  return new Map([
    [
      PATHS.introspect,
      createIntrospectionEndpoint({
        phases: {
          ...clients,
          perAddress: limits.introspectPerAddress,
          perClient: limits.introspectPerClient,
        },
        inspect,
        issuer,
        sign: signer.sign,
        clock,
        onIntrospected: (appId, outcome) => audit.count('token.introspected', appId, outcome),
      }),
    ],
    [
      PATHS.token,
      createTokenEndpoint({
        phases,
        grants,
        events,
        logger,
        admitsGrant,
        scopeExists,
        issueIdToken: createIdTokenIssuer({ issuer, signer, clock }),
        settings: config.tokens,
        adminAudience: issuer + ADMIN_API_PATH,
      }),
    ],
    [PATHS.revoke, createRevocationEndpoint({ phases, grants, events })],
  ])
}
