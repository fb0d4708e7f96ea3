// Which web pages may call the back channel from a browser: those of the public app itself, by the
// origins of its redirect URIs and those that an admin named. Credentials of the browser are never
// involved. Invariant: no other page can read an answer.
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { HttpCall } from '../http/http-call.ts'

const EXPOSED = 'Retry-After, WWW-Authenticate, X-Request-Id'

// What a request of these endpoints needs. Tracing libraries add headers of their own to each
// request.
const NEEDED_HEADERS = 'authorization, content-type'
const HEADER_LIST = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/
const LONGEST_HEADER_LIST = 1000

/**
 * Answers a preflight: it says what may be sent, which is whatever is asked for, since no
 * credentials of the browser are involved. Who may read the answer is decided when the app is
 * known.
 */
export function answerPreflight(call: HttpCall, methods: 'GET' | 'POST' = 'POST'): void {
  const asked = call.req.headers['access-control-request-headers']
  const isEchoed =
    typeof asked === 'string' && asked.length <= LONGEST_HEADER_LIST && HEADER_LIST.test(asked)
  call.status = 204
  call.vary('Access-Control-Request-Headers')
  call.set('Access-Control-Allow-Origin', '*')
  call.set('Access-Control-Allow-Methods', methods)
  call.set('Access-Control-Allow-Headers', isEchoed ? asked : NEEDED_HEADERS)
  call.set('Access-Control-Max-Age', '3600')
}

/** Lets the page that called read the answer, if it belongs to the public app. */
export function allowOrigin(call: HttpCall, app: App): void {
  const { origin } = call.req.headers
  if (origin === undefined || isConfidential(app)) return
  call.vary('Origin')
  if (!isOwnOrigin(app, origin)) return
  call.set('Access-Control-Allow-Origin', origin)
  call.set('Access-Control-Expose-Headers', EXPOSED)
}

/** Returns whether pages of the origin belong to the app. */
export const isOwnOrigin = (
  { redirectUris, allowedOrigins }: Pick<App, 'redirectUris' | 'allowedOrigins'>,
  origin: string,
): boolean =>
  allowedOrigins.includes(origin) || redirectUris.some((uri) => originOf(uri) === origin)

/**
 * Lets every web page read the answer: a refusal before it is known who asks, in which nothing
 * stands of anybody. Without it a page sees a network error and no Retry-After.
 */
export function letEveryPageRead(call: HttpCall): void {
  if (call.req.headers.origin === undefined) return
  call.vary('Origin')
  call.set('Access-Control-Allow-Origin', '*')
  call.set('Access-Control-Expose-Headers', EXPOSED)
}

/** Returns the web origin of a redirect URI; private-use schemes have none. */
function originOf(uri: string): string | undefined {
  const { origin } = new URL(uri)
  return origin === 'null' ? undefined : origin
}
