// Randomness, hashing, keyed hashing and comparison: the only user of node:crypto beside
// encryption.ts. Invariant: every comparison of secret material is constant-time, every random
// string is unbiased.
import * as crypto from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from './secret.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = 62
// The largest multiple of 62 below 256: bytes from here on are thrown away, or the first letters
// would come up more often.
const UNBIASED_BELOW = 248

const pool = Buffer.allocUnsafe(4096)
let poolAt = pool.length

function nextRandomByte(): number {
  if (poolAt === pool.length) {
    crypto.randomFillSync(pool)
    poolAt = 0
  }
  const byte = pool[poolAt] ?? 0
  pool[poolAt] = 0
  poolAt += 1
  return byte
}

/** Returns `length` random base62 characters (5.95 bits each). */
export function randomBase62(length: number): string {
  let out = ''
  while (out.length < length) {
    const byte = nextRandomByte()
    if (byte < UNBIASED_BELOW) out += ALPHABET.charAt(byte % BASE)
  }
  return out
}

/** Writes a non-negative integer in base62, padded with zeros to `width`. */
export function base62Number(value: number, width: number): string {
  let out = ''
  let rest = value
  for (let at = 0; at < width; at += 1) {
    out = ALPHABET.charAt(rest % BASE) + out
    rest = Math.floor(rest / BASE)
  }
  return out
}

// The value of each ASCII character, -1 where it is none: each API call reads a number, so no
// search for each of its digits.
const DIGITS = Int8Array.from({ length: 128 }, (_, code) =>
  ALPHABET.indexOf(String.fromCharCode(code)),
)

/** Reads what base62Number wrote; NaN where a character is not base62. @param from where the number begins in the text */
export function parseBase62Number(text: string, from = 0): number {
  let value = 0
  for (let at = from; at < text.length; at += 1) {
    const digit = DIGITS[text.charCodeAt(at)] ?? -1
    if (digit < 0) return Number.NaN
    value = value * BASE + digit
  }
  return value
}

/** Returns the SHA-256 of a text in base64url: the key under which stores know a token. */
export function sha256(text: string): string {
  return crypto.hash('sha256', text, 'base64url')
}

/** Returns the SHA-256 of bytes in hex, for content addresses. */
export function sha256Hex(bytes: Uint8Array): string {
  return crypto.hash('sha256', bytes, 'hex')
}

/** Returns up to 26 base62 characters that are a function of the text alone: a name, not a secret. */
export function base62Hash(text: string, length: number): string {
  let number = BigInt(`0x${crypto.hash('sha256', text, 'hex')}`)
  let out = ''
  for (let at = 0; at < length; at += 1) {
    out += ALPHABET.charAt(Number(number % 62n))
    number /= 62n
  }
  return out
}

/** Compares two texts in constant time; texts of different length are different. */
export function equalInConstantTime(left: string, right: string): boolean {
  const a = Buffer.from(left)
  const b = Buffer.from(right)
  return a.length === b.length && crypto.timingSafeEqual(a, b)
}

/** Compares two byte strings in constant time; those of different length are different. */
export const equalBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && crypto.timingSafeEqual(left, right)

