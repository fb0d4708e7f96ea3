// Who calls the admin API: a machine app, by an access token that it got for itself. Invariants: a
// scope counts only as long as the token and the app both have it, so that taking it from the app
// works at once; no cookie, no token of a user and no token for another audience opens anything.
import type { App } from '../../model/app.ts'
import type { ActiveToken, InspectToken } from '../../model/token-status.ts'
import { type AdminScope, isAdminScope } from '../../apps/scope.ts'
import type { PresentedToken } from '../../http/bearer.ts'
import { AppError } from '../../shared/errors.ts'

/** An authenticated client. */
export interface ApiCaller {
  app: App
  scopes: ReadonlySet<AdminScope>
}

/**
 * Tells whose token it is and what it may.
 *
 * @param audience what a token with an audience must name
 * @throws {AppError} `token_missing`, `token_malformed`, `token_sent_twice`, `token_invalid`
 */
export async function authenticate(
  presented: PresentedToken,
  deps: { inspect: InspectToken; audience: string },
): Promise<ApiCaller> {
  switch (presented.kind) {
    case 'missing':
      throw new AppError('token_missing')
    case 'malformed':
      throw new AppError('token_malformed')
    case 'twice':
      throw new AppError('token_sent_twice')
    case 'token':
  }
  const status = await deps.inspect(presented.token)
  if (!status.active || !isOwnToken(status, deps.audience)) throw new AppError('token_invalid')
  const { app, scopes } = status
  const adminScopes = scopes.filter(isAdminScope).filter((scope) => app.scopes.includes(scope))
  return { app, scopes: new Set(adminScopes) }
}

const isOwnToken = (token: ActiveToken, audience: string): boolean =>
  token.kind === 'access' &&
  token.accountId === undefined &&
  token.app.type === 'machine' &&
  (token.audience === undefined || token.audience.includes(audience))

const SCHEME = 'Bearer realm="otesse"'

/** Returns the WWW-Authenticate header of a refusal (RFC 6750 §3); `undefined` where another token would change nothing. */
export function challengeOf({
  code,
  error,
  sentence,
  about,
  status,
}: AppError): string | undefined {
  // RFC 6750 §3.1: a request that lacks any authentication information SHOULD NOT be told an error
  // code.
  if (code === 'token_missing') return SCHEME
  if (code === 'power_missing')
    return `${SCHEME}, error="${error}", error_description="${sentence}", scope="${about ?? ''}"`
  return status === 401 || code === 'token_malformed' || code === 'token_sent_twice'
    ? `${SCHEME}, error="${error}", error_description="${sentence}"`
    : undefined
}
