// Which app a page on its way through us belongs to, kept in a signed cookie on that page's path:
// the engine forgets a step when it is over, and whoever comes back to it wants to start again at
// the app. Invariant: the cookie names the app to this browser only, and opens nothing.
import type { Context } from 'koa'
import type { AppCard } from '../apps/app-card.ts'
import { HOUR } from '../shared/clock.ts'

const KEPT_MILLIS = 6 * HOUR

const nameAt = (issuer: string): string =>
  `${issuer.startsWith('https:') ? '__Secure-' : ''}otesse_app`

/** Remembers the app of the page at that path. */
export function rememberAppOfPage(ctx: Context, issuer: string, path: string, appId: string): void {
  const attributes = { httpOnly: true, sameSite: 'lax', signed: true } as const
  ctx.cookies.set(nameAt(issuer), appId, { ...attributes, path, maxAge: KEPT_MILLIS })
}

/** Returns the id of the app that this browser was on the way to when it saw the page. */
export const appOfPage = (ctx: Context, issuer: string): string | undefined =>
  ctx.cookies.get(nameAt(issuer), { signed: true })

/** Lets the error page of this request name the app and offer to start again there. */
export function nameAppOnErrorPage(ctx: Context, app: AppCard): void {
  ctx.state['appOfPage'] = app
}

/** Returns the app that the error page of this request names. */
export const appOnErrorPage = (ctx: Context): AppCard | undefined =>
  (ctx.state as { appOfPage?: AppCard } | undefined)?.appOfPage
