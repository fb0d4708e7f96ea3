// A form of the console that came too late: the sign-in behind it has ended, or is too old for what it would do. Invariants: nothing is done, and
// nothing that was typed is lost; what a foreign page sent is never shown. Called by the gate.
import type { Context } from 'koa'
import { readMultipart } from '../../http/multipart.ts'
import { type Parameters, readParameters } from '../../http/parameters.ts'
import { sendHtml } from '../../http/send-page.ts'
import type { Templates } from '../../http/views.ts'

/** Whoever sends it is not known yet, so it is read only as far as a person types. */
const MAX_BYTES = 512 * 1024

const OWN_SITES: ReadonlySet<unknown> = new Set([undefined, 'same-origin', 'none'])

/** Answers with a page that has the form in it, to be sent again after signing in in another tab; `false` where it is none that a person filled in. */
export type HoldForm = (ctx: Context, confirmUrl: string) => Promise<boolean>

/** Creates the holder. */
export function createHoldForm(templates: Pick<Templates, 'render'>): HoldForm {
  return async (ctx, confirmUrl) => {
    const { req } = ctx
    if (ctx.method !== 'POST' || !OWN_SITES.has(req.headers['sec-fetch-site'])) return false
    if (!(Number(req.headers['content-length']) <= MAX_BYTES)) return false
    const hasFiles = ctx.is('multipart/form-data') !== false
    let fields: Parameters
    let hadFile = false
    if (hasFiles) {
      const upload = await readMultipart(req, 0)
      fields = upload.fields
      hadFile = upload.files.size > 0
    } else if (ctx.is('application/x-www-form-urlencoded') !== false)
      fields = await readParameters(req)
    else return false
    const html = templates.render('console/held-form', {
      action: ctx.path,
      hasFiles,
      hadFile,
      fields: [...fields],
      confirmUrl,
    })
    sendHtml(ctx, html, { status: 403 })
    return true
  }
}