/** Returns the HMAC of parts that follow one another, as others make it. */
export function hmacBytes(
  hash: 'sha256' | 'sha1' | 'sha512',
  key: Uint8Array,
  parts: readonly Uint8Array[],
): Buffer {
  const hmac = crypto.createHmac(hash, key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/** A key for keyed hashing that only ever serves one purpose. */
export interface MacKey {
  /** Tells keys apart, 8 characters of base64url; says nothing of the key. */
  readonly id: string
  /** Returns HMAC-SHA-256 in base64url. */
  mac(text: string): string
  /** Returns `length` base62 characters that are a function of the text and the key, unbiased. */
  base62(text: string, length: number): string
}

const KEY_ID_LENGTH = 8

function createMacKey(bytes: Buffer): MacKey {
  // A KeyObject spares Node the import of the raw key at each use (16 µs → 3 µs).
  const key = crypto.createSecretKey(bytes)
  // As text and not as a Buffer, which costs more to make than the digest itself.
  const digest = (text: string, encoding: 'base64url' | 'binary'): string =>
    crypto.createHmac('sha256', key).update(text).digest(encoding)
  return {
    id: digest('key id', 'base64url').slice(0, KEY_ID_LENGTH),
    mac: (text) => digest(text, 'base64url'),
    base62(text, length) {
      let out = ''
      for (let round = 0; out.length < length; round += 1) {
        // One digest gives 31 characters on average; a second round is for the rare digest with
        // many bytes thrown away.
        const bytes = digest(round === 0 ? text : `${text} ${round}`, 'binary')
        for (let at = 0; at < bytes.length && out.length < length; at += 1) {
          const byte = bytes.charCodeAt(at)
          if (byte < UNBIASED_BELOW) out += ALPHABET.charAt(byte % BASE)
        }
      }
      return out
    },
  }
}

/** What a server key may be used for; each purpose gets an independent key. */
export type KeyPurpose =
  'client-secret' | 'refresh-token' | 'cookie' | 'csrf' | 'idempotency' | 'known-place'

/** The keys derived from OTESSE_SECRET_KEY: the first secret makes, all of them recognise. */
export interface ServerKeys {
  /** The key that new values are made with. */
  current(purpose: KeyPurpose): MacKey
  /** The keys that recognise values, current first. */
  all(purpose: KeyPurpose): readonly MacKey[]
  /** Raw derived keys in hex for a library that wants key text (cookie signing), current first. */
  texts(purpose: KeyPurpose): string[]
}

/**
 * Derives independent keys for each purpose from the configured secrets (RFC 5869, HKDF-SHA-256).
 *
 * @param secrets at least one; the first is current, the others are being rotated out
 */
export function createServerKeys(secrets: readonly Secret<string>[]): ServerKeys {
  const derive = (purpose: KeyPurpose): Buffer[] =>
    secrets.map((secret) =>
      Buffer.from(crypto.hkdfSync('sha256', secret.reveal(), '', `otesse/${purpose}`, 32)),
    )
  const purposes: KeyPurpose[] = [
    'client-secret',
    'refresh-token',
    'cookie',
    'csrf',
    'idempotency',
    'known-place',
  ]
  const bytes = new Map(purposes.map((purpose) => [purpose, derive(purpose)]))
  const keys = new Map([...bytes].map(([purpose, list]) => [purpose, list.map(createMacKey)]))
  const all = (purpose: KeyPurpose): readonly MacKey[] => keys.get(purpose) ?? []
  return {
    all,
    current(purpose) {
      const [first] = all(purpose)
      if (first === undefined) throw new Error('at least one server secret is needed')
      return first
    },
    texts: (purpose) => (bytes.get(purpose) ?? []).map((key) => key.toString('hex')),
  }
}

/** Returns the PKCE S256 challenge of a verifier (RFC 7636 §4.2). */
export function pkceChallenge(verifier: string): string {
  return sha256(verifier)
}

/** Returns the left half of the token's hash, as an id_token names its access token (OpenID Connect Core §3.1.3.6). */
export function accessTokenHash(token: string): string {
  // SHA-256 is the hash of ES256 and of RS256.
  const digest = crypto.hash('sha256', token, 'buffer')
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

const generateKeyPair = promisify(crypto.generateKeyPair)

/**
 * Makes a private signing key as a JWK together with its public half. An RSA key takes about a
 * tenth of a second, which the event loop does not wait for.
 */
export async function createSigningKey(alg: 'ES256' | 'RS256'): Promise<{
  privateJwk: crypto.webcrypto.JsonWebKey
  publicJwk: crypto.webcrypto.JsonWebKey
}> {
  const pair =
    alg === 'ES256'
      ? await generateKeyPair('ec', { namedCurve: 'P-256' })
      : await generateKeyPair('rsa', { modulusLength: 2048 })
  return {
    privateJwk: pair.privateKey.export({ format: 'jwk' }),
    publicJwk: pair.publicKey.export({ format: 'jwk' }),
  }
}
