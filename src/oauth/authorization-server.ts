// The authorization server, put together: the engine, the endpoints that clients call, and what
// pages and console need of both. It only plugs; what is decided is in the files that are named
// here.
import type Router from '@koa/router'
import type { Accounts } from '../accounts/accounts.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import type { ScopeCatalogue } from '../apps/scope-catalogue.ts'
import { isAdminScope } from '../apps/scope.ts'
import type { Audit } from '../audit/audit.ts'
import type { IndexStore, RecordStore } from '../grants/family-store.ts'
import type { Grants } from '../grants/grants.ts'
import type { Previews } from '../grants/previews.ts'
import type { FindStanding } from '../grants/standing.store.ts'
import type { Endpoint } from '../http/fast-path.ts'
import type { Limits } from '../http/limits.ts'
import type { Views } from '../http/views.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { InspectToken } from '../model/token-status.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { createAuthorizeRouter } from './authorize/authorize.routes.ts'
import { createBeginAuthorization } from './authorize/begin-authorization.ts'
import { createEngine, type Engine } from './authorize/engine/engine.ts'
import type { FormAnswerPage } from './authorize/form-answer.ts'
import { createInteractions, type EngineInteractions } from './authorize/interactions.ts'
import { createPreviewGuard, type PreviewGuard } from './authorize/preview-guard.ts'
import type { ConsentLookup } from './authorize/prompt-policy.ts'
import { createStrangerLimit } from './authorize/stranger-limit.ts'
import { clientRouter } from './client-endpoint.ts'
import { createIntrospectionEndpoint } from './introspect/introspection-endpoint.ts'
import { createMetadataRouter } from './metadata/metadata.routes.ts'
import { PATHS, SHORT_PATHS } from './paths.ts'
import { createRevocationEndpoint } from './revoke/revocation-endpoint.ts'
import { createSigner, type Sign } from './signer.ts'
import type { GrantDeps } from './token/grant-type.ts'
import { createIdTokenIssuer, type IssueIdToken } from './token/id-token.ts'
import { createTokensInProcess, type TokensInProcess } from './token/in-process.ts'
import { createTokenEndpoint, type ExchangeToken, TOKEN_EXCHANGE } from './token/token-endpoint.ts'
import type { TokenSettings } from './token/token-terms.ts'
import { createUserinfoRouter } from './userinfo/userinfo.routes.ts'

export interface AuthorizationServerDeps {
  issuer: string
  settings: TokenSettings
  session: { ttlSeconds: number; maxSeconds: number; cookieKeys: readonly string[] }
  /** The admin API as tokens name it (RFC 8707). */
  adminAudience: string
  accounts: Accounts
  apps: AppRegistry
  scopes: ScopeCatalogue
  keyRing: KeyRing
  grants: Grants
  consents: ConsentLookup
  previews: Previews
  audit: Audit
  store: RecordStore & IndexStore
  findStanding: FindStanding
  redisMemory: { isNearlyFull(): boolean }
  /** Exchanges tokens for those of connections; absent while connections are off. */
  exchange?: ExchangeToken | undefined
  /** May answer from memory: for introspection and userinfo. */
  inspect: InspectToken
  /** Asks the stores: what is remembered of tokens is no place for those of previews. */
  inspectToken: InspectToken
  limits: Limits
  views: Views<FormAnswerPage>
  clock: Clock
  logger: Logger
}

/** Its parts. */
export interface AuthorizationServer {
  /** By path, for the fast path. */
  endpoints: ReadonlyMap<string, Endpoint>
  routers: Router[]
  interactions: EngineInteractions
  tokensInProcess: TokensInProcess
}

const INTERACTION_SECONDS = 3600

