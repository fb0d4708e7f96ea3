// How a form that failed is answered by a redirect: what the next page shows travels in a signed
// cookie that scripts cannot read, only to that page's path and for minutes. Invariants: addresses
// carry no more than that there is something to show, so nothing typed is in a URL; no password is
// ever kept; and Back or reload repeats no form. Called by the routes of people's pages.
import type { Context } from 'koa'
import { MINUTE } from '../shared/clock.ts'

/** The parameter of an address that shows what came of a form. */
const OUTCOME_PARAMETER = 'shows'
const OUTCOME = 'outcome'
const NAME = 'otesse_outcome'
const KEPT_MILLIS = 10 * MINUTE
/** Browsers refuse larger cookies. */
const LONGEST = 3000

/**
 * Keeps what the next page shows, and sends the browser to it.
 *
 * @param less what is kept instead where a cookie has no room for all of it, such as for a text
 * that was pasted into the wrong field: the page then still says what was wrong
 */
export function redirectToOutcome(
  ctx: Context,
  issuer: string,
  url: string,
  outcome: object,
  less: object = outcome,
): void {
  const value = [outcome, less]
    .map((each) => Buffer.from(JSON.stringify(each)).toString('base64url'))
    .find(({ length }) => length <= LONGEST)
  const [path = url] = url.split('?')
  if (value !== undefined)
    ctx.cookies.set(nameAt(issuer), value, {
      httpOnly: true,
      sameSite: 'lax',
      signed: true,
      path,
      maxAge: KEPT_MILLIS,
    })
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(`${url}${url.includes('?') ? '&' : '?'}${OUTCOME_PARAMETER}=${OUTCOME}`)
}

/**
 * Returns what the address says is to be shown, if this browser has it; what is no such outcome is
 * left to the caller to find out.
 */
export function outcomeToShow(ctx: Context, issuer: string): unknown {
  if (new URLSearchParams(ctx.querystring).get(OUTCOME_PARAMETER) !== OUTCOME) return undefined
  const value = ctx.cookies.get(nameAt(issuer), { signed: true })
  if (value === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(value, 'base64url').toString()) as unknown
  } catch {
    return undefined
  }
}

const nameAt = (issuer: string): string =>
  `${issuer.startsWith('https:') ? '__Secure-' : ''}${NAME}`
