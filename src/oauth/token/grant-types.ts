// The grant types that the token endpoint knows, by the name that RFC 6749 gives them.
import { type Parameters, getParameter } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import { authorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import type { GrantType } from './grant-type.ts'
import { refreshToken } from './refresh-token.ts'

const GRANT_TYPES = {
  authorization_code: authorizationCode,
  refresh_token: refreshToken,
  client_credentials: clientCredentials,
}

export type GrantTypeName = keyof typeof GRANT_TYPES

/** A grant type and its name. */
export interface NamedGrantType {
  name: GrantTypeName
  type: GrantType
}

const BY_NAME: ReadonlyMap<string, NamedGrantType> = new Map(
  (Object.keys(GRANT_TYPES) as GrantTypeName[]).map((name) => [
    name,
    { name, type: GRANT_TYPES[name] },
  ]),
)

/**
 * Finds the grant type that a request names.
 *
 * @throws {AppError} `parameter_missing`, `grant_type_password`, `grant_type_unsupported`
 */
export function grantTypeOf(parameters: Parameters): NamedGrantType {
  const name = getParameter(parameters, 'grant_type')
  const found = BY_NAME.get(name)
  if (found !== undefined) return found
  if (name === 'password') throw new AppError('grant_type_password')
  throw new AppError('grant_type_unsupported', { came: name })
}
