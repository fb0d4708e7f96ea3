// The engine's endpoints that answer JSON.
import type { Context, Next } from 'koa'

/**
 * Makes the engine answer errors as JSON: it would send a page to whatever has the Accept header of
 * a browser.
 */
export async function answerAsJson(ctx: Context, next: Next): Promise<void> {
  ctx.req.headers.accept = 'application/json'
  await next()
}
