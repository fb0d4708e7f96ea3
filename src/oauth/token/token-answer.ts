// The answer of the token endpoint (RFC 6749 §5.1).
import type { App } from '../../model/app.ts'
import type { Issued } from '../../grants/issue.ts'
import type { IssueIdToken } from './id-token.ts'

/** Returns the members of the answer. */
export async function tokenAnswer(issued: Issued, app: App, issueIdToken: IssueIdToken) {
  const { grant, code, accessToken } = issued
  return {
    access_token: accessToken,
    refresh_token: issued.refreshToken,
    token_type: 'Bearer',
    expires_in: issued.expiresInSeconds,
    scope: issued.scopes.join(' '),
    ...(code !== undefined &&
      grant.accountId !== undefined &&
      issued.scopes.includes('openid') && {
        id_token: await issueIdToken({
          appId: app.id,
          alg: app.idTokenSignedResponseAlg,
          accountId: grant.accountId,
          accessToken,
          nonce: code.nonce,
          authTime: code.authTime,
        }),
      }),
  }
}
