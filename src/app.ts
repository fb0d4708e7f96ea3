// The composition root of the HTTP side: builds every feature over the foundation and mounts every router, in the order in which a request
// meets them. Invariant: features know nothing of each other; what one needs of another is plugged in here.
import type { IncomingMessage, RequestListener } from 'node:http'
import { join } from 'node:path'
import type Router from '@koa/router'
import Koa from 'koa'
import type { App as RegisteredApp } from './apps/app.ts'
import type { AppRegistry } from './apps/app-registry.ts'
import { matchesRedirectUri } from './apps/redirect-uri.ts'
import { createRefusalValve } from './audit/refusal-valve.ts'
import {
  CONNECTED_APPS_PATH,
  createConnectedAppsRouter,
} from './connected-apps/connected-apps.routes.ts'
import type { Foundation } from './foundation.ts'
import type { Authenticate } from './gateway/caller.ts'
import { createVerifyRoute } from './gateway/gateway.routes.ts'
import { createRevocationStreams } from './gateway/revocation-stream.routes.ts'
import { createDisconnect } from './grants/disconnect.ts'
import type { CodeRecord, Grant } from './grants/grant.ts'
import { createPurgeJobStore } from './grants/purge-job.store.ts'
import { createAssetsRouter } from './http/assets.routes.ts'
import { refuseOtherMethods } from './http/allowed-methods.ts'
import { clientAddress, createTrustedProxies, limitKey } from './http/client-address.ts'
import { createCsrf } from './http/csrf.ts'
import { errorBoundary, logFailedAnswer } from './http/error-boundary.ts'
import { createErrorPages } from './http/error-pages.ts'
import type { Exchange } from './http/exchange.ts'
import { createHotLane } from './http/hot-lane.ts'
import { revocationAudit, startUpkeep } from './upkeep.ts'
import { createOpsRouter, type Readiness } from './http/ops.routes.ts'
import { pinIssuer } from './http/pin-issuer.ts'
import {
  type BatchedLimit,
  createRateLimiter,
  type LimitSize,
  type RateLimiter,
} from './http/rate-limit.ts'
import { createViews, type Views } from './http/views.ts'
import { appOfRefusal, refuse, backChannelRouter } from './oauth/back-channel.ts'
import { checkClient, presentedClient } from './oauth/client-authentication.ts'
import { createRequestTimer, requestContext, requestFacts } from './http/request-context.ts'
import { createEngine } from './oauth/engine.ts'
import { createEngineRouter } from './oauth/engine.routes.ts'
import { createIdTokenIssuer } from './oauth/id-token.ts'
import { createInteractions, type Interactions } from './oauth/interactions.ts'
import { createIntrospection } from './oauth/introspect.routes.ts'
import { longestLife, termsFor } from './oauth/policy.ts'
import { PATHS } from './oauth/provider.ts'
import { createRevocation } from './oauth/revoke.routes.ts'
import { createTokenInspector } from './oauth/token-inspector.ts'
import { createTokenEndpoint } from './oauth/token.routes.ts'
import { describeClient } from './oauth/client-description.ts'
import { AppError, isUnavailable } from './shared/errors.ts'
import { createDirectSignInRouter, DIRECT_SIGN_IN_PATH } from './sign-in/direct-sign-in.routes.ts'
import { createLogin } from './sign-in/login.ts'
import { createSignInRouter } from './sign-in/sign-in.routes.ts'
import { createSignOutRouter } from './sign-in/sign-out.routes.ts'
import { pingDatabase } from './storage/database.ts'

/** The server as a request handler. */
export interface App extends AsyncDisposable {
  /** Handles requests of the public port. */
  listener: RequestListener
  /** Handles requests of the operations port. */
  ops: RequestListener
  /** Makes /readyz say no, so that load balancers send no more requests. */
  startDraining(): void
}

