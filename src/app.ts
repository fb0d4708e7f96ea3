// The composition root of the HTTP side: puts the parts together in the order in which a request
// meets them. Invariant: features know nothing of each other; what one needs of another is plugged
// in here and in compose/, without a branch.
import type { RequestListener } from 'node:http'
import type Router from '@koa/router'
import Koa from 'koa'
import { startBackgroundJobs } from './background-jobs.ts'
import { createAdminApiMiddleware } from './compose/admin-api.ts'
import { createAdminServices } from './compose/admin-services.ts'
import { openAuthorizationServer } from './compose/authorization-server.ts'
import { createConnectionRouters } from './compose/connect-pages.ts'
import { openConnections } from './compose/connections.ts'
import { createConsole } from './compose/console.ts'
import { createGateways } from './compose/gateways.ts'
import { createPageParts, createPageRouters } from './compose/pages.ts'
import { rememberAccess } from './grants/remembered-access.ts'
import { refuseOtherMethods } from './http/allowed-methods.ts'
import { createAnswerHeaders, setAnswerHeaders } from './http/answer-headers.ts'
import { createAddressReader } from './http/client-address.ts'
import { errorBoundary, logFailedAnswer } from './http/error-boundary.ts'
import { createFastPath, createPostRoutes, type FindFastRoute } from './http/fast-path.ts'
import { createLimits } from './http/limits.ts'
import { createOpsRouter } from './http/ops.routes.ts'
import { pinIssuer } from './http/pin-issuer.ts'
import { createRateLimiter } from './http/rate-limit.ts'
import { createReadiness } from './http/readiness.ts'
import { createRefusalRecord } from './http/refusal-record.ts'
import { createRequestTimer, requestContext } from './http/request-context.ts'
import { refuseTwoHosts } from './http/two-hosts.ts'
import type { Infrastructure } from './infrastructure.ts'
import { createInspector, type Services } from './services.ts'
import { createNetworkSet } from './shared/network-set.ts'
import { createErrorPages } from './sign-in/error-pages.ts'
import { pingDatabase } from './storage/database.ts'

/** The server as a request handler. */
export interface Application extends AsyncDisposable {
  /** Handles requests of the public port. */
  listener: RequestListener
  /** Handles requests of the operations port. */
  ops: RequestListener
  /** All routes that a router serves: method and pattern. */
  listRoutes(): { method: string; path: string }[]
  /** Makes /readyz say no, so that load balancers send no more requests. */
  startDraining(): void
}

/** Builds the server over what was opened. */
export function createApp(infrastructure: Infrastructure, services: Services): Application {
  const { config, clock, store, db, revocations } = infrastructure
  const { grants } = services
  const limiter = createRateLimiter(infrastructure)
  const limits = createLimits(limiter, config.limits)
  const remembered = rememberAccess({
    findAccess: grants.findAccess,
    log: revocations,
    ttlSeconds: config.gateways.introspectionCacheSeconds,
    clock,
  })
  const inspect = createInspector(services, remembered.findAccess, services.grantUses.used)
  const admin = createAdminServices(infrastructure, services)
  const pages = createPageParts(infrastructure, limits)
  const connections = openConnections(infrastructure, services, limits, inspect)
  const oauth = openAuthorizationServer(infrastructure, services, limits, inspect, {
    views: pages.views,
    exchange: connections?.exchange,
  })
  const { streams, verify } = createGateways(infrastructure, services, limits, inspect)
  const drain = { isDraining: false }
  const readiness = {
    isReady: createReadiness(
      { grants: () => store.ping(), database: () => pingDatabase(db) },
      () => drain.isDraining,
    ),
  }
  const routers = [
    streams.router,
    ...(connections?.routers ?? []),
    ...oauth.routers,
    ...createPageRouters(infrastructure, services, oauth.interactions, limiter, pages, limits),
    ...createConnectionRouters(infrastructure, services, oauth.interactions, pages),
    createConsole(infrastructure, services, admin, oauth, pages),
    createOpsRouter({ ...readiness, perAddress: limits.probesPerAddress }),
  ]
  const listener = createListener(infrastructure, services, drain, {
    fastRoutes: [createPostRoutes(oauth.endpoints), verify],
    middleware: [
      createAdminApiMiddleware(infrastructure, services, admin, limits, inspect),
      refuseOtherMethods(),
    ],
    routers,
    views: pages.views,
  })
  const jobs = startBackgroundJobs(infrastructure, services)
  return {
    listener,
    ops: createOpsListener(
      createOpsRouter({ ...readiness, registry: infrastructure.metrics.registry }),
    ),
    listRoutes: () => routers.flatMap(listRoutesOf),
    startDraining() {
      drain.isDraining = true
      streams.drain()
    },
    async [Symbol.asyncDispose]() {
      streams[Symbol.dispose]()
      remembered[Symbol.dispose]()
      await connections?.[Symbol.asyncDispose]()
      await Promise.all([jobs[Symbol.asyncDispose](), limiter.flush()])
    },
  }
}

