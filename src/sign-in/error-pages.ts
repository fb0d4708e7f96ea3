// What users read when something went wrong: what happened and what they can do, by reason code.
// Invariant: only the table below and the public sentence of the error are shown; detail and cause
// stay in the log, found by the reference on the page. Called by error-boundary.ts.
import type { ErrorCode } from '../shared/errors.ts'
import type { ErrorPageRenderer } from '../http/error-boundary.ts'
import { ownPath, webAddress } from '../http/safe-links.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import type { ErrorPage } from './pages.ts'

interface Words {
  title: string
  /** What happened; the error's own sentence where this is absent. */
  what?: string
  /** What the user can do now. */
  next: string
  /** Whether signing in is a way on. */
  maySignIn?: true
}

const START_AGAIN = 'Go back to the app that you came from and start again there.'

const WORDS: Partial<Record<ErrorCode, Words>> = {
  authorize_app_unknown: {
    title: 'We do not know this app',
    next: 'Go back and tell the people who run the app. If that is you: compare the client_id in the link with the one you got when you registered the app, and make sure that the app is active.',
  },
  authorize_redirect_uri_unknown: {
    title: 'This link does not fit the app',
    what: 'The app asked us to send you to an address that it has not registered. For your safety we went no further.',
    next: 'Go back and tell the people who run the app. If that is you: the redirect_uri in the link must be, letter for letter, one of those registered for the app.',
  },
  authorize_request_invalid: {
    title: 'The app’s request has a mistake',
    next: 'Go back to the app and try again. If it happens again, tell the people who run the app and give them the reference below.',
  },
  authorize_parameter_too_long: {
    title: 'The app’s request is too long',
    next: 'Go back and tell the people who run the app. If that is you: keep the named parameter short; what must be remembered for longer belongs into your own session, and its key into the state.',
  },
  preview_over: {
    title: 'This preview is over',
    what: 'A preview of an app is for the admin who began it, works once, and lasts ten minutes. Nothing was allowed.',
    next: 'If that is you, open the app in the console and try it again. If somebody sent you the link that led here, close this page.',
  },
  interaction_expired: {
    title: 'This page is no longer valid',
    what: 'It was used already, was left open for too long, or belongs to another browser.',
    // What a browser without cookies shows from its first step on.
    next: `${START_AGAIN} If it happens again, allow cookies for this site.`,
  },
  interaction_foreign: {
    title: 'This page is no longer valid',
    what: 'It belongs to another browser, or to something you started later.',
    next: START_AGAIN,
  },
  csrf_mismatch: {
    title: 'We could not accept that form',
    what: 'It did not come from our own page, so nothing was changed.',
    next: 'Go back, load that page again and try once more. If it happens again, allow cookies for this site.',
  },
  link_invalid: {
    title: 'This link does not work any more',
    what: 'It was used already, has expired, or was replaced by a newer one. Nothing was changed.',
    next: 'If you have chosen your password already, sign in with it. If not, ask the person who sent you the link for a new one.',
    maySignIn: true,
  },
  upload_too_large: {
    title: 'That was too much at once',
    what: 'The form and its picture are larger than we take. Nothing was changed.',
    next: 'Go back, choose a smaller picture or shorter texts, and send the form again.',
  },
  not_found: {
    title: 'There is nothing here',
    what: 'The address may be mistyped, or the page is gone.',
    next: 'Check the address, or go back to where you came from.',
  },
  rate_limited: {
    title: 'Too many requests',
    what: 'There were more requests from your network in a short time than we take.',
    next: 'Wait a moment, then load this page again.',
  },
  temporarily_unavailable: {
    title: 'We cannot do this right now',
    what: 'A part of our service is not reachable. Nothing was lost.',
    next: 'Wait a moment, then load this page again.',
  },
  server_error: {
    title: 'Something went wrong on our side',
    what: 'It was not your doing. We have a record of it.',
    next: 'Try again. If it happens again, tell us the reference below.',
  },
}

const OTHER: Words = { title: 'That did not work', next: START_AGAIN }
/** At the console nobody came from an app. */
const OTHER_AT_CONSOLE: Words = {
  title: 'That did not work',
  next: 'Go back and try again; nothing was changed. If it happens again, look for the reference below in the log of the server.',
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
    const { title, what = error.sentence, next, maySignIn = false } = WORDS[code] ?? other
    sendPage(
      ctx,
      views,
      {
        kind: 'error',
        status,
        title,
        what,
        next,
        code,
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