/** Builds the server over an open foundation. */
export function createApp(foundation: Foundation): App {
  const { config, clock, logger, metrics, audit, apps, accounts, scopes, grants, serverKeys } =
    foundation
  const { issuer } = config.server
  const cookieKeys = serverKeys.texts('cookie')
  const { limiter, limits } = createLimits(foundation)
  const scopeExists = (scope: string): boolean => scopes.current().scopes.has(scope)
  const isAccountActive = (accountId: string): Promise<boolean> => accounts.isActive(accountId)
  const findApp = apps.find.bind(apps)
  const inspect = createTokenInspector({ grants, findApp, isAccountActive, scopeExists })
  const tokenSettings = config.tokens

  async function begin(grant: Grant & { accountId: string }, code: string, record: CodeRecord) {
    const app = await findApp(grant.appId)
    if (app === undefined) throw new AppError('authorize_app_unknown')
    await grants.begin(grant, code, record, longestLife(termsFor(app, tokenSettings)))
    // Looked at again after the grant is written: an account or app that was shut down meanwhile, and a connection that was ended meanwhile,
    // has had its grants revoked already.
    const [isActive, now, isWithdrawn] = await Promise.all([
      isAccountActive(grant.accountId),
      findApp(grant.appId),
      remembersConsent(app) &&
        foundation.consents.find(grant.accountId, app.id).then((scopes) => scopes === undefined),
    ])
    if (!isActive || now?.status !== 'active' || isWithdrawn) await grants.revoke(grant.id)
  }

  const engine = createEngine({
    issuer,
    records: foundation.store,
    clock,
    logger,
    begin,
    findGrant: grants.find,
    inspect,
    clients: { find: findApp, metadata: describeClient, isRedirectUriAllowed: matchesRedirectUri },
    consents: {
      async find(accountId, appId) {
        const app = await findApp(appId)
        return app !== undefined && remembersConsent(app)
          ? foundation.consents.find(accountId, appId)
          : undefined
      },
    },
    async findAccount(accountId) {
      const account = await accounts.find(accountId)
      return account?.status === 'active' ? account : undefined
    },
    cookieKeys,
    ttl: {
      sessionSeconds: config.signIn.sessionTtlSeconds,
      interactionSeconds: 3600,
      codeSeconds: tokenSettings.codeTtlSeconds,
      accessTokenSeconds: tokenSettings.accessTtlSeconds,
    },
    scopes: () => [...scopes.current().scopes.keys()],
    jwks: () => [...foundation.keyRing.privateJwks().keys],
    events: {
      codeIssued: (ctx, facts) => audit.events.codeIssued(facts, requestFacts(ctx)),
      authorizationRefused: (ctx, { appId, reason }) =>
        audit.events.requestRefused({ appId, reason, endpoint: 'authorize' }, requestFacts(ctx)),
    },
  })
  scopes.onChange(() => engine.rebuild())
  foundation.keyRing.onChange(() => engine.rebuild())

  const events = backChannelEvents(foundation)
  const backChannel = { grants, clients: apps, events }
  const tokenLimits = { perAddress: limits.tokenPerAddress, perClient: limits.tokenPerClient }
  const views = createViews(VIEWS, { serviceName: config.pages.serviceName })
  const interactions = createInteractions(engine, issuer, config.signIn.sessionTtlSeconds)
  const gatewayNetworks = createTrustedProxies(config.gateways.trustedNetworks)

  const streams = createRevocationStreams({
    log: foundation.revocations,
    authenticate: authenticateByHeader(foundation),
    changes: foundation.invalidation,
    perAddress: limits.introspectPerAddress,
    streamsPerClient: STREAMS_PER_CLIENT,
  })

  const introspection = createIntrospection({
    inspect,
    clients: apps,
    issuer,
    limits: { perAddress: limits.introspectPerAddress, perClient: limits.introspectPerClient },
    onIntrospected: (appId, outcome) => audit.count('token.introspected', appId, outcome),
  })
  const tokenEndpoint = createTokenEndpoint({
    ...backChannel,
    isAccountActive,
    scopeExists,
    issueIdToken: createIdTokenIssuer({ issuer, signingKey: () => signingKey(foundation), clock }),
    settings: tokenSettings,
    limits: tokenLimits,
  })
  const revocation = createRevocation({ ...backChannel, limits: tokenLimits })

  const routers = [
    streams.router,
    backChannelRouter(PATHS.introspect, introspection, { preflight: false }),
    backChannelRouter(PATHS.token, tokenEndpoint, { preflight: true }),
    backChannelRouter(PATHS.revoke, revocation, { preflight: true }),
    createEngineRouter({ engine, authorizePerAddress: limits.authorizePerAddress }),
    ...createPageRouters(foundation, {
      interactions,
      views,
      limiter,
      perAddress: limits.authorizePerAddress,
    }),
  ]

  const verify = createVerifyRoute({
    inspect,
    authenticate: gatewayAuthenticator(foundation),
    isTrusted: (address) => gatewayNetworks.has(address),
    headers: config.gateways.identityHeaders,
    ruleSets: config.gateways.rules,
    resourceMetadata: config.gateways.resourceMetadata,
    limits: { perGateway: limits.verifyPerGateway, perStranger: limits.verifyPerStranger },
    onVerified: (appId, outcome) => audit.count('token.verified', appId, outcome),
    onRefused: (ctx, reason, appId) =>
      audit.events.requestRefused({ appId, reason, endpoint: 'verify' }, requestFacts(ctx)),
    onGatewayRefused: createGatewayLog(foundation),
  })

  const upkeep = startUpkeep(foundation)
  let isDraining = false
  const readiness = { isReady: () => checkReadiness(foundation, isDraining) }
  const intake = {
    timer: createRequestTimer(metrics),
    addressOf: addressReader(config.server.trustedProxies),
  }
  const failures = {
    logger,
    onRefused: (exchange: Exchange, error: AppError) => recordRefusal(foundation, exchange, error),
  }
  const takeHotLane = createHotLane({
    ...intake,
    ...failures,
    endpoints: new Map([
      [PATHS.introspect, introspection],
      [PATHS.token, tokenEndpoint],
      [PATHS.revoke, revocation],
    ]),
    isDraining: () => isDraining,
  })
  const koa = new Koa({ keys: cookieKeys, proxy: true })
  koa.on('error', logFailedAnswer(logger))
  koa.use(requestContext(intake))
  koa.use(pinIssuer(issuer))
  koa.use(async function endConnections(ctx, next) {
    await next()
    if (isDraining) ctx.set('Connection', 'close')
  })
  koa.use(
    errorBoundary({
      ...failures,
      isPage: isPagePath,
      renderPage: createErrorPages(views, { supportUrl: config.pages.supportUrl }),
    }),
  )
  koa.use(verify)
  koa.use(refuseOtherMethods())
  for (const router of [...routers, createOpsRouter(readiness)]) koa.use(router.routes())
  const ops = new Koa()
  ops.use(createOpsRouter({ ...readiness, registry: metrics.registry }).routes())
  const handle = koa.callback()
  const handleOps = ops.callback()
  return {
    listener(request, response) {
      if (!takeHotLane(request, response)) void handle(request, response)
    },
    ops(request, response) {
      void handleOps(request, response)
    },
    startDraining() {
      isDraining = true
      streams.drain()
    },
    async [Symbol.asyncDispose]() {
      streams[Symbol.dispose]()
      await Promise.all([upkeep[Symbol.asyncDispose](), limiter.flush()])
    },
  }
}

