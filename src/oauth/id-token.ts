// The id_token that comes with a redeemed code when `openid` was granted (OpenID Connect Core §3.1.3.3). Signed with the current key of
// the key ring; never made on the paths that API calls load.
import { importJWK, type JWK, SignJWT } from 'jose'
import type { Clock } from '../shared/clock.ts'
import { epochSeconds } from '../shared/clock.ts'
import { accessTokenHash } from '../shared/crypto.ts'

/** A private signing key. */
export type SigningJwk = JWK & { kid: string; alg: string }

export interface IdTokenFacts {
  appId: string
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
  signingKey: () => SigningJwk
  clock: Clock
}): IssueIdToken {
  let imported: { kid: string; key: Awaited<ReturnType<typeof importJWK>> } | undefined
  return async function issueIdToken(facts) {
    const jwk = deps.signingKey()
    if (imported?.kid !== jwk.kid) imported = { kid: jwk.kid, key: await importJWK(jwk, jwk.alg) }
    const now = epochSeconds(deps.clock)
    return new SignJWT({
      at_hash: accessTokenHash(facts.accessToken, jwk.alg),
      ...(facts.nonce === undefined ? {} : { nonce: facts.nonce }),
      ...(facts.authTime === undefined ? {} : { auth_time: facts.authTime }),
    })
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'JWT' })
      .setIssuer(deps.issuer)
      .setSubject(facts.accountId)
      .setAudience(facts.appId)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFE_SECONDS)
      .sign(imported.key)
  }
}
