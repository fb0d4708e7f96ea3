// The engine's endpoints on our router. Paths match exactly: the engine's own router takes any case and a trailing slash, which would slip past
// limits. Invariant: what the engine answers does not depend on Host, X-Forwarded-Host or Accept.
import Router from '@koa/router'
import type { Context, Next } from 'koa'
import { answerPreflight } from './cross-origin.ts'
import { assertBounded, normaliseAuthorizationQuery } from './authorization-request.ts'
import { decodeText, mediaTypeOf, readBytes } from '../http/body.ts'
import { limitPages } from '../http/limit-pages.ts'
import { JWKS_CACHE_SECONDS } from '../keys/key-ring.ts'
import type { HotLimit } from './back-channel.ts'
import type { Engine } from './engine.ts'
import { AppError } from '../shared/errors.ts'
import { correctMetadata, runEngine } from './engine-internals.ts'
import { PATHS } from './provider.ts'

const METADATA = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']
// Above every bound of a query, so that the parameter that is too long is named.
const MOST_FORM_BYTES = 65_536
const PUBLIC_DOCUMENTS = [...METADATA, PATHS.jwks]

/** Creates the routes of the front channel. */
export function createEngineRouter(deps: {
  engine: Engine
  authorizePerAddress: HotLimit
  /** Bounds what leads on or is only read. */
  readsPerAddress: HotLimit
  /** Lets a request pass unless it names the redirect URI of previews and is none. @throws {AppError} `preview_over` */
  assertOwnPreview: (ctx: Context) => Promise<void>
}): Router {
  const { engine } = deps
  const router = new Router({ strict: true, sensitive: true })

  const run = async (ctx: Context): Promise<void> => {
    await runEngine(engine.current(), ctx)
    const failure = engine.failureOf(ctx)
    if (failure !== undefined) throw failure
    // Apps were promised a 302. The engine says 303, which differs only after a POST, and people come here by GET.
    if (ctx.status === 303 && ctx.method === 'GET') ctx.status = 302
  }
  const asJson = async (ctx: Context, next: Next): Promise<void> => {
    // The engine would answer an error on these as a page to whoever sends a browser's Accept header.
    ctx.req.headers.accept = 'application/json'
    await next()
  }

  const limited = limitPages(deps.authorizePerAddress)
  const limitedReads = limitPages(deps.readsPerAddress)
  router.get(PATHS.authorize, limited, async function authorize(ctx: Context) {
    assertBounded(ctx.querystring)
    await deps.assertOwnPreview(ctx)
    normaliseAuthorizationQuery(ctx)
    await run(ctx)
  })
  // OpenID Connect Core §3.1.2.1. The browser comes back by GET: on a form that another site has
  // sent, it holds back the cookies that tell who is signed in.
  router.post(PATHS.authorize, limited, async function authorizeByForm(ctx: Context) {
    if (mediaTypeOf(ctx.req) !== 'application/x-www-form-urlencoded')
      throw new AppError('body_type_unsupported')
    const form = decodeText(await readBytes(ctx.req, MOST_FORM_BYTES))
    assertBounded(form)
    ctx.set('Location', `${PATHS.authorize}?${new URLSearchParams(form).toString()}`)
    ctx.body = null
    ctx.status = 303
  })
  router.get(`${PATHS.authorize}/:uid`, limitedReads, run)
  for (const path of METADATA)
    router.get(path, limitedReads, asJson, async function publishMetadata(ctx: Context) {
      await run(ctx)
      correctMetadata(ctx)
    })
  for (const path of PUBLIC_DOCUMENTS)
    router.options(path, limitedReads, (ctx: Context) => answerPreflight(ctx, 'GET'))
  router.get(PATHS.jwks, limitedReads, asJson, async function publishKeys(ctx: Context) {
    await run(ctx)
    if (ctx.status === 200) ctx.set('Cache-Control', `public, max-age=${JWKS_CACHE_SECONDS}`)
  })
  router.get(PATHS.userinfo, limitedReads, asJson, run)
  router.post(PATHS.userinfo, limitedReads, asJson, run)
  router.options(PATHS.userinfo, limitedReads, run)
  return router
}
