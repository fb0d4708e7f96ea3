// What users read when something went wrong: what happened and what they can do, by reason code.
// Invariant: only the table below and the public sentence of the error are shown; detail and cause
// stay in the log, found by the reference on the page. Called by error-boundary.ts.
import type { ErrorCode } from '../shared/errors.ts'
import type { ErrorPageRenderer } from '../http/error-boundary.ts'
import { ERRORS_PATH } from '../http/error-reference.routes.ts'
import { ownPath, webAddress } from '../http/safe-links.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { appOnErrorPage } from './app-of-page.ts'
import type { ErrorPage } from './pages.ts'

interface Message {
  title: string
  /** What happened; the error's own sentence where this is absent. */
  what?: string
  /** What the user can do now. */
  next: string
  /** Whether signing in is a way on. */
  maySignIn?: true
}

const START_AGAIN = 'Go back to the app you came from and start again there.'

const MESSAGES: Partial<Record<ErrorCode, Message>> = {
  authorize_app_unknown: {
    title: 'Unknown app',
    next: 'Go back and tell the app’s developers. If that is you: compare the client_id in the link with the client ID of the app, and check that the app is active.',
  },
  authorize_client_id_missing: {
    title: 'The app’s link is incomplete',
    what: 'The link that brought you here does not say which app it is from: it has no client_id.',
    next: 'Go back and tell the app’s developers. If that is you: add the client_id of the app to the link.',
  },
  authorize_redirect_uri_missing: {
    title: 'The app’s link is incomplete',
    what: 'The link that brought you here does not say where to send you afterwards: it has no redirect_uri.',
    next: 'Go back and tell the app’s developers. If that is you: add a redirect_uri that is registered for the app.',
  },
  authorize_redirect_uri_unknown: {
    title: 'This app’s return address is not registered',
    what: 'The app asked us to send you to an address that it has not registered. For your safety, we stopped here.',
    next: 'Go back and tell the app’s developers. If that is you: the redirect_uri in the link must exactly match one that is registered for the app.',
  },
  authorize_redirect_uri_port: {
    title: 'This app’s return address is not registered',
    what: 'The app asked us to send you to a port of localhost that it has not registered. For your safety, we stopped here.',
    next: 'Go back and tell the app’s developers. If that is you: use http://127.0.0.1, which is accepted with any port, or turn on “Any port on localhost” for the app.',
  },
  authorize_request_invalid: {
    title: 'The app’s request is invalid',
    next: 'Go back to the app and try again. If it happens again, give the app’s developers the reference below.',
  },
  authorize_parameter_too_long: {
    title: 'The app’s request is too long',
    next: 'Go back and tell the app’s developers. If that is you: shorten the named parameter. Keep longer data in your own session, and send only its key as state.',
  },
  preview_over: {
    title: 'This preview is over',
    what: 'A preview of an app is only for the admin who started it, works once, and lasts ten minutes. Nothing was allowed.',
    next: 'If that is you, open the app in the console and try it again. If somebody sent you a link to this page, close it.',
  },
  interaction_expired: {
    title: 'This page is no longer valid',
    what: 'It was already used, was left open for too long, or belongs to another browser.',
    // What a browser without cookies shows from its first step on.
    next: `${START_AGAIN} If it happens again, allow cookies for this site.`,
  },
  interaction_foreign: {
    title: 'This page is no longer valid',
    what: 'It belongs to another browser, or to something you started later.',
    next: START_AGAIN,
  },
  csrf_mismatch: {
    title: 'We could not accept this form',
    what: 'It did not come from our own page, so nothing was changed.',
    next: 'Go back, reload that page and try again. If it happens again, allow cookies for this site.',
  },
  link_invalid: {
    title: 'This link no longer works',
    what: 'It was already used, has expired, or was replaced by a newer one. Nothing was changed.',
    next: 'If you have already chosen your password, sign in with it. If not, ask the person who sent you the link for a new one.',
    maySignIn: true,
  },
  upload_too_large: {
    title: 'The upload is too large',
    what: 'The form and its picture are larger than we accept. Nothing was changed.',
    next: 'Go back, choose a smaller picture or shorten the texts, and send the form again.',
  },
  not_found: {
    title: 'Page not found',
    what: 'The address may be mistyped, or the page no longer exists.',
    next: 'Check the address, or go back to where you came from.',
  },
  rate_limited: {
    title: 'Too many requests',
    what: 'Too many requests came from your network in a short time.',
    next: 'Wait a moment, then reload this page.',
  },
  temporarily_unavailable: {
    title: 'We cannot do this right now',
    what: 'Part of our service cannot be reached. Nothing was lost.',
    next: 'Wait a moment, then reload this page.',
  },
  server_error: {
    title: 'Something went wrong on our side',
    what: 'This is our fault, and it has been logged.',
    next: 'Try again. If it happens again, give us the reference below.',
  },
}

const OTHER: Message = { title: 'That did not work', next: START_AGAIN }
/** At the console nobody came from an app. */
const OTHER_AT_CONSOLE: Message = {
  title: 'That did not work',
  next: 'Go back and try again. Nothing was changed. If it happens again, search the server’s log for the reference below.',
}
const CONSOLE = /^\/admin(?:\/|$)/

/**
 * Creates the renderer of error pages.
 *
 * @param options.supportUrl where users find help; a link on every error page
 */
export function createErrorPages(
  views: Views<ErrorPage>,
  { supportUrl }: { supportUrl?: string | undefined } = {},
): ErrorPageRenderer {
  return function showError(ctx, error, requestId) {
    const { code, status, retryAfterSeconds } = error
    const isConsole = CONSOLE.test(ctx.path)
    const other = isConsole ? OTHER_AT_CONSOLE : OTHER
    const { title, what = error.sentence, next, maySignIn = false } = MESSAGES[code] ?? other
    sendPage(
      ctx,
      views,
      {
        kind: 'error',
        status,
        title,
        what,
        next,
        app: appOnErrorPage(ctx),
        code,
        guideUrl: `${ERRORS_PATH}/${error.page}`,
        came: error.came,
        requestId,
        retryAfterSeconds:
          retryAfterSeconds === undefined ? undefined : Math.max(1, retryAfterSeconds),
        homeUrl: isConsole ? ownPath('/admin') : (ownPath(supportUrl) ?? webAddress(supportUrl)),
        signInUrl: maySignIn ? '/sign-in' : undefined,
      },
      // An app may have opened us in a popup, and its user may go back from here.
      { status, keepsOpener: true },
    )
  }
}
