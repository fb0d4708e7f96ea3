// The grant type refresh_token (RFC 6749 §6). What rotates and what counts as reuse is decided in
// grants/.
import { actsForUsers, isConfidential } from '../../model/app.ts'
import { limitKey } from '../../http/client-address.ts'
import { getParameter } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import { type ParsedToken, parseTokenOf } from '../../shared/token-format.ts'
import { parseScopeList } from '../scope-list.ts'
import { type GrantType, permits } from './grant-type.ts'
import { termsFor } from './token-terms.ts'

export interface RefreshTokenRequest {
  refreshToken: ParsedToken
  /** All that were granted, where it names none. */
  scopes: string[] | undefined
}

export const refreshToken: GrantType<RefreshTokenRequest> = {
  refusalFor: (app) => (actsForUsers(app.type) ? undefined : 'grant_not_allowed'),

  parse(parameters) {
    const presented = parseTokenOf('refresh', getParameter(parameters, 'refresh_token'))
    if (presented === undefined) throw new AppError('refresh_token_malformed')
    const scope = parameters.get('scope')
    return {
      refreshToken: presented,
      scopes: scope === undefined ? undefined : parseScopeList(scope),
    }
  },

  issue: ({ app, address }, request, deps) =>
    deps.grants.refresh(request.refreshToken, {
      appId: app.id,
      terms: termsFor(app, deps.settings),
      scopes: request.scopes,
      isPermitted: permits(app, deps),
      isProven: isConfidential(app),
      ...(address !== undefined && { network: limitKey(address) }),
    }),
}
