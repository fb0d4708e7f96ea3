// The slow functions behind password hashes that other programs made; to check such hashes, never
// to make one. Invariant: none of them holds the event loop for longer than a slice of its rounds.
import crypto from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'

const ROUNDS_AT_ONCE = 500

const pbkdf2InThread = promisify(crypto.pbkdf2)

/** Derives `length` bytes from a password on another thread (RFC 8018 §5.2, PBKDF2 with HMAC). */
export const pbkdf2 = (
  password: Uint8Array,
  salt: Uint8Array,
  { iterations, length, digest }: { iterations: number; length: number; digest: string },
): Promise<Buffer> => pbkdf2InThread(password, salt, iterations, length, digest)

/** What a derivation by scrypt costs: 128 · N · r bytes of memory, and p times the work. */
export interface ScryptCost {
  N: number
  r: number
  p: number
}

/** Derives `length` bytes from a password on another thread (RFC 7914 §6). */
export function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
  { N, r, p }: ScryptCost,
): Promise<Buffer> {
  const maxmem = 128 * N * r * 2 + 128 * r * p + 1_048_576
  return new Promise((resolve, reject) => {
    crypto.scrypt(password, salt, length, { N, r, p, maxmem }, (error, derived) => {
      if (error === null) resolve(derived)
      else reject(error)
    })
  })
}

/** Encrypts with AES-256 in counter mode from zero, as Firebase does with its signer key. */
export function aes256Ctr(key: Uint8Array, text: Uint8Array): Buffer {
  const cipher = crypto.createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return Buffer.concat([cipher.update(text), cipher.final()])
}

export const hmac = (digest: string, key: string | Uint8Array, text: Uint8Array): Buffer =>
  crypto.createHmac(digest, key).update(text).digest()

export const digestOf = (digest: string, ...parts: Uint8Array[]): Buffer => {
  const hash = crypto.createHash(digest)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The iterated digest of phpass: of the salt and the password, then of itself and the password. */
export async function phpassDigest(
  digest: string,
  rounds: number,
  salt: Uint8Array,
  password: Uint8Array,
): Promise<Buffer> {
  let state = digestOf(digest, salt, password)
  for (let round = 0; round < rounds; round += 1) {
    state = digestOf(digest, state, password)
    if (round % ROUNDS_AT_ONCE === 0) await nextTurn()
  }
  return state
}

/** SHA-crypt, the `$5$` and `$6$` of Unix, before its bytes are put in order. */
export async function shaCryptDigest(
  digest: 'sha256' | 'sha512',
  rounds: number,
  salt: Uint8Array,
  password: Uint8Array,
): Promise<Buffer> {
  const size = digest === 'sha256' ? 32 : 64
  const repeat = (bytes: Buffer, length: number): Buffer =>
    Buffer.concat(Array.from({ length: Math.ceil(length / size) }, () => bytes)).subarray(0, length)
  const mixed = digestOf(digest, password, salt, password)
  const parts: Uint8Array[] = [password, salt, repeat(mixed, password.length)]
  for (let bits = password.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? mixed : password)
  let state = digestOf(digest, ...parts)
  const ofPassword = digestOf(digest, ...Array.from({ length: password.length }, () => password))
  const ofSalt = digestOf(digest, ...Array.from({ length: 16 + (state[0] ?? 0) }, () => salt))
  const p = repeat(ofPassword, password.length)
  const s = repeat(ofSalt, salt.length)
  for (let round = 0; round < rounds; round += 1) {
    const isOdd = round % 2 === 1
    state = digestOf(
      digest,
      isOdd ? p : state,
      round % 3 === 0 ? Buffer.alloc(0) : s,
      round % 7 === 0 ? Buffer.alloc(0) : p,
      isOdd ? state : p,
    )
    if (round % ROUNDS_AT_ONCE === 0) await nextTurn()
  }
  return state
}
