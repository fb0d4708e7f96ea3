// What a redirect tells the app beside the error: our own sentence with what came, the page that
// explains it, and the id of the request, by which the log and the activity of the app find it.
// Invariant: nothing else of the address changes; RFC 6749 §3.1.2 has it sent back as it came.
import type { Context } from 'koa'
import { errorUri } from '../../http/error-boundary.ts'
import { requestFacts } from '../../http/request-context.ts'
import type { AppError } from '../../shared/errors.ts'

const ERROR = /[?&#]error=[^&#]*/
const DESCRIPTION = /&error_description=[^&#]*/

/**
 * Completes the engine's redirect to the app (RFC 6749 §4.1.2.1). The engine knows neither
 * `error_uri` nor `request_id`, and its words are those of its authors.
 */
export function tellApp(ctx: Context, refusal: AppError, issuer: string): void {
  const location = ctx.response.get('Location')
  const at = location.search(ERROR)
  if (at < 0) return
  const before = location.slice(0, at)
  const after = location.slice(at).replace(DESCRIPTION, '')
  const evidence = new URLSearchParams({
    error_description: refusal.sentence,
    error_uri: errorUri(issuer, refusal),
    request_id: requestFacts(ctx).requestId,
  })
  // An answer in the query ends where a fragment begins; one in the fragment ends with the address.
  const end = after.indexOf('#', 1)
  const [answer, fragment] = end < 0 ? [after, ''] : [after.slice(0, end), after.slice(end)]
  ctx.set('Location', `${before}${answer}&${evidence.toString()}${fragment}`)
}
