// PKCE (RFC 7636): the client that redeems a code proves that it began the authorization.
import { equalInConstantTime, pkceChallenge } from '../../shared/crypto.ts'
import type { ErrorCode } from '../../shared/errors.ts'

/**
 * Says what is wrong with a verifier, if anything.
 *
 * @param challenge what the code is bound to; absent where the app went without PKCE
 */
export function pkceProblem(
  challenge: string | undefined,
  verifier: string | undefined,
): ErrorCode | undefined {
  if (challenge === undefined)
    // RFC 9700 §2.1.1: a verifier without a challenge means that the challenge was taken out of the
    // request on its way (PKCE downgrade).
    return verifier === undefined ? undefined : 'pkce_unexpected'
  if (verifier === undefined) return 'pkce_missing'
  // RFC 7636 §4.1: 43 to 128 characters. Which ones is left open, because clients in use send
  // others than the unreserved ones.
  if (verifier.length < 43 || verifier.length > 128) return 'pkce_verifier_malformed'
  // RFC 7636 §4.6: the server verifies code_verifier against the challenge.
  return equalInConstantTime(pkceChallenge(verifier), challenge) ? undefined : 'pkce_mismatch'
}
