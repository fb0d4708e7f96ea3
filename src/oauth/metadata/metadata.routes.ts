// What the server publishes about itself: metadata (RFC 8414, OpenID Connect Discovery) and keys
// (RFC 7517 §5). Any web page may read them.
import Router from '@koa/router'
import type { Context } from 'koa'
import { limitPages } from '../../http/limit-pages.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { JWKS_CACHE_SECONDS } from '../../keys/key-ring.ts'
import type { Engine } from '../authorize/engine/engine.ts'
import { answerAsJson } from '../authorize/engine/json-endpoint.ts'
import { answerPreflight } from '../cross-origin.ts'
import { PATHS } from '../paths.ts'
import { correctMetadata } from './corrections.ts'

const METADATA = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

/**
 * Creates the routes of metadata and keys.
 *
 * @param moreGrantTypes that the token endpoint takes beside those of the engine
 */
export function createMetadataRouter(
  engine: Engine,
  perAddress: BatchedLimit,
  moreGrantTypes: readonly string[],
): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(perAddress)
  for (const path of METADATA)
    router.get(path, limited, answerAsJson, async function publishMetadata(ctx: Context) {
      await engine.run(ctx)
      correctMetadata(ctx, moreGrantTypes)
    })
  router.get(PATHS.jwks, limited, answerAsJson, async function publishKeys(ctx: Context) {
    await engine.run(ctx)
    if (ctx.status === 200) ctx.set('Cache-Control', `public, max-age=${JWKS_CACHE_SECONDS}`)
  })
  for (const path of [...METADATA, PATHS.jwks])
    router.options(path, limited, (ctx: Context) => answerPreflight(ctx, 'GET'))
  return router
}