/** Creates the authorization server. */
export function createAuthorizationServer(deps: AuthorizationServerDeps): AuthorizationServer {
  const { issuer, grants, clock, limits } = deps
  const previews = createPreviewGuard(deps.previews)
  const engine = createCurrentEngine(deps, previews)
  const interactions = createInteractions({
    engine,
    issuer,
    previews,
    sessionTtlSeconds: deps.session.ttlSeconds,
  })
  const sign = createSigner(deps.keyRing)
  const granting = {
    grants,
    scopeExists: deps.scopes.exists,
    settings: deps.settings,
    adminAudience: deps.adminAudience,
    issueIdToken: createIdTokenIssuer({ issuer, sign, clock }),
  }
  const endpoints = createEndpoints(deps, granting, sign)
  const { readsPerAddress } = limits
  return {
    endpoints,
    routers: [
      ...[...endpoints].map(([path, endpoint]) =>
        clientRouter(path, endpoint, {
          preflight: path !== PATHS.introspect && path !== SHORT_PATHS.introspect,
          preflightsPerAddress: readsPerAddress,
        }),
      ),
      createAuthorizeRouter({
        engine,
        previews,
        signedIn: interactions.signedIn,
        perAddress: limits.authorizePerAddress,
        readsPerAddress,
      }),
      createMetadataRouter(
        engine,
        readsPerAddress,
        deps.exchange === undefined ? [] : [TOKEN_EXCHANGE],
      ),
      createUserinfoRouter(engine, readsPerAddress),
    ],
    interactions,
    tokensInProcess: createTokensInProcess({ ...granting, issuer, inspect: deps.inspectToken }),
  }
}

function createEndpoints(
  deps: AuthorizationServerDeps,
  granting: GrantDeps & { issueIdToken: IssueIdToken },
  sign: Sign,
): ReadonlyMap<string, Endpoint> {
  const { issuer, clock, logger, limits, accounts, grants, audit, inspect } = deps
  const { events } = audit
  const clients = { clients: deps.apps, failedProofs: limits.failedProofs }
  const phases = {
    ...clients,
    perAddress: limits.tokenPerAddress,
    perClient: limits.tokenPerClient,
  }
  const token = {
    ...granting,
    exchange: deps.exchange,
    phases,
    events,
    logger,
    admitsGrant: accounts.admitsGrant,
  }
  const introspection = {
    phases: {
      ...clients,
      perAddress: limits.introspectPerAddress,
      perClient: limits.introspectPerClient,
    },
    inspect,
    issuer,
    sign,
    clock,
    onIntrospected: (appId: string, outcome: 'active' | 'inactive') =>
      audit.count('token.introspected', appId, outcome),
  }
  const introspect = createIntrospectionEndpoint(introspection)
  const exchange = createTokenEndpoint(token)
  const revoke = createRevocationEndpoint({ phases, grants, events })
  return new Map([
    [PATHS.introspect, introspect],
    [PATHS.token, exchange],
    [PATHS.revoke, revoke],
    [SHORT_PATHS.introspect, introspect],
    [SHORT_PATHS.token, exchange],
    [SHORT_PATHS.revoke, revoke],
  ])
}

/** Creates the engine and keeps it up to date with scopes and keys. */
function createCurrentEngine(deps: AuthorizationServerDeps, previews: PreviewGuard): Engine {
  const { settings, session, accounts, apps, scopes, grants, keyRing, limits } = deps
  const findApp = (appId: string) => apps.find(appId)
  const engine = createEngine({
    issuer: deps.issuer,
    records: deps.store,
    clock: deps.clock,
    logger: deps.logger,
    views: deps.views,
    inspect: deps.inspect,
    previews,
    consents: deps.consents,
    findApp,
    findAccount: (accountId) => accounts.find(accountId),
    findGrant: grants.find,
    admitStranger: createStrangerLimit({
      memory: deps.redisMemory,
      everywhere: limits.authorizeEverywhere,
    }),
    begin: createBeginAuthorization({
      settings,
      findStanding: deps.findStanding,
      findApp,
      grants,
      previews,
    }),
    sessionMaxSeconds: session.maxSeconds,
    cookieKeys: session.cookieKeys,
    ttl: {
      sessionSeconds: session.ttlSeconds,
      interactionSeconds: INTERACTION_SECONDS,
      codeSeconds: settings.codeTtlSeconds,
      accessTokenSeconds: settings.accessTtlSeconds,
    },
    // No app can take an admin scope by way of a user, so it is not offered there.
    scopes: () => [...scopes.current().scopes.keys()].filter((name) => !isAdminScope(name)),
    jwks: () => keyRing.privateJwks().keys,
    events: deps.audit.events,
  })
  scopes.onChange(() => engine.rebuild())
  keyRing.onChange(() => engine.rebuild())
  return engine
}
