// Makes every request look as if it came to the issuer's own address. Whatever Host or
// X-Forwarded-… a client or a careless proxy sends, links, metadata and cookies are those of the
// configured issuer.
import type { Middleware } from 'koa'

/**
 * Creates the middleware; mount it after the client's address was taken, because it removes what
 * proxies said about it.
 */
export function pinIssuer(issuer: string): Middleware {
  const { host, protocol } = new URL(issuer)
  const scheme = protocol.slice(0, -1)
  return async function pinToIssuer(ctx, next) {
    const { headers } = ctx.req
    headers.host = host
    headers['x-forwarded-proto'] = scheme
    delete headers['x-forwarded-host']
    delete headers['x-forwarded-for']
    delete headers[':authority']
    await next()
  }
}
