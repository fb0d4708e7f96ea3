// Which client may see which token, and what it learns of it (RFC 7662 §2.2).
import type { App } from '../../model/app.ts'
import type { ActiveToken } from '../../model/token-status.ts'

/** RFC 7662 §4: who may introspect what. Refresh tokens concern only the app that holds them. */
export function maySee(caller: App, token: ActiveToken): boolean {
  if (caller.id === token.app.id) return true
  if (caller.type !== 'resource_server' || token.kind !== 'access') return false
  // A token for named audiences is nobody else's business.
  return (
    token.audience === undefined || token.audience.some((name) => caller.audiences.includes(name))
  )
}

/** Returns the members of the answer about an active token, as that caller gets them. */
export const describeToken = (token: ActiveToken, issuer: string, caller: App) => ({
  active: true,
  scope: token.scopes.join(' '),
  client_id: token.app.id,
  ...(token.accountId === undefined ? { sub: token.app.id } : { sub: token.accountId }),
  ...(token.audience === undefined
    ? {}
    : { aud: token.audience.length === 1 ? token.audience[0] : token.audience }),
  iss: issuer,
  exp: token.expiresAt,
  ...(token.issuedAt === undefined ? {} : { iat: token.issuedAt }),
  ...(token.kind === 'access' ? { token_type: 'Bearer' } : {}),
  // An extension (RFC 7662 §2.2 allows them): by this id the stream of revocations names the
  // family.
  ...(caller.type === 'resource_server' ? { grant_id: token.grantId } : {}),
})
