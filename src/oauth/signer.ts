// Signs what is told as a JWT with the current key of the key ring (RFC 7515). Never on the paths that API calls load, unless a caller asks for it.
import { importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'

/** A private signing key. */
export type SigningJwk = JWK & { kid: string; alg: string }

/** Signs claims. @param typ the kind of JWT (RFC 8725 §3.11), so that none is taken for another */
export type Sign = (claims: JWTPayload, typ: string) => Promise<string>

/** Creates the signer. @param signingKey returns the current key */
export function createSigner(signingKey: () => SigningJwk): Sign {
  let imported: { kid: string; key: Awaited<ReturnType<typeof importJWK>> } | undefined
  return async function sign(claims, typ) {
    const jwk = signingKey()
    // Two that find it missing import it twice, to no harm.
    const held =
      imported?.kid === jwk.kid ? imported : { kid: jwk.kid, key: await importJWK(jwk, jwk.alg) }
    imported = held
    return new SignJWT(claims)
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ })
      .sign(held.key)
  }
}
