// The iterated digests: phpass (WordPress before 6.8, phpBB, Drupal 7) and SHA-crypt of Unix.
import { equalBytes } from '../../shared/crypto.ts'
import { phpassDigest, shaCryptDigest } from '../../shared/legacy-hashes.ts'
import type { HashFormat } from './hash-format.ts'

// About half a second of one thread, in slices.
const MAX_ROUNDS = 2 ** 18

const LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const PHPASS = /^(\$[PH]\$)([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})$/
const DRUPAL = /^(\$S\$)([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{43})$/
const SHA_CRYPT =
  /^\$([56])\$(?:rounds=(\d{1,9})\$)?([./0-9A-Za-z]{1,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/

const tooMany = (rounds: number): string | undefined =>
  rounds > MAX_ROUNDS ? `${rounds} rounds are too slow: at most ${MAX_ROUNDS}.` : undefined

/** Reads phpass. */
export const parsePhpass: HashFormat = (hash) => {
  const [, kind, exponent = '', salt = '', stored = ''] =
    PHPASS.exec(hash) ?? DRUPAL.exec(hash) ?? []
  if (kind === undefined) return undefined
  const rounds = 2 ** LETTERS.indexOf(exponent)
  const digest = kind === '$S$' ? 'sha512' : 'md5'
  return {
    problem: tooMany(rounds),
    async matches(password) {
      const state = await phpassDigest(digest, rounds, Buffer.from(salt), password)
      return equalBytes(Buffer.from(encode64(state).slice(0, stored.length)), Buffer.from(stored))
    },
  }
}

const DEFAULT_SHA_ROUNDS = 5000
// It multiplies the password by its own length before the first round.
const MAX_SHA_PASSWORD_BYTES = 256

/** Reads SHA-crypt. */
export const parseShaCrypt: HashFormat = (hash) => {
  const [, kind, asked, salt = '', stored = ''] = SHA_CRYPT.exec(hash) ?? []
  if (kind === undefined || (kind === '5') !== (stored.length === 43)) return undefined
  const rounds = Math.max(1000, Number(asked ?? DEFAULT_SHA_ROUNDS))
  return {
    problem: tooMany(rounds),
    async matches(password) {
      if (password.length > MAX_SHA_PASSWORD_BYTES) return false
      const digest = kind === '5' ? 'sha256' : 'sha512'
      const state = await shaCryptDigest(digest, rounds, Buffer.from(salt), password)
      return equalBytes(Buffer.from(encode64(inOrder(state))), Buffer.from(stored))
    },
  }
}

/** Puts the bytes into the order in which SHA-crypt writes them, three by three. */
function inOrder(state: Buffer): Buffer {
  const third = Math.floor(state.length / 3)
  // Each triple is one step further in each third, and begins with another third.
  const turn = state.length === 32 ? [0, 2, 1] : [0, 1, 2]
  const bytes: number[] = []
  for (let at = 0; at < third; at += 1) {
    const triple = [at, at + third, at + 2 * third]
    const first = turn[at % 3] ?? 0
    const [a, b, c] = [0, 1, 2].map((step) => state[triple[(first + step) % 3] ?? 0] ?? 0)
    // Written from the last to the first.
    bytes.push(c ?? 0, b ?? 0, a ?? 0)
  }
  if (state.length === 32) bytes.push(state[30] ?? 0, state[31] ?? 0)
  else bytes.push(state[63] ?? 0)
  return Buffer.from(bytes)
}

/** Six bits a letter, the lowest first, as crypt(3) writes numbers. */
function encode64(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    let number = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
    for (let left = Math.min(4, bytes.length - at + 1); left > 0; left -= 1) {
      text += LETTERS.charAt(number & 63)
      number >>= 6
    }
  }
  return text
}