/** RFC 8252 §8.6: a public app cannot prove that it is the one that was allowed, so its person is asked each time. */
const remembersConsent = ({ type }: RegisteredApp): boolean => type === 'web'

// One for each process of an API, on one of our processes; more are a mistake.
const STREAMS_PER_CLIENT = 200

const VIEWS = join(import.meta.dirname, '../views')

/** Creates what people see: sign-in, consent, connected apps, sign-out, and the style and pictures of all pages. */
function createPageRouters(
  { config, serverKeys, accounts, apps, scopes, grants, consents, audit, db }: Foundation,
  deps: {
    interactions: Interactions
    views: Views
    limiter: RateLimiter
    perAddress: BatchedLimit
  },
): Router[] {
  const { interactions, views, limiter, perAddress } = deps
  const shared = {
    issuer: config.server.issuer,
    interactions,
    people: accounts,
    csrf: createCsrf(serverKeys),
    views,
    events: audit.events,
  }
  const { loginPerAddress, loginPerAccountAddress, loginPerAccount } = config.limits
  const login = createLogin({
    authenticate: (email, password) => accounts.authenticate(email, password),
    limits: {
      perAddress: limiter.createStrictLimit('login-address', loginPerAddress),
      perAccountAddress: limiter.createStrictLimit('login-account-address', loginPerAccountAddress),
      perAccount: limiter.createStrictLimit('login-account', loginPerAccount),
    },
    events: audit.events,
  })
  return [
    createSignInRouter({
      ...shared,
      login,
      findApp: (appId) => apps.find(appId),
      consents,
      catalogue: () => scopes.current().scopes,
      perAddress,
    }),
    createDirectSignInRouter({
      ...shared,
      login,
      perAddress,
      destinations: [{ path: CONNECTED_APPS_PATH, purpose: 'see your connected apps' }],
    }),
    createConnectedAppsRouter({
      ...shared,
      signedIn: (ctx) => interactions.signedIn(ctx),
      signInUrl: (path) => `${DIRECT_SIGN_IN_PATH}?to=${encodeURIComponent(path)}`,
      sources: { consents, grants, findApp: (appId) => findAnyApp(apps, appId) },
      catalogue: () => scopes.current().scopes,
      disconnect: createDisconnect({
        consents,
        grants,
        jobs: createPurgeJobStore(db),
        audit: revocationAudit(audit),
      }),
      perAddress,
    }),
    createSignOutRouter(shared),
    createAssetsRouter({ directory: VIEWS, findLogo: (id) => apps.findLogo(id) }),
  ]
}

