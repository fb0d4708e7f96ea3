// Signs JWTs with the current keys of the key ring (RFC 7515). Never on the paths that API calls
// load, unless a caller asks for it.
import { importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'
import type { SigningAlg } from '../model/signing-alg.ts'

/** A private signing key. */
export type SigningJwk = JWK & { kid: string; alg: SigningAlg }

/** Signs claims. @param typ the kind of JWT (RFC 8725 §3.11), so that none is taken for another */
export type Sign = (claims: JWTPayload, typ: string, alg: SigningAlg) => Promise<string>

/** Creates the signer over the private keys, of each algorithm the current one first. */
export function createSigner(keyRing: {
  privateJwks(): { readonly keys: readonly SigningJwk[] }
}): Sign {
  const imported = new Map<SigningAlg, ImportedKey>()
  return async function sign(claims, typ, alg) {
    const jwk = keyRing.privateJwks().keys.find((key) => key.alg === alg)
    if (jwk === undefined) throw new Error(`the key ring has no key for ${alg}`)
    const { kid } = jwk
    const before = imported.get(alg)
    // Two calls that find the key missing both import it, which is harmless.
    const usable = before?.kid === kid ? before : { kid, key: await importJWK(jwk, alg) }
    imported.set(alg, usable)
    return new SignJWT(claims).setProtectedHeader({ alg, kid, typ }).sign(usable.key)
  }
}

interface ImportedKey {
  kid: string
  key: Awaited<ReturnType<typeof importJWK>>
}
