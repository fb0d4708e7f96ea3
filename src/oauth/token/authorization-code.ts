// The grant type authorization_code (RFC 6749 §4.1.3): a code is redeemed once, by its app, with
// the redirect URI of the authorization request and the PKCE verifier.
import type { CodeRecord } from '../../grants/grant.ts'
import { getParameter } from '../../http/parameters.ts'
import { actsForUsers } from '../../model/app.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { type ParsedToken, parseTokenOf } from '../../shared/token-format.ts'
import { type GrantType, permits } from './grant-type.ts'
import { pkceProblem } from './pkce.ts'
import { termsFor } from './token-terms.ts'

/** What redeeming a code presents. */
export interface CodeRequest {
  code: ParsedToken
  redirectUri: string
  verifier: string | undefined
}

export const authorizationCode: GrantType<CodeRequest> = {
  refusalFor: (app) => (actsForUsers(app.type) ? undefined : 'grant_not_allowed'),

  parse(parameters) {
    const codeText = getParameter(parameters, 'code')
    const redirectUri = getParameter(parameters, 'redirect_uri')
    return { code: parseCode(codeText), redirectUri, verifier: parameters.get('code_verifier') }
  },

  issue: ({ app }, request, deps) =>
    deps.grants.redeem(
      request.code,
      app.id,
      termsFor(app, deps.settings),
      (record) => problemOf(record, request),
      permits(app, deps),
    ),
}

/** Reads a code. @throws {AppError} `code_malformed` */
export function parseCode(text: string): ParsedToken {
  const code = parseTokenOf('code', text)
  if (code === undefined) throw new AppError('code_malformed')
  return code
}

function problemOf(
  code: CodeRecord,
  { redirectUri, verifier }: CodeRequest,
): ErrorCode | undefined {
  // RFC 6749 §4.1.3: ensure that the redirect_uri is identical to the one of the authorization
  // request.
  if (code.redirectUri !== redirectUri) return 'redirect_uri_mismatch'
  return pkceProblem(code.codeChallenge, verifier)
}
