// Whether a callback comes from the provider, for those that sign theirs. Invariant: what is signed
// is everything that came, so that nothing can be added or taken away.
import { fillAddress, type ConfigValues } from '../../providers/address-template.ts'
import { authOf, type Provider } from '../../providers/provider.ts'
import { equalInConstantTime, hmacBytes } from '../../shared/crypto.ts'
import type { Secret } from '../../shared/secret.ts'

/**
 * Says whether a callback is the provider's, as far as it can be known; one that signs nothing and
 * repeats nothing is believed.
 *
 * @param secret our client secret there
 * @throws {ConfigValueMissing} a placeholder has no valid value
 */
export function isOfProvider(
  provider: Provider,
  query: URLSearchParams,
  config: ConfigValues,
  secret: Secret<string> | undefined,
): boolean {
  const { callback_signature: name, callback_values: values = {} } = authOf(provider)
  const repeats = Object.entries(values).every(([parameter, template]) => {
    const expected = fillAddress(template, provider.config ?? [], config)
    const came = query.getAll(parameter)
    return came.length === 1 && came[0] === expected
  })
  return repeats && (name === undefined || isSigned(query, name, secret))
}

function isSigned(
  query: URLSearchParams,
  name: string,
  secret: Secret<string> | undefined,
): boolean {
  const [signature, ...more] = query.getAll(name)
  if (signature === undefined || more.length > 0 || secret === undefined) return false
  const signed = [...query]
    .filter(([parameter]) => parameter !== name)
    .map(([parameter, value]) => `${escape(parameter, /[%&=]/g)}=${escape(value, /[%&]/g)}`)
    .sort()
    .join('&')
  const mac = hmacBytes('sha256', Buffer.from(secret.reveal()), [Buffer.from(signed)])
  return equalInConstantTime(mac.toString('hex'), signature.toLowerCase())
}

// So that a value cannot look like another parameter.
const escape = (text: string, signs: RegExp): string =>
  text.replace(signs, (sign) => encodeURIComponent(sign))
