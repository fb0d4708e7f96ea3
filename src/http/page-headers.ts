// The security headers of every page a person sees. Pages run no script, load nothing from elsewhere, cannot be framed or cached, and send
// their forms only to us. Called by send-page.ts.

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

const contentSecurityPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  // Chromium holds the whole chain of redirects after a form against this. It can stay this narrow because no form is answered with a
  // redirect that leaves us: sign-in/ answers with a page that goes on by itself.
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * Returns the headers of one page.
 *
 * @param options.keepsOpener for pages on an app's way through us: apps open us in a popup and talk to it after it came back to them, and one
 * page that isolates itself would cut that tie for good
 */
export function pageHeaders({ keepsOpener }: { keepsOpener: boolean }): Record<string, string> {
  return {
    'Content-Security-Policy': contentSecurityPolicy,
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': keepsOpener ? 'unsafe-none' : 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    'Permissions-Policy': permissionsPolicy,
  }
}
