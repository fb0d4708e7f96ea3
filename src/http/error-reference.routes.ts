// GET /errors/:page, the addresses that `error_uri` names (RFC 6749 §4.1.2.1, §5.2): what happened,
// and what the app's developer does about it. Invariant: a page is the same for everybody and says
// nothing of any request, so that any cache may keep it.
import Router from '@koa/router'
import type { Context } from 'koa'
import { ERROR_GUIDES, type ErrorGuide } from '../model/error-guides.ts'
import { base62Hash } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { limitPages } from './limit-pages.ts'
import type { BatchedLimit } from './rate-limit.ts'
import { sendPage } from './send-page.ts'
import { createViews, type Templates } from './views.ts'

export const ERRORS_PATH = '/errors'

/** What the template gets. */
export interface ErrorReferencePage {
  kind: 'error-reference'
  guide: ErrorGuide
}

/** Creates the router. */
export function createErrorReferenceRouter(
  templates: Templates,
  perAddress: Pick<BatchedLimit, 'hit'>,
): Router {
  const views = createViews<ErrorReferencePage>(templates, { 'error-reference': true })
  const router = new Router({ strict: true, sensitive: true })
  router.get(
    `${ERRORS_PATH}/:page`,
    limitPages(perAddress),
    function showErrorReference(ctx: Context & { params: { page: string } }) {
      const guide = ERROR_GUIDES.get(ctx.params.page)
      if (guide === undefined) throw new AppError('not_found')
      sendPage(ctx, views, { kind: 'error-reference', guide })
      ctx.set('Cache-Control', 'public, max-age=3600')
      ctx.etag = base62Hash(String(ctx.body), 22)
      if (ctx.fresh) ctx.status = 304
    },
  )
  return router
}
