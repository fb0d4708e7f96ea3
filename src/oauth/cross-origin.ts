// Which web pages may call the back channel from a browser: those of the public app itself, by the origins of its redirect URIs. Credentials
// of the browser are never involved. Invariant: no other page can read an answer.
import type { Context } from 'koa'
import type { App } from '../apps/app.ts'
import { isConfidential } from '../apps/app.ts'

/** Answers a preflight: it says what may be sent; who may read the answer is decided when the app is known. */
export function answerPreflight(ctx: Context): void {
  ctx.status = 204
  ctx.set('Access-Control-Allow-Origin', '*')
  ctx.set('Access-Control-Allow-Methods', 'POST')
  ctx.set('Access-Control-Allow-Headers', 'authorization, content-type')
  ctx.set('Access-Control-Max-Age', '3600')
}

/** Lets the page that called read the answer, if it belongs to the public app. */
export function allowOrigin(ctx: Context, app: App): void {
  const { origin } = ctx.req.headers
  if (origin === undefined || isConfidential(app)) return
  ctx.vary('Origin')
  if (!app.redirectUris.some((uri) => originOf(uri) === origin)) return
  ctx.set('Access-Control-Allow-Origin', origin)
  ctx.set('Access-Control-Expose-Headers', 'Retry-After, WWW-Authenticate, X-Request-Id')
}

/** Returns the web origin of a redirect URI; private-use schemes have none. */
function originOf(uri: string): string | undefined {
  const { origin } = new URL(uri)
  return origin === 'null' ? undefined : origin
}
