// A known address that was asked in the wrong way: 405 with the ways that there are, instead of
// "there is nothing here". Mounted inside the error boundary and outside all routers, over the
// routes that they matched by path.
import type { Context, Middleware, Next } from 'koa'
import { AppError } from '../shared/errors.ts'

interface MatchedRoute {
  methods: readonly string[]
}

/** Creates the middleware (RFC 9110 §15.5.6: a 405 names the allowed methods in `Allow`). */
export function refuseOtherMethods(): Middleware {
  return async function refuseOtherMethod(ctx: Context, next: Next) {
    await next()
    if (ctx.status !== 404 || ctx.body !== undefined) return
    const matched = (ctx as { matched?: readonly MatchedRoute[] }).matched ?? []
    const methods = new Set(matched.flatMap((route) => route.methods))
    // A route that was run and said 404 itself.
    if (methods.size === 0 || methods.has(ctx.method)) return
    ctx.set('Allow', [...methods].sort().join(', '))
    throw new AppError('method_not_allowed')
  }
}
