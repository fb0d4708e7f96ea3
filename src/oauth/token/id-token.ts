// The id_token that comes with a redeemed code when `openid` was granted (OpenID Connect Core
// §3.1.3.3). Signed with the app's algorithm; never made on the paths that API calls load.
import type { Clock } from '../../shared/clock.ts'
import { epochSeconds } from '../../shared/clock.ts'
import { accessTokenHash } from '../../shared/crypto.ts'
import type { SigningAlg } from '../../model/signing-alg.ts'
import type { Sign } from '../signer.ts'

export interface IdTokenFacts {
  appId: string
  alg: SigningAlg
  accountId: string
  accessToken: string
  nonce: string | undefined
  authTime: number | undefined
}

/** Makes the id_token of a redeemed code. */
export type IssueIdToken = (facts: IdTokenFacts) => Promise<string>

const LIFE_SECONDS = 3600

/** Creates the issuer of id_tokens. */
export function createIdTokenIssuer(deps: {
  issuer: string
  sign: Sign
  clock: Clock
}): IssueIdToken {
  return function issueIdToken(facts) {
    const now = epochSeconds(deps.clock)
    return deps.sign(
      {
        at_hash: accessTokenHash(facts.accessToken),
        ...(facts.nonce === undefined ? {} : { nonce: facts.nonce }),
        ...(facts.authTime === undefined ? {} : { auth_time: facts.authTime }),
        iss: deps.issuer,
        sub: facts.accountId,
        aud: facts.appId,
        iat: now,
        exp: now + LIFE_SECONDS,
      },
      'JWT',
      facts.alg,
    )
  }
}
