// Answers with a page. Invariant: no page leaves without its security headers. Called by the routes
// that show pages.
import type { Context } from 'koa'
import { pageHeaders } from './page-headers.ts'
import type { Views } from './views.ts'

interface PageOptions {
  /** 200 by default. */
  status?: number
  /** See pageHeaders; false by default. */
  keepsOpener?: boolean
  runsScripts?: boolean
  formsTo?: string
}

/** Answers a request with a page. */
export function sendPage<Page extends { kind: string }>(
  ctx: Context,
  views: Views<Page>,
  page: Page,
  options: PageOptions = {},
): void {
  sendHtml(ctx, views.render(page), options)
}

/** Answers a request with a document that is rendered already. */
export function sendHtml(
  ctx: Context,
  html: string,
  { status = 200, keepsOpener = false, runsScripts = false, formsTo }: PageOptions = {},
): void {
  ctx.status = status
  ctx.set(pageHeaders({ keepsOpener, runsScripts, formsTo }))
  ctx.type = 'html'
  ctx.body = html
}