/** Finds an app also after it was deleted: for pages that speak of what was. */
async function findAnyApp(apps: AppRegistry, appId: string): Promise<RegisteredApp | undefined> {
  try {
    return (await apps.find(appId)) ?? (await apps.get(appId))
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}

type Limits = Record<
  | 'tokenPerClient'
  | 'tokenPerAddress'
  | 'introspectPerClient'
  | 'introspectPerAddress'
  | 'verifyPerGateway'
  | 'verifyPerStranger'
  | 'authorizePerAddress',
  BatchedLimit
>

function createLimits({ config, redis, clock, logger }: Foundation): {
  limiter: RateLimiter
  limits: Limits
} {
  const { stores, limits } = config
  const keyPrefix = stores.kind === 'networked' ? stores.redis.prefix : ''
  const limiter = createRateLimiter({ redis, keyPrefix, clock, logger })
  const perAddress = (name: string, size: LimitSize): BatchedLimit => {
    const limit = limiter.createBatchedLimit(name, size)
    return { size, hit: (address) => limit.hit(limitKey(address)) }
  }
  const all = {
    tokenPerClient: limiter.createBatchedLimit('token-client', limits.tokenPerClient),
    tokenPerAddress: perAddress('token-address', limits.tokenPerAddress),
    introspectPerClient: limiter.createBatchedLimit(
      'introspect-client',
      limits.introspectPerClient,
    ),
    // One gateway is one address: who asks is bounded by its credentials, and strangers by the same budget.
    introspectPerAddress: perAddress('introspect-address', limits.introspectPerClient),
    verifyPerGateway: limiter.createBatchedLimit('verify-gateway', limits.verifyPerGateway),
    verifyPerStranger: perAddress('verify-stranger', limits.verifyPerGateway),
    authorizePerAddress: perAddress('authorize-address', limits.authorizePerAddress),
  }
  return { limiter, limits: all }
}

function addressReader(networks: readonly string[]): (request: IncomingMessage) => string {
  const proxies = createTrustedProxies(networks)
  return (request) => {
    const forwarded = request.headers['x-forwarded-for']
    return clientAddress(
      request.socket.remoteAddress,
      Array.isArray(forwarded) ? forwarded.join(',') : forwarded,
      proxies,
    )
  }
}

/** Lets gateways authenticate as what they are, resource servers, by the credentials in their own header. */
function gatewayAuthenticator({ apps }: Foundation): Authenticate {
  return async function authenticate(authorization) {
    try {
      const check = await checkClient(apps, presentedClient(authorization, new Map()))
      return check.kind === 'authenticated' ? check.app : check.error.code
    } catch (error) {
      if (error instanceof AppError && error.status < 500) return error.code
      throw error
    }
  }
}

/** Authenticates a client by its Authorization header alone. */
function authenticateByHeader({ apps }: Foundation) {
  return async function authenticate(authorization: string | undefined): Promise<RegisteredApp> {
    const check = await checkClient(apps, presentedClient(authorization, new Map()))
    if (check.kind === 'authenticated') return check.app
    throw refuse(check.error, check.app)
  }
}

/** Writes why a gateway was refused, once a second for each reason: its operator looks here when an API answers 403 to everybody. */
function createGatewayLog({ logger, clock }: Foundation) {
  const isLetThrough = createRefusalValve(clock, 1)
  return (facts: { reason: string; address: string; requestId: string }): void => {
    if (isLetThrough(facts.reason)) logger.warn(facts, 'a gateway was refused')
  }
}

/** Tells the event log of the back channel what happened. */
function backChannelEvents({ audit: { events } }: Foundation) {
  return {
    tokenIssued: (facts: Parameters<typeof events.tokenIssued>[0] & RequestIds) =>
      events.tokenIssued(facts, facts),
    tokenRefreshed: (facts: TokenRefreshed) =>
      events.tokenRefreshed(
        { ...facts, rotated: facts.how === 'rotated', grace: facts.how === 'repeated' },
        facts,
      ),
    familyRevoked: (facts: Parameters<typeof events.grantRevoked>[0] & RequestIds) =>
      events.grantRevoked(facts, facts),
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
}

/** Keeps why a request was refused, so that an admin can tell the app's developer. */
function recordRefusal({ audit }: Foundation, exchange: Exchange, error: AppError): void {
  // A path that nobody serves is not an event; and what failed on our side is in the log.
  if (error.code === 'not_found' || error.status >= 500) return
  audit.events.requestRefused(
    { appId: appOfRefusal(error)?.id, reason: error.code, endpoint: endpointOf(exchange.path) },
    requestFacts(exchange),
  )
}

const ENDPOINT = /^\/(?:oauth\/)?([a-z-]+)/
const endpointOf = (path: string): string => ENDPOINT.exec(path)?.[1] ?? 'other'

const MACHINE_PATH = /^\/(?:oauth\/(?!authorize)|\.well-known\/|healthz|readyz)/
const isPagePath = (path: string): boolean => !MACHINE_PATH.test(path)

function signingKey({ keyRing }: Foundation) {
  const [current] = keyRing.privateJwks().keys
  if (current === undefined) throw new Error('the key ring is empty')
  return current
}

async function checkReadiness({ store, db }: Foundation, isDraining: boolean): Promise<Readiness> {
  const check = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      await work()
      return 'ok'
    } catch (error) {
      return isUnavailable(error) ? 'away' : 'failing'
    }
  }
  const [grants, database] = await Promise.all([
    check(() => store.ping()),
    check(() => pingDatabase(db)),
  ])
  const checks = { grants, database, ...(isDraining ? { process: 'draining' } : {}) }
  return { ready: !isDraining && grants === 'ok' && database === 'ok', checks }
}
