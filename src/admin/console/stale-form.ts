// A form of the console that came too late: the sign-in behind it has ended, or is too old for what
// it would do. Invariants: nothing is done, and nothing that was typed is lost; what a foreign page
// sent is never shown. Called by require-admin.ts.
import type { Context } from 'koa'
import { comesFromOurPage } from '../../http/csrf.ts'
import { readMultipart } from '../../http/multipart.ts'
import { readParameters } from '../../http/parameters.ts'
import { sendHtml } from '../../http/send-page.ts'
import type { SentForm } from './action.ts'
import type { RenderBare } from './console-views.ts'

/** The page that sends people back to the tab in which their form waits. */
export const CONFIRMED_PATH = '/admin/confirmed'

/** Whoever sends it is not known yet, so it is read only as far as a person types. */
const MAX_BYTES = 512 * 1024

/**
 * Answers with a page that has the form in it, to be sent again after signing in in another tab.
 *
 * @returns whether it did; not where the request is no form that a person filled in
 */
export async function keepForm(
  ctx: Context,
  render: RenderBare,
  confirmUrl: string,
): Promise<boolean> {
  const form = await readKeptForm(ctx)
  if (form === undefined) return false
  const html = render({
    template: 'stale-form',
    action: ctx.path,
    hasFiles: form.hasFiles,
    hadFile: form.files.size > 0,
    fields: [...form.fields],
    confirmUrl,
  })
  sendHtml(ctx, html, { status: 403 })
  return true
}

async function readKeptForm(ctx: Context): Promise<(SentForm & { hasFiles: boolean }) | undefined> {
  const { req } = ctx
  if (ctx.method !== 'POST' || !comesFromOurPage(req)) return undefined
  if (!(Number(req.headers['content-length']) <= MAX_BYTES)) return undefined
  if (ctx.is('multipart/form-data') !== false)
    return { ...(await readMultipart(req, 0)), hasFiles: true }
  if (ctx.is('application/x-www-form-urlencoded') !== false)
    return { fields: await readParameters(req), files: new Map(), hasFiles: false }
  return undefined
}
