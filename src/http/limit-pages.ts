// Bounds how many pages one address may ask for. Put before each route by itself: a router cannot
// do it below a prefix with a parameter.
import type { Context, Middleware, Next } from 'koa'
import { AppError } from '../shared/errors.ts'
import type { BatchedLimit } from './rate-limit.ts'
import { requestFacts } from './request-context.ts'

/** Creates the middleware over a limit per address. */
export function limitPages(perAddress: Pick<BatchedLimit, 'hit'>): Middleware {
  return async function limitPage(ctx: Context, next: Next) {
    const outcome = perAddress.hit(requestFacts(ctx).address)
    if (!outcome.allowed)
      throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
    await next()
  }
}
