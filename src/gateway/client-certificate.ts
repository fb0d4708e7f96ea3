// A gateway that shows a client certificate to the proxy in front of us, which verified it and
// passes it on in a header (RFC 9440). Invariant: the header counts only on a connection from a
// proxy of ours, and only once; from anybody else it is as if it were not there.
import { sha256Hex } from '../shared/crypto.ts'
import { countOf } from '../http/bearer.ts'

/** Which certificates open which resource server, and in which header they come. */
export interface ClientCertificates {
  /** Lower-case name of the header. */
  readonly header: string
  /** SHA-256 of the certificate (DER) in lower-case hex → client id. */
  readonly apps: ReadonlyMap<string, string>
  /** Whether a connection from there is one of our own proxies. */
  readonly isProxy: (address: string) => boolean
}

/** What a connection says. */
export interface CertificateOrigin {
  readonly remoteAddress: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
}

const MOST_REMEMBERED = 1000

/**
 * Creates the reader; it returns the client id whose certificate the proxy saw, or `undefined`
 * where no certificate counts.
 */
export function createCertificateReader(
  certificates: ClientCertificates,
): (origin: CertificateOrigin) => string | undefined {
  const { header, apps, isProxy } = certificates
  // A gateway shows the same certificate with each call, and hashing it costs more than the rest of
  // the proof.
  const recognised = new Map<string, string>()
  return function readCertificate({ remoteAddress, headers, rawHeaders }) {
    const value = headers[header]
    if (apps.size === 0 || typeof value !== 'string') return undefined
    if (remoteAddress === undefined || !isProxy(withoutMapping(remoteAddress))) return undefined
    if (countOf(header, rawHeaders) !== 1) return undefined
    const before = recognised.get(value)
    if (before !== undefined) return before
    const print = fingerprintOf(value)
    const appId = print === undefined ? undefined : apps.get(print)
    if (appId !== undefined && recognised.size < MOST_REMEMBERED) recognised.set(value, appId)
    return appId
  }
}

/** Returns the IPv4 address that an IPv6 one carries; any other as it is. */
export const withoutMapping = (address: string): string =>
  address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address

// RFC 9440 §2.1: a Byte Sequence of RFC 8941 §3.3.5 with the certificate in DER.
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]+={0,2}):$/
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/
const HEX = /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i

/**
 * Returns the SHA-256 of a certificate in lower-case hex, from the header in any of the forms in
 * which proxies write it: RFC 9440's, the PEM text percent-encoded (nginx), or the fingerprint
 * itself in hex (HAProxy, Envoy).
 */
export function fingerprintOf(value: string): string | undefined {
  const text = value.trim()
  if (HEX.test(text)) return text.replaceAll(':', '').toLowerCase()
  const base64 = BYTE_SEQUENCE.exec(text)?.[1] ?? PEM.exec(decoded(text))?.[1]
  return base64 === undefined ? undefined : sha256Hex(Buffer.from(base64, 'base64'))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
