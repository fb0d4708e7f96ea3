// Signs JWTs with the current key of the key ring (RFC 7515). Never on the paths that API calls
// load, unless a caller asks for it.
import { importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'

/** A private signing key. */
export type SigningJwk = JWK & { kid: string; alg: string }

/** Signs claims. @param typ the kind of JWT (RFC 8725 §3.11), so that none is taken for another */
export type Sign = (claims: JWTPayload, typ: string) => Promise<string>

/** Signs with the current key. */
export interface Signer {
  sign: Sign
  /** Returns the algorithm of the current key. */
  alg(): string
}

/** Creates the signer over the private keys, the current one first. */
export function createSigner(keyRing: {
  privateJwks(): { readonly keys: readonly SigningJwk[] }
}): Signer {
  let imported: { kid: string; key: Awaited<ReturnType<typeof importJWK>> } | undefined
  function currentKey(): SigningJwk {
    const [current] = keyRing.privateJwks().keys
    if (current === undefined) throw new Error('the key ring is empty')
    return current
  }
  return {
    async sign(claims, typ) {
      const jwk = currentKey()
      // Two calls that find the key missing both import it, which is harmless.
      const usable =
        imported?.kid === jwk.kid ? imported : { kid: jwk.kid, key: await importJWK(jwk, jwk.alg) }
      imported = usable
      return new SignJWT(claims)
        .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ })
        .sign(usable.key)
    },
    alg: () => currentKey().alg,
  }
}
