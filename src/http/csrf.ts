// Forms that only our own pages can send. Invariant: a form counts when its token was made for
// exactly this binding (an interaction, a signed-in account) under a server key, and when the
// browser, if it says where the form came from, says: from here. The Origin header is no help,
// because pages are sent with Referrer-Policy no-referrer and browsers then write `Origin: null`.
import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { equalInConstantTime, type ServerKeys } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { readMultipart, type ReceiveFile, type Upload } from './multipart.ts'
import { type Parameters, readParameters } from './parameters.ts'

/** Makes and checks the tokens of forms. */
export interface Csrf {
  /**
   * Returns the token of a form.
   *
   * @param binding what the form is about; a browser must hold something that ties it to this, or
   * the token proves nothing
   */
  token(binding: string): string
  /**
   * Reads a form that must carry the token of the binding in `csrf`. Values arrive as they were
   * typed, spaces included.
   *
   * @throws {AppError} `csrf_mismatch`; `body_…`, `parameter_…` for what is not a form
   */
  readForm(ctx: Context, binding: string): Promise<Parameters>
  /**
   * Reads a form with files in the same way.
   *
   * @param maxFileBytes what is beyond of a file is thrown away
   * @param receive takes a file as it arrives, once the token that stands before it is right
   * @throws {AppError} the same, and `upload_too_large`
   */
  readUpload(
    ctx: Context,
    binding: string,
    maxFileBytes: number,
    receive?: ReceiveFile,
  ): Promise<Upload>
}

// `none` is a user's own doing: the address bar, a bookmark.
const OWN_SITES: ReadonlySet<unknown> = new Set([undefined, 'same-origin', 'none'])

/** Returns whether the browser, if it says where a request came from, says: from here. */
export const comesFromOurPage = ({ headers }: IncomingMessage): boolean =>
  OWN_SITES.has(headers['sec-fetch-site'])

/** Creates the tokens over the server's keys; tokens of a rotated-out key still count. */
export function createCsrf(serverKeys: ServerKeys): Csrf {
  function assertFromOurPage(ctx: Context, type: string): void {
    if (!comesFromOurPage(ctx.req))
      throw new AppError('csrf_mismatch', { detail: 'sec-fetch-site' })
    // A form is what a browser sends; JSON is for programs.
    if (ctx.is(type) === false) throw new AppError('body_type_unsupported')
    // The browser left while we were busy: its body will never arrive.
    if (ctx.req.destroyed) throw new AppError('body_incomplete')
  }

  function assertToken(fields: Parameters, binding: string): void {
    const presented = fields.get('csrf') ?? ''
    const isOurs = serverKeys
      .all('csrf')
      .some((key) => equalInConstantTime(presented, key.mac(binding)))
    if (!isOurs) throw new AppError('csrf_mismatch', { detail: 'token' })
  }

  return {
    token: (binding) => serverKeys.current('csrf').mac(binding),
    async readForm(ctx, binding) {
      assertFromOurPage(ctx, 'application/x-www-form-urlencoded')
      const form = await readParameters(ctx.req)
      assertToken(form, binding)
      return form
    },
    async readUpload(ctx, binding, maxFileBytes, receive) {
      assertFromOurPage(ctx, 'multipart/form-data')
      const upload = await readMultipart(
        ctx.req,
        maxFileBytes,
        receive &&
          (async (file, fields) => {
            assertToken(fields, binding)
            await receive(file, fields)
          }),
      )
      assertToken(upload.fields, binding)
      return upload
    },
  }
}
