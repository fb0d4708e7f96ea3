// The security headers of every page. Pages run no script (or one file of ours), load nothing from
// elsewhere, cannot be framed or cached, and send their forms only to us, or to one named address.
// Called by send-page.ts.

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

const contentSecurityPolicy = (scripts: boolean, formsTo = "'self'"): string =>
  [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    // Chromium holds the whole chain of redirects after a form against this. It can stay this
    // narrow because no form is answered with a redirect that leaves us: sign-in/ answers with a
    // page that goes on by itself.
    `form-action ${formsTo}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...(scripts ? ["script-src 'self'"] : []),
  ].join('; ')

const WITHOUT_SCRIPTS = contentSecurityPolicy(false)
const WITH_OUR_SCRIPTS = contentSecurityPolicy(true)

/**
 * Returns the headers of one page.
 *
 * @param options.keepsOpener for pages on an app's way through us: apps open us in a popup and talk
 * to it after it came back to them, and one page that isolates itself would cut that tie for good
 * @param options.runsScripts for pages that work without, and better with, the scripts among our
 * assets
 * @param options.formsTo the one address to which the page's forms go, as a source of the policy;
 * our own where it is absent
 */
export function pageHeaders({
  keepsOpener,
  runsScripts = false,
  formsTo,
}: {
  keepsOpener: boolean
  runsScripts?: boolean
  formsTo?: string | undefined
}): Record<string, string> {
  return {
    'Content-Security-Policy':
      formsTo === undefined
        ? runsScripts
          ? WITH_OUR_SCRIPTS
          : WITHOUT_SCRIPTS
        : contentSecurityPolicy(runsScripts, formsTo),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': keepsOpener ? 'unsafe-none' : 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    'Permissions-Policy': permissionsPolicy,
  }
}
