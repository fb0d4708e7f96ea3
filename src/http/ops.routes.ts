// What operators and orchestrators ask: is the process there, may it have traffic, what does it
// count. Mounted on the operations port with metrics, and on the main port without. Invariant:
// nothing here waits for a store except /readyz, and nothing is ever cached.
import Router from '@koa/router'
import type { Context } from 'koa'
import { limitPages } from './limit-pages.ts'
import type { BatchedLimit } from './rate-limit.ts'

/**
 * Whether the process may have traffic; `checks` has a word for each part, without addresses or
 * messages of drivers.
 */
export interface Readiness {
  ready: boolean
  checks: Record<string, string>
}

export interface OpsDependencies {
  /** Answers `ready: false` while a store is away or the process drains. */
  isReady: () => Promise<Readiness>
  /** The registry to publish; without it there is no /metrics. */
  /** Bounds what one address may ask on the main port; an operations port is not bounded. */
  perAddress?: Pick<BatchedLimit, 'hit'>
  registry?: { readonly contentType: string; metrics: () => Promise<string> } | undefined
}

/** Creates the router of /healthz, /readyz and, where a registry is given, /metrics. */
export function createOpsRouter({ isReady, perAddress, registry }: OpsDependencies): Router {
  const limited = perAddress === undefined ? [] : [limitPages(perAddress)]
  const router = new Router({ sensitive: true, strict: true })
  router.get('/healthz', ...limited, (ctx: Context) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { status: 'ok' }
  })
  router.get('/readyz', ...limited, async (ctx: Context) => {
    const readiness = await isReady().catch(() => NOT_READY)
    ctx.set('Cache-Control', 'no-store')
    ctx.status = readiness.ready ? 200 : 503
    ctx.body = { status: readiness.ready ? 'ready' : 'not ready', checks: readiness.checks }
  })
  if (registry !== undefined)
    router.get('/metrics', async (ctx) => {
      ctx.set('Cache-Control', 'no-store')
      ctx.type = registry.contentType
      ctx.body = await registry.metrics()
    })
  return router
}

const NOT_READY: Readiness = { ready: false, checks: {} }
