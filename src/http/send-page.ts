// Answers with a page. Invariant: no page leaves without its security headers. Called by the routes that show pages and by error-pages.ts.
import type { Context } from 'koa'
import { pageHeaders } from './page-headers.ts'
import type { Page, Views } from './views.ts'

/**
 * Answers a request with a page.
 *
 * @param options.status 200 by default
 * @param options.keepsOpener see pageHeaders; false by default
 */
export function sendPage(
  ctx: Context,
  views: Views,
  page: Page,
  { status = 200, keepsOpener = false }: { status?: number; keepsOpener?: boolean } = {},
): void {
  ctx.status = status
  ctx.set(pageHeaders({ keepsOpener }))
  ctx.type = 'html'
  ctx.body = views.render(page)
}
