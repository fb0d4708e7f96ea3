// The cookie by which a browser is recognised in which somebody signed in before. What it says is
// made and read in sign-in/; here is how it travels: signed, out of reach of scripts, not sent
// along by foreign pages, and only to this host.
import type { Context } from 'koa'

/** Reads and writes the cookie. */
export interface BrowserCookie {
  read(ctx: Context): string | undefined
  write(ctx: Context, value: string): void
}

/** Creates it for the server at that address. */
export function createBrowserCookie(issuer: string, maxAgeMillis: number): BrowserCookie {
  const name = `${issuer.startsWith('https:') ? '__Host-' : ''}otesse_browser`
  return {
    read: (ctx) => ctx.cookies.get(name, { signed: true }),
    write(ctx, value) {
      const attributes = { httpOnly: true, sameSite: 'lax', signed: true, path: '/' } as const
      ctx.cookies.set(name, value, { ...attributes, maxAge: maxAgeMillis })
    },
  }
}
