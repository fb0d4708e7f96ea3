// PBKDF2 as passlib, the PHC form, Keycloak, Django, Werkzeug and ASP.NET Core Identity write it.
import { equalBytes } from '../../shared/crypto.ts'
import { pbkdf2 } from '../../shared/legacy-hashes.ts'
import { fromBase64, type HashFormat } from './hash-format.ts'

// About three seconds of one thread.
const MAX_ITERATIONS = 2_000_000
const MIN_BYTES = 16
// Keycloak derives 64 bytes whatever the digest is.
const MAX_BYTES = 64

/** passlib, which writes + as a dot, and the PHC form with named parameters. */
const PHC =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,8})(?:,l=\d{1,3})?\$([A-Za-z0-9./+]{1,128})={0,2}\$([A-Za-z0-9./+]{16,128})={0,2}$/
/** Django; the salt is text. */
const DJANGO =
  /^pbkdf2_(sha1|sha256|sha512)\$(\d{1,8})\$([^$\s]{1,128})\$([A-Za-z0-9+/]{16,128}={0,2})$/
/** Werkzeug; the salt is text, the rest hexadecimal. */
const WERKZEUG = /^pbkdf2:(sha1|sha256|sha512):(\d{1,8})\$([^$\s]{1,128})\$([0-9a-f]{32,256})$/
/** ASP.NET Core Identity: base64 of one block of bytes. */
const ASPNET = /^A[A-Za-z0-9+/]{40,200}={0,2}$/

const DIGEST_BYTES: Record<string, number> = { sha1: 20, sha256: 32, sha512: 64 }

interface Parts {
  digest: string
  iterations: number
  salt: Buffer
  derived: Buffer
}

/** Reads PBKDF2. */
export const parsePbkdf2: HashFormat = (hash) => {
  const parts = ofText(hash) ?? ofAspNet(hash)
  if (parts === undefined || parts.iterations < 1 || parts.salt.length === 0) return undefined
  const { salt, derived, iterations, digest } = parts
  return {
    problem: problemOf(parts),
    async matches(password) {
      // Each block costs all iterations and is derived for itself; the first proves enough.
      const block = derived.subarray(0, DIGEST_BYTES[digest])
      const computed = await pbkdf2(password, salt, { iterations, length: block.length, digest })
      return equalBytes(computed, block)
    },
  }
}

function ofText(hash: string): Parts | undefined {
  const phc = PHC.exec(hash)
  const werkzeug = WERKZEUG.exec(hash)
  const [, digest = 'sha1', iterations, salt = '', derived = ''] =
    phc ?? werkzeug ?? DJANGO.exec(hash) ?? []
  if (iterations === undefined) return undefined
  return {
    digest,
    iterations: Number(iterations),
    salt: phc === null ? Buffer.from(salt) : fromBase64(salt),
    derived: werkzeug === null ? fromBase64(derived) : Buffer.from(derived, 'hex'),
  }
}

const ASPNET_DIGESTS = ['sha1', 'sha256', 'sha512']

/**
 * Version 2: 0, salt (16), key (32). Version 3: 1, digest, iterations, length of salt, salt, key.
 */
function ofAspNet(hash: string): Parts | undefined {
  if (!ASPNET.test(hash)) return undefined
  const bytes = Buffer.from(hash, 'base64')
  if (bytes[0] === 0 && bytes.length === 49)
    return {
      digest: 'sha1',
      iterations: 1000,
      salt: bytes.subarray(1, 17),
      derived: bytes.subarray(17),
    }
  if (bytes[0] !== 1 || bytes.length < 13 + 16) return undefined
  const digest = ASPNET_DIGESTS[bytes.readUInt32BE(1)]
  const saltLength = bytes.readUInt32BE(9)
  if (digest === undefined || saltLength > bytes.length - 13 - MIN_BYTES) return undefined
  const keyAt = 13 + saltLength
  return {
    digest,
    iterations: bytes.readUInt32BE(5),
    salt: bytes.subarray(13, keyAt),
    derived: bytes.subarray(keyAt),
  }
}

function problemOf({ iterations, derived }: Parts): string | undefined {
  // Less proves too little.
  if (derived.length < MIN_BYTES || derived.length > MAX_BYTES)
    return `The derived key has ${derived.length} bytes; ${MIN_BYTES} to ${MAX_BYTES} are supported.`
  return iterations <= MAX_ITERATIONS
    ? undefined
    : `PBKDF2 with ${iterations} iterations is too slow: at most ${MAX_ITERATIONS}.`
}
