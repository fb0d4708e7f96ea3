// What ties a form that nobody has to be signed in for to one browser. Without it a foreign page
// could sign somebody in to the attacker's account, who would then connect their apps to it. It is
// a random key in a cookie that only we can sign and only this host can set (__Host-): a foreign
// page can make the browser send the cookie, but cannot read the token that goes with it; csrf.ts
// looks at Sec-Fetch-Site besides. The key opens nothing, so it is no secret that ends with the
// sign-in: a second click of two, and a second tab, still fit. Called by the routes of such forms.
import type { Context } from 'koa'
import { DAY } from '../shared/clock.ts'
import { randomBase62 } from '../shared/crypto.ts'

/** The keys of anonymous forms. */
export interface FormKeys {
  /** Returns the browser's key, and sees to it that the browser has it when the form comes back. */
  hold(ctx: Context): string
  /** Returns the key that the browser sent; one that fits no form where it sent none. */
  held(ctx: Context): string
}

/** Creates the keys for the server at that address. */
export function createFormKeys(issuer: string): FormKeys {
  const isSecure = issuer.startsWith('https:')
  const name = `${isSecure ? '__Host-' : ''}otesse_form`
  const sent = (ctx: Context): string | undefined => ctx.cookies.get(name, { signed: true })
  return {
    hold(ctx) {
      const key = sent(ctx) ?? randomBase62(22)
      const attributes = { httpOnly: true, sameSite: 'lax', signed: true, path: '/' } as const
      ctx.cookies.set(name, key, { ...attributes, maxAge: DAY })
      return key
    },
    held: (ctx) => sent(ctx) ?? randomBase62(22),
  }
}
