// The composition root of the HTTP side: puts the parts together over the foundation, in the order in which a request meets them.
// Invariant: features know nothing of each other; what one needs of another is plugged in here and in compose/.
import type { RequestListener } from 'node:http'
import Koa from 'koa'
import { createAdminApiMiddleware } from './compose/admin-api.ts'
import { createBackChannel } from './compose/back-channel.ts'
import { createConsole } from './compose/console.ts'
import { createFrontChannel } from './compose/front-channel.ts'
import { createGateways } from './compose/gateways.ts'
import { createInspection } from './compose/inspection.ts'
import { addressReader, createLimits } from './compose/limits.ts'
import { compileAllTemplates, createPageRouters } from './compose/pages.ts'
import { createReadiness } from './compose/readiness.ts'
import type { Foundation } from './foundation.ts'
import { createAnswerHeaders, setAnswerHeaders } from './http/answer-headers.ts'
import { refuseOtherMethods } from './http/allowed-methods.ts'
import { errorBoundary, logFailedAnswer } from './http/error-boundary.ts'
import { createErrorPages } from './http/error-pages.ts'
import { createFastPath, createPostRoutes } from './http/fast-path.ts'
import { createOpsRouter } from './http/ops.routes.ts'
import { pinIssuer } from './http/pin-issuer.ts'
import { createRequestTimer, requestContext } from './http/request-context.ts'
import { createViews } from './http/views.ts'
import { createRefusalRecord } from './http/refusal-record.ts'
import { createAuthorizeRouter } from './oauth/authorize/authorize.routes.ts'
import { createInteractions } from './oauth/authorize/interactions.ts'
import { createPreviewGuard } from './oauth/authorize/preview-guard.ts'
import { clientRouter } from './oauth/client-endpoint.ts'
import { createMetadataRouter } from './oauth/metadata/metadata.routes.ts'
import { PATHS } from './oauth/paths.ts'
import { createUserinfoRouter } from './oauth/userinfo/userinfo.routes.ts'
import { startUpkeep } from './upkeep.ts'

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

/** Builds the server over an open foundation. */
export function createApp(foundation: Foundation): Application {
  const { config, logger, metrics, accounts, scopes, serverKeys, audit } = foundation
  const { issuer } = config.server
  const { limiter, limits } = createLimits(foundation)
  const scopeExists = scopes.exists
  const inspection = createInspection(foundation)
  const { inspect } = inspection
  const previews = createPreviewGuard(foundation.previews)
  const engine = createFrontChannel(foundation, inspect, previews, limits.authorizeEverywhere)
  const endpoints = createBackChannel(foundation, {
    inspect,
    admitsGrant: accounts.admitsGrant,
    scopeExists,
    limits,
  })
  const { streams, verify } = createGateways(foundation, inspect, limits)
  const templates = compileAllTemplates(foundation)
  const views = createViews(templates)
  const interactions = createInteractions({
    engine,
    issuer,
    previews,
    sessionTtlSeconds: config.signIn.sessionTtlSeconds,
  })
  const upkeep = startUpkeep(foundation)
  let isDraining = false
  const readiness = { isReady: createReadiness(foundation, () => isDraining) }

  const intake = {
    timer: createRequestTimer(metrics),
    addressOf: addressReader(config.server.trustedProxies),
  }
  const failures = {
    logger,
    onRefused: createRefusalRecord(audit.events.requestRefused),
  }
  const answerHeaders = createAnswerHeaders({
    issuer,
    hstsSeconds: config.server.hstsSeconds,
  })
  const takeFastPath = createFastPath({
    ...intake,
    ...failures,
    routes: [createPostRoutes(endpoints), verify],
    isDraining: () => isDraining,
    answerHeaders,
  })

  const koa = new Koa({ keys: serverKeys.texts('cookie'), proxy: true })
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
  koa.use(createAdminApiMiddleware(foundation, inspect, limits))
  koa.use(refuseOtherMethods())
  const routers = [
    streams.router,
    ...[...endpoints].map(([path, endpoint]) =>
      clientRouter(path, endpoint, {
        preflight: path !== PATHS.introspect,
        preflightsPerAddress: limits.readsPerAddress,
      }),
    ),
    createAuthorizeRouter({
      engine,
      previews,
      signedIn: (ctx) => interactions.signedIn(ctx),
      perAddress: limits.authorizePerAddress,
      readsPerAddress: limits.readsPerAddress,
    }),
    createMetadataRouter(engine, limits.readsPerAddress),
    createUserinfoRouter(engine, limits.readsPerAddress),
    ...createPageRouters(foundation, {
      interactions,
      views,
      limiter,
      perAddress: limits.authorizePerAddress,
      readsPerAddress: limits.readsPerAddress,
    }),
    ...createConsole(foundation, {
      interactions,
      templates,
      perAddress: limits.authorizePerAddress,
    }),
    createOpsRouter({ ...readiness, perAddress: limits.probesPerAddress }),
  ]
  for (const router of routers) koa.use(router.routes())
  const ops = new Koa()
  ops.use(createOpsRouter({ ...readiness, registry: metrics.registry }).routes())

  const handle = koa.callback()
  const handleOps = ops.callback()
  return {
    listener(request, response) {
      if (takeFastPath(request, response)) return
      setAnswerHeaders(response, answerHeaders)
      void handle(request, response)
    },
    ops(request, response) {
      response.setHeader('X-Content-Type-Options', 'nosniff')
      void handleOps(request, response)
    },
    listRoutes: () =>
      routers.flatMap((router) =>
        router.stack.flatMap(({ methods, path }) =>
          methods
            .filter((method) => method !== 'HEAD')
            .map((method) => ({ method, path: String(path) })),
        ),
      ),
    startDraining() {
      isDraining = true
      streams.drain()
    },
    async [Symbol.asyncDispose]() {
      streams[Symbol.dispose]()
      inspection[Symbol.dispose]()
      await Promise.all([upkeep[Symbol.asyncDispose](), limiter.flush()])
    },
  }
}

const MACHINE_PATH = /^\/(?:oauth\/(?!authorize)|\.well-known\/|healthz|readyz)/
const isPagePath = (path: string): boolean => !MACHINE_PATH.test(path)
