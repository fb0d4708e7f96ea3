// The security headers of every page a person sees. Pages run no script, load nothing from elsewhere, cannot be framed or
// cached, and may send forms only to us and to the app that is being answered. Called by the routes that show pages.

const permissionsPolicy = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'hid',
  'microphone',
  'midi',
  'payment',
  'screen-wake-lock',
  'serial',
  'usb',
]
  .map((feature) => `${feature}=()`)
  .join(', ')

// Schemes whose content comes from the address itself, from the device or from the browser: never an app that we answer.
const refusedSchemes = new Set([
  'about:',
  'blob:',
  'chrome:',
  'data:',
  'file:',
  'filesystem:',
  'ftp:',
  'javascript:',
  'vbscript:',
  'view-source:',
  'ws:',
  'wss:',
])

// Stricter than the URL parser, which lets `;`, `,`, `*` and quotes stand in a host: in a policy they end a directive, end the
// policy, or match any host.
const safeHostname = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
const ipv6Hostname = /^\[[0-9a-f:.]+\]$/
const safeScheme = /^[a-z][a-z0-9+.-]{0,99}:$/

/**
 * Returns the headers of one page.
 *
 * `formTargets` are the redirect URIs to which the answer to one of the page's forms may lead: Chromium applies `form-action`
 * to the whole chain of redirects after a form was sent. One that cannot be expressed safely is left out, so that at worst the
 * browser refuses the way back. The chain goes on behind the redirect URI: an app that forwards from there to an origin of
 * another name is refused as well, unless that origin is named here too.
 */
export function pageHeaders({
  formTargets,
}: {
  formTargets: readonly string[]
}): Record<string, string> {
  const formAction = ["'self'", ...new Set(formTargets.flatMap(formSources))].join(' ')
  return {
    'Content-Security-Policy': [
      "default-src 'none'",
      "style-src 'self'",
      "img-src 'self'",
      `form-action ${formAction}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    // Apps open us in a popup and talk to it after it came back to them; `same-origin` on the way would cut that tie for good.
    'Cross-Origin-Opener-Policy': formTargets.length > 0 ? 'unsafe-none' : 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    'Permissions-Policy': permissionsPolicy,
  }
}

function formSources(redirectUri: string): string[] {
  const url = URL.parse(redirectUri)
  if (url === null || refusedSchemes.has(url.protocol)) return []
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return safeScheme.test(url.protocol) ? [url.protocol] : []
  }
  const port = url.port === '' ? '' : `:${url.port}`
  if (safeHostname.test(url.hostname)) return [`${url.protocol}//${url.hostname}${port}`]
  // A policy has no spelling for an IPv6 address; any host on that very port is the narrowest that matches `[::1]`.
  if (ipv6Hostname.test(url.hostname)) return [`${url.protocol}//*${port}`]
  return []
}
