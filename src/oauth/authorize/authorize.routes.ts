// GET and POST /oauth/authorize (RFC 6749 §3.1) on our router. Paths match exactly: the engine's
// own router takes any case and a trailing slash, which would slip past limits. Invariant: what the
// engine answers does not depend on Host, X-Forwarded-Host or Accept.
import Router from '@koa/router'
import type { Context } from 'koa'
import { decodeUtf8, mediaTypeOf, readBytes } from '../../http/body.ts'
import { limitPages } from '../../http/limit-pages.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { AppError } from '../../shared/errors.ts'
import { PATHS, SHORT_PATHS } from '../paths.ts'
import { assertBounded, normaliseAuthorizationQuery } from './authorization-request.ts'
import type { Engine } from './engine/engine.ts'
import type { PreviewGuard } from './preview-guard.ts'

// Above every bound of a query, so that the parameter that is too long is named.
const MOST_FORM_BYTES = 65_536

const ADDRESSES = [PATHS.authorize, SHORT_PATHS.authorize]

/** Creates the routes of the authorization endpoint. */
export function createAuthorizeRouter(deps: {
  engine: Engine
  previews: Pick<PreviewGuard, 'assertOwnRequest'>
  /** Returns who is signed in in this browser. */
  signedIn: (ctx: Context) => Promise<string | undefined>
  perAddress: BatchedLimit
  /** Bounds what leads on. */
  readsPerAddress: BatchedLimit
}): Router {
  const { engine, previews } = deps
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)

  const run = async (ctx: Context): Promise<void> => {
    await engine.run(ctx)
    // Apps were promised a 302. The engine says 303, which differs only after a POST, and browsers
    // come here by GET.
    if (ctx.status === 303) ctx.status = 302
  }

  router.get(ADDRESSES, limited, async function authorize(ctx: Context) {
    assertBounded(ctx.querystring)
    await previews.assertOwnRequest(new URLSearchParams(ctx.querystring), () => deps.signedIn(ctx))
    normaliseAuthorizationQuery(ctx)
    ctx.path = PATHS.authorize
    await run(ctx)
  })
  // OpenID Connect Core §3.1.2.1. The browser comes back by GET: on a form that another site has
  // sent, it holds back the cookies of the login session.
  router.post(ADDRESSES, limited, async function authorizeByForm(ctx: Context) {
    if (mediaTypeOf(ctx.req) !== 'application/x-www-form-urlencoded')
      throw new AppError('body_type_unsupported')
    const form = decodeUtf8(await readBytes(ctx.req, MOST_FORM_BYTES))
    assertBounded(form)
    ctx.set('Location', `${PATHS.authorize}?${new URLSearchParams(form).toString()}`)
    ctx.body = null
    ctx.status = 303
  })
  router.get(`${PATHS.authorize}/:uid`, limitPages(deps.readsPerAddress), run)
  return router
}