/** Creates the listener of the public port: the fast path first, then Koa. */
function createListener(
  { config, logger, metrics, serverKeys }: Infrastructure,
  { audit }: Services,
  drain: { readonly isDraining: boolean },
  parts: {
    fastRoutes: readonly FindFastRoute[]
    /** In the order in which a request meets it. */
    middleware: readonly Koa.Middleware[]
    routers: readonly Router[]
    views: Parameters<typeof createErrorPages>[0]
  },
): RequestListener {
  const { issuer, hstsSeconds, trustedProxies } = config.server
  const incoming = {
    timer: createRequestTimer(metrics),
    addressOf: createAddressReader(createNetworkSet(trustedProxies)),
  }
  const failures = { issuer, logger, onRefused: createRefusalRecord(audit.events.requestRefused) }
  const answerHeaders = createAnswerHeaders({ issuer, hstsSeconds })
  const takeFastPath = createFastPath({
    ...incoming,
    ...failures,
    routes: parts.fastRoutes,
    isDraining: () => drain.isDraining,
    answerHeaders,
  })
  const koa = new Koa({ keys: serverKeys.texts('cookie'), proxy: true })
  koa.on('error', logFailedAnswer(logger))
  koa.use(requestContext(incoming))
  koa.use(pinIssuer(issuer))
  koa.use(async function endConnections(ctx, next) {
    await next()
    if (drain.isDraining) ctx.set('Connection', 'close')
  })
  koa.use(
    errorBoundary({
      ...failures,
      isPage: isPagePath,
      renderPage: createErrorPages(parts.views, { supportUrl: config.pages.supportUrl }),
    }),
  )
  for (const middleware of parts.middleware) koa.use(middleware)
  for (const router of parts.routers) koa.use(router.routes())
  const handle = koa.callback()
  return function listen(request, response) {
    if (refuseTwoHosts(request, response) || takeFastPath(request, response)) return
    setAnswerHeaders(response, answerHeaders)
    void handle(request, response)
  }
}

function createOpsListener(router: Router): RequestListener {
  const handle = new Koa().use(router.routes()).callback()
  return function listen(request, response) {
    response.setHeader('X-Content-Type-Options', 'nosniff')
    void handle(request, response)
  }
}

const listRoutesOf = ({ stack }: Router): { method: string; path: string }[] =>
  stack.flatMap(({ methods, path }) =>
    methods.filter((method) => method !== 'HEAD').map((method) => ({ method, path: String(path) })),
  )

const MACHINE_PATH =
  /^\/(?:oauth\/(?!authorize)|connect\/|\.well-known\/|healthz|readyz|(?:token|revoke|introspect)\/?$)/
const isPagePath = (path: string): boolean => !MACHINE_PATH.test(path)
