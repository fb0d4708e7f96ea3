// The endpoint /oauth/userinfo (OpenID Connect Core §5.3), which the engine answers.
import Router from '@koa/router'
import type { Context } from 'koa'
import { limitPages } from '../../http/limit-pages.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import type { Engine } from '../authorize/engine/engine.ts'
import { answerAsJson } from '../authorize/engine/json-endpoint.ts'
import { PATHS } from '../paths.ts'

/** Creates the routes of userinfo. */
export function createUserinfoRouter(engine: Engine, perAddress: BatchedLimit): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(perAddress)
  const run = (ctx: Context): Promise<void> => engine.run(ctx)
  router.get(PATHS.userinfo, limited, answerAsJson, run)
  router.post(PATHS.userinfo, limited, answerAsJson, run)
  router.options(PATHS.userinfo, limited, run)
  return router
}
