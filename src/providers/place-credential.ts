// How a credential is put into a call of a provider's API: in a header of the provider's choice,
// in the query, or as HTTP Basic. Invariant: a value that would begin another header or another
// parameter is refused or encoded.
import type { Provider } from './provider.ts'
import { basic } from './token-request.ts'

/** A call's own part of the credential. */
export interface PlacedCredential {
  headers: Readonly<Record<string, string>>
  query: Readonly<Record<string, string>>
}

/** What a provider's calls are made with: an access token, or what was typed into its fields. */
export type ApiCredential =
  { kind: 'token'; token: string } | { kind: 'keys'; values: Readonly<Record<string, string>> }

/**
 * Says where the credential goes (RFC 6750 §2.1 where the provider says nothing else).
 *
 * @throws {Error} a value that no header can carry, or a field without a value
 */
export function placeCredential(
  { api = {}, fields = [] }: Pick<Provider, 'api' | 'fields'>,
  credential: ApiCredential,
): PlacedCredential {
  if (credential.kind === 'keys' && api.basic !== undefined) {
    const [user = '', ...password] = api.basic.split(':')
    const fill = (text: string) =>
      text.replace(FIELD, (_, name: string) => valueOf(credential.values, name))
    return inHeader('authorization', basic(fill(user), fill(password.join(':'))))
  }
  const main = fields.find(({ secret }) => secret)?.name ?? ''
  const value = credential.kind === 'token' ? credential.token : valueOf(credential.values, main)
  if (api.query !== undefined) return { headers: {}, query: { [api.query]: value } }
  const prefix = api.prefix ?? 'Bearer'
  const header = (api.header ?? 'Authorization').toLowerCase()
  return inHeader(header, prefix === '' ? value : `${prefix} ${value}`)
}

/** Writes the address of a call with the credential's part of the query. */
export function addressWith(url: string, { query }: Pick<PlacedCredential, 'query'>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? url : `${url}${url.includes('?') ? '&' : '?'}${text}`
}

const FIELD = /\{([a-z][a-z0-9_]*)\}/g
const VISIBLE = /^[\x20-\x7e]+$/

function inHeader(name: string, value: string): PlacedCredential {
  if (!VISIBLE.test(value)) throw new Error('The credential cannot be sent in a header.')
  return { headers: { [name]: value }, query: {} }
}

function valueOf(values: Readonly<Record<string, string>>, name: string): string {
  const value = Object.hasOwn(values, name) ? values[name] : undefined
  if (value === undefined) throw new Error(`The credential has no value for ${name}.`)
  return value
}
