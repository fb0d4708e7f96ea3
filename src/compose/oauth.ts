// The authorization server: the engine, the endpoints that clients call, and what pages and console
// need of both.
import type Router from '@koa/router'
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import { isAdminScope } from '../apps/scope.ts'
import { createFindStanding } from '../grants/standing.store.ts'
import type { Endpoint } from '../http/fast-path.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import { createAuthorizeRouter } from '../oauth/authorize/authorize.routes.ts'
import { createBeginAuthorization } from '../oauth/authorize/begin-authorization.ts'
import { createEngine, type Engine } from '../oauth/authorize/engine/engine.ts'
import { createInteractions, type EngineInteractions } from '../oauth/authorize/interactions.ts'
import { createPreviewGuard, type PreviewGuard } from '../oauth/authorize/preview-guard.ts'
import { createStrangerLimit } from '../oauth/authorize/stranger-limit.ts'
import { clientRouter } from '../oauth/client-endpoint.ts'
import { createIntrospectionEndpoint } from '../oauth/introspect/introspection-endpoint.ts'
import { createMetadataRouter } from '../oauth/metadata/metadata.routes.ts'
import { PATHS } from '../oauth/paths.ts'
import { createRevocationEndpoint } from '../oauth/revoke/revocation-endpoint.ts'
import { createSigner } from '../oauth/signer.ts'
import { createIdTokenIssuer } from '../oauth/token/id-token.ts'
import { createTokensInProcess, type TokensInProcess } from '../oauth/token/in-process.ts'
import { createTokenEndpoint } from '../oauth/token/token-endpoint.ts'
import { createUserinfoRouter } from '../oauth/userinfo/userinfo.routes.ts'
import type { Services } from '../services.ts'
import type { Limits } from './limits.ts'

const INTERACTION_SECONDS = 3600

/** The parts of the authorization server. */
export interface OAuth {
  /** By path, for the fast path. */
  endpoints: ReadonlyMap<string, Endpoint>
  routers: Router[]
  interactions: EngineInteractions
  tokensInProcess: TokensInProcess
}

/** Creates them. @param inspect may answer from memory, for introspection */
export function createOAuth(
  infrastructure: Infrastructure,
  services: Services,
  limits: Limits,
  inspect: InspectToken,
): OAuth {
  const { config, clock } = infrastructure
  const { keyRing, previews, grants, scopes } = services
  const { issuer } = config.server
  const guard = createPreviewGuard(previews)
  const engine = createCurrentEngine(infrastructure, services, limits, inspect, guard)
  const interactions = createInteractions({
    engine,
    issuer,
    previews: guard,
    sessionTtlSeconds: config.signIn.sessionTtlSeconds,
  })
  const signer = createSigner(keyRing)
  const granting = {
    grants,
    scopeExists: scopes.exists,
    settings: config.tokens,
    adminAudience: issuer + ADMIN_API_PATH,
    issueIdToken: createIdTokenIssuer({ issuer, signer, clock }),
  }
  const { readsPerAddress } = limits
  const endpoints = createEndpoints(infrastructure, services, limits, {
    granting,
    inspect,
    sign: signer.sign,
  })
  return {
    endpoints,
    routers: [
      ...[...endpoints].map(([path, endpoint]) =>
        clientRouter(path, endpoint, {
          preflight: path !== PATHS.introspect,
          preflightsPerAddress: readsPerAddress,
        }),
      ),
      createAuthorizeRouter({
        engine,
        previews: guard,
        signedIn: interactions.signedIn,
        perAddress: limits.authorizePerAddress,
        readsPerAddress,
      }),
      createMetadataRouter(engine, readsPerAddress),
      createUserinfoRouter(engine, readsPerAddress),
    ],
    interactions,
    // Looks into the stores: what a server remembers of tokens is no place for those of previews.
    tokensInProcess: createTokensInProcess({
      ...granting,
      issuer,
      inspect: services.inspectToken,
    }),
  }
}

function createEndpoints(
  { config, clock, logger }: Infrastructure,
  { apps, accounts, grants, audit }: Services,
  limits: Limits,
  {
    granting,
    inspect,
    sign,
  }: {
    granting: Omit<
      Parameters<typeof createTokenEndpoint>[0],
      'phases' | 'events' | 'logger' | 'admitsGrant'
    >
    inspect: InspectToken
    sign: ReturnType<typeof createSigner>['sign']
  },
): ReadonlyMap<string, Endpoint> {
  const { events } = audit
  const clients = { clients: apps, failedProofs: limits.failedProofs }
  const phases = {
    ...clients,
    perAddress: limits.tokenPerAddress,
    perClient: limits.tokenPerClient,
  }
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
        issuer: config.server.issuer,
        sign,
        clock,
        onIntrospected: (appId, outcome) => audit.count('token.introspected', appId, outcome),
      }),
    ],
    [
      PATHS.token,
      createTokenEndpoint({
        ...granting,
        phases,
        events,
        logger,
        admitsGrant: accounts.admitsGrant,
      }),
    ],
    [PATHS.revoke, createRevocationEndpoint({ phases, grants, events })],
  ])
}

/** Creates the engine and keeps it up to date with scopes and keys. */
function createCurrentEngine(
  infrastructure: Infrastructure,
  services: Services,
  limits: Limits,
  inspect: InspectToken,
  previews: PreviewGuard,
): Engine {
  const { config, clock, logger, store, db, redisMemory, serverKeys } = infrastructure
  const { accounts, apps, scopes, grants, consents, keyRing, audit } = services
  const findApp = (appId: string) => apps.find(appId)
  const engine = createEngine({
    issuer: config.server.issuer,
    records: store,
    clock,
    logger,
    inspect,
    previews,
    consents,
    findApp,
    findAccount: (accountId) => accounts.find(accountId),
    findGrant: grants.find,
    admitStranger: createStrangerLimit({
      memory: redisMemory,
      everywhere: limits.authorizeEverywhere,
    }),
    begin: createBeginAuthorization({
      settings: config.tokens,
      findStanding: createFindStanding(db),
      findApp,
      grants,
      previews,
    }),
    sessionMaxSeconds: config.signIn.sessionMaxSeconds,
    cookieKeys: serverKeys.texts('cookie'),
    ttl: {
      sessionSeconds: config.signIn.sessionTtlSeconds,
      interactionSeconds: INTERACTION_SECONDS,
      codeSeconds: config.tokens.codeTtlSeconds,
      accessTokenSeconds: config.tokens.accessTtlSeconds,
    },
    // No app can take an admin scope by way of a user, so it is not offered there.
    scopes: () => [...scopes.current().scopes.keys()].filter((name) => !isAdminScope(name)),
    jwks: () => keyRing.privateJwks().keys,
    events: audit.events,
  })
  scopes.onChange(() => engine.rebuild())
  keyRing.onChange(() => engine.rebuild())
  return engine
}
