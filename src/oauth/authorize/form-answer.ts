// An answer that the app gets as a form which the browser sends to it (OAuth 2.0 Form Post Response
// Mode): the redirect that the engine made becomes a page with that form. Invariant: the form goes
// to the redirect URI that the engine has checked, and the page lets forms go nowhere else.
import type { Context } from 'koa'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { sendPage } from '../../http/send-page.ts'
import type { Views } from '../../http/views.ts'
import { cameIn } from './engine/errors.ts'
import { asksForForm } from './response-mode.ts'

/** A script sends the form; without scripts the user does. */
export interface FormAnswerPage {
  kind: 'form-answer'
  /** The app's redirect URI. */
  action: string
  /** The parameters of the answer. */
  fields: readonly (readonly [name: string, value: string])[]
  appName: string | undefined
}

/** Its kind; see http/views.ts. */
export const FORM_ANSWER_PAGES: Readonly<Record<FormAnswerPage['kind'], true>> = {
  'form-answer': true,
}

/** Turns the engine's redirect to the app into a page, where the app asked for one. */
export function answerByForm(ctx: Context, views: Views<FormAnswerPage>): void {
  const { redirect_uri: redirectUri, ...params } = cameIn(ctx)
  if (typeof redirectUri !== 'string' || !asksForForm(params)) return
  const destination = formSource(redirectUri)
  const answer = answerIn(ctx.response.get('Location'), redirectUri)
  if (destination === undefined || answer === undefined) return
  ctx.remove('Location')
  const appName = (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientName
  sendPage(
    ctx,
    views,
    { kind: 'form-answer', action: redirectUri, fields: [...answer], appName },
    { keepsOpener: true, runsScripts: true, formsTo: destination },
  )
}

/** Refuses the mode where a browser could not send a form to the redirect URI. */
export function formPostCheck(ctx: KoaContextWithOIDC, value: string | undefined): void {
  if (value === undefined) return
  const redirectUri = ctx.oidc.params?.['redirect_uri']
  if (typeof redirectUri !== 'string' || formSource(redirectUri) === undefined)
    throw new errors.InvalidRequest('response_mode form_post needs a web address')
}

/**
 * Returns the address as a source of a Content-Security-Policy (CSP 3 §2.3.1): without query, and
 * with what would end it encoded. Absent for private-use schemes, to which no form can be sent, and
 * for IPv6 addresses, which the policy cannot name.
 */
function formSource(redirectUri: string): string | undefined {
  const url = URL.parse(redirectUri)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname.startsWith('['))
    return undefined
  return url.origin + url.pathname.replaceAll(';', '%3B').replaceAll(',', '%2C')
}

/** Returns what the app is told by a redirect; `undefined` where it leads elsewhere. */
function answerIn(location: string, redirectUri: string): URLSearchParams | undefined {
  // An error for a request whose answer would come in the fragment (RFC 6749 §4.2.2.1).
  const [address = '', fragment] = location.split('#')
  if (fragment !== undefined)
    return address === new URL(redirectUri).href ? new URLSearchParams(fragment) : undefined
  if (!location.startsWith(redirectUri)) return undefined
  return new URLSearchParams(location.slice(redirectUri.length).replace(/^[?&]/, ''))
}
