// The address that an answer is sent to, as the app wrote it. Invariant: an answer goes to the
// redirect URI that the engine has checked, byte for byte, with the answer's parameters behind.
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'

/**
 * RFC 6749 §3.1.2: the query of a redirect URI "MUST be retained". The engine reads it and writes
 * it anew, which turns `%20` into `+`, `flag` into `flag=`, and adds a slash to a bare host.
 */
export function redirectAsItCame(ctx: Context): void {
  const redirectUri = (ctx as Partial<KoaContextWithOIDC>).oidc?.params?.['redirect_uri']
  const location = ctx.response.get('Location')
  if (typeof redirectUri !== 'string' || !URL.canParse(redirectUri)) return
  const asEngine = new URL(redirectUri)
  const [address, query] = split(location)
  if (query === '' || address !== split(asEngine.href)[0]) return
  const answer = new URLSearchParams(query)
  // No registered query has a parameter of the answer (apps/redirect-uri.ts).
  for (const name of asEngine.searchParams.keys()) answer.delete(name)
  if (!answer.has('code') && !answer.has('error')) return
  ctx.set('Location', redirectUri + joint(redirectUri) + answer.toString())
}

function split(address: string): [address: string, query: string] {
  const at = address.indexOf('?')
  return at < 0 ? [address, ''] : [address.slice(0, at), address.slice(at + 1)]
}

function joint(address: string): '?' | '&' | '' {
  if (!address.includes('?')) return '?'
  return /[?&]$/.test(address) ? '' : '&'
}
