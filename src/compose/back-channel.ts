// The back channel: token, revocation and introspection, plugged into stores, limits and the event log.
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import type { Foundation } from '../foundation.ts'
import type { HttpCall } from '../http/http-call.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { requestFacts } from '../http/request-context.ts'
import { appOfRefusal } from '../oauth/back-channel.ts'
import { createIdTokenIssuer } from '../oauth/id-token.ts'
import { createIntrospection } from '../oauth/introspect.routes.ts'
import { PATHS } from '../oauth/provider.ts'
import { createRevocation } from '../oauth/revoke.routes.ts'
import type { ScopeExists } from '../oauth/scope-list.ts'
import { createSigner } from '../oauth/signer.ts'
import type { InspectToken } from '../model/token-status.ts'
import { createTokenEndpoint } from '../oauth/token.routes.ts'
import type { AppError } from '../shared/errors.ts'
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
  const { config, clock, audit, apps, grants } = foundation
  const { inspect, admitsGrant, scopeExists, limits } = deps
  const { issuer } = config.server
  const { failedProofs } = limits
  const shared = {
    grants,
    clients: apps,
    events: backChannelEvents(foundation),
    limits: { perAddress: limits.tokenPerAddress, perClient: limits.tokenPerClient, failedProofs },
  }
  const sign = createSigner(() => signingKey(foundation))
  return new Map([
    [
      PATHS.introspect,
      createIntrospection({
        inspect,
        clients: apps,
        issuer,
        sign,
        clock,
        limits: {
          perAddress: limits.introspectPerAddress,
          perClient: limits.introspectPerClient,
          failedProofs,
        },
        onIntrospected: (appId, outcome) => audit.count('token.introspected', appId, outcome),
      }),
    ],
    [
      PATHS.token,
      createTokenEndpoint({
        ...shared,
        admitsGrant,
        scopeExists,
        issueIdToken: createIdTokenIssuer({
          issuer,
          sign,
          signingAlg: () => signingKey(foundation).alg,
          clock,
        }),
        settings: config.tokens,
        adminAudience: issuer + ADMIN_API_PATH,
      }),
    ],
    [PATHS.revoke, createRevocation(shared)],
  ])
}

/** Returns the key that signs now. */
export function signingKey({ keyRing }: Foundation) {
  const [current] = keyRing.privateJwks().keys
  if (current === undefined) throw new Error('the key ring is empty')
  return current
}

/** Tells the event log of the back channel what happened. */
function backChannelEvents({ audit: { events }, logger }: Foundation) {
  return {
    tokenIssued: (facts: Parameters<typeof events.tokenIssued>[0] & RequestIds) =>
      events.tokenIssued(facts, facts),
    tokenRefreshed(facts: TokenRefreshed) {
      const { appId, grantId, requestId, isFromElsewhere } = facts
      if (isFromElsewhere)
        logger.warn(
          { appId, grantId, requestId },
          'a replaced refresh token came back from another network: somebody may have copied it',
        )
      events.tokenRefreshed(
        {
          ...facts,
          rotated: facts.how === 'rotated',
          grace: facts.how === 'repeated',
          ...(isFromElsewhere && { elsewhere: true }),
        },
        facts,
      )
    },
    familyRevoked(facts: Parameters<typeof events.grantRevoked>[0] & RequestIds) {
      const { appId, grantId, requestId, reason } = facts
      if (reason !== 'client')
        logger.warn(
          { appId, grantId, requestId, reason },
          'a code or a refresh token was used again, and its authorization ended: somebody may have copied it',
        )
      events.grantRevoked(facts, facts)
    },
    accessRevoked: (
      facts: Omit<Parameters<typeof events.tokenRevoked>[0], 'reason'> & RequestIds,
    ) => events.tokenRevoked({ ...facts, reason: 'client' }, facts),
  }
}

interface RequestIds {
  requestId: string
  address: string
}

interface TokenRefreshed extends RequestIds {
  appId: string
  accountId: string | undefined
  grantId: string
  how: 'kept' | 'rotated' | 'repeated'
  isFromElsewhere: boolean
}

/** Keeps why a request was refused, so that an admin can tell the app's developer. */
export function recordRefusal({ audit }: Foundation, call: HttpCall, error: AppError): void {
  // A path that nobody serves is not an event; and what failed on our side is in the log.
  if (error.code === 'not_found' || error.status >= 500) return
  audit.events.requestRefused(
    { appId: appOfRefusal(error)?.id, reason: error.code, endpoint: endpointOf(call.path) },
    requestFacts(call),
  )
}

const ENDPOINT = /^\/(?:oauth\/)?([a-z-]+)/
const endpointOf = (path: string): string => ENDPOINT.exec(path)?.[1] ?? 'other'
