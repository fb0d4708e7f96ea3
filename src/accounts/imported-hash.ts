// Password hashes that were made elsewhere: which forms are known, what they may cost, and how a password is held against them. Invariant: what passes
// `hashProblem` can be checked, off the event loop, at a bounded cost, so that an import cannot make signing in an attack on ourselves.
// Called by passwords.ts and account-import.ts.
import { verify as verifyBcrypt } from '@node-rs/bcrypt'
import { equalBytes, pbkdf2 } from '../shared/crypto.ts'

// About three seconds of one thread at most, each.
const MAX_BCRYPT_COST = 15
const MAX_PBKDF2_ITERATIONS = 2_000_000
const MAX_ARGON2_KIB = 256 * 1024
const MAX_ARGON2_PASSES = 10
const MAX_ARGON2_LANES = 16
// Memory times passes is what argon2 costs: 256 MiB are walked through four times, 19 MiB ten times.
const MAX_ARGON2_WORK_KIB = 4 * MAX_ARGON2_KIB
const MAX_LENGTH = 512

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
const ARGON2 =
  /^\$argon2(?:id|i|d)\$v=(?:16|19)\$([mtp]=\d{1,8}(?:,[mtp]=\d{1,8}){2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/
/** passlib, which writes + as a dot, and the PHC form with named parameters. */
const PBKDF2_PHC =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d{1,8})(?:,l=\d{1,3})?\$([A-Za-z0-9./+]{1,128})\$([A-Za-z0-9./+]{16,128})$/
/** Django; the salt is text. */
const PBKDF2_DJANGO =
  /^pbkdf2_(sha1|sha256|sha512)\$(\d{1,8})\$([^$\s]{1,128})\$([A-Za-z0-9+/]{16,128}={0,2})$/

const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const
type Digest = keyof typeof DIGEST_BYTES

interface Pbkdf2Hash {
  digest: Digest
  iterations: number
  salt: Buffer
  derived: Buffer
}

const fromBase64 = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64')

function parsePbkdf2(hash: string): Pbkdf2Hash | undefined {
  const phc = PBKDF2_PHC.exec(hash)
  const [, digest = 'sha1', iterations, salt = '', derived = ''] =
    phc ?? PBKDF2_DJANGO.exec(hash) ?? []
  if (iterations === undefined) return undefined
  return {
    digest: digest as Digest,
    iterations: Number(iterations),
    salt: phc === null ? Buffer.from(salt) : fromBase64(salt),
    derived: fromBase64(derived),
  }
}

/** Returns why a hash cannot be imported, as a sentence for whoever imports it, or `undefined`. It never repeats the hash. */
export function hashProblem(hash: string): string | undefined {
  if (hash.length > MAX_LENGTH) return UNKNOWN
  const bcrypt = BCRYPT.exec(hash)
  if (bcrypt !== null) return bcryptProblem(Number(bcrypt[1]))
  const argon2 = ARGON2.exec(hash)
  if (argon2 !== null) return argon2Problem(argon2[1] ?? '')
  const found = parsePbkdf2(hash)
  return found === undefined ? UNKNOWN : pbkdf2Problem(found)
}

const UNKNOWN =
  'This form of hash is not known. Known are argon2 ($argon2id$…), bcrypt ($2a$, $2b$, $2y$) and PBKDF2 ($pbkdf2-sha256$…, pbkdf2_sha256$…).'

function bcryptProblem(cost: number): string | undefined {
  if (cost < 4) return 'bcrypt has no cost below 4.'
  return cost > MAX_BCRYPT_COST
    ? `bcrypt of cost ${cost} is too slow: at most ${MAX_BCRYPT_COST}.`
    : undefined
}

function argon2Problem(parameters: string): string | undefined {
  const {
    m = 0,
    t = 0,
    p = 0,
  } = Object.fromEntries(
    parameters.split(',').map((pair) => [pair.charAt(0), Number(pair.slice(2))]),
  )
  if (t < 1 || p < 1 || m < 8 * p) return 'The parameters m, t and p of argon2 do not fit together.'
  if (m > MAX_ARGON2_KIB) return 'This argon2 hash needs more than 256 MiB of memory.'
  if (t > MAX_ARGON2_PASSES || p > MAX_ARGON2_LANES || m * t > MAX_ARGON2_WORK_KIB)
    return 'This argon2 hash is too slow: at most 10 passes, 16 lanes, and memory times passes of 1 GiB.'
  return undefined
}

function pbkdf2Problem({ digest, iterations, salt, derived }: Pbkdf2Hash): string | undefined {
  if (iterations < 1 || salt.length === 0) return UNKNOWN
  // Less proves too little; more than one block of the digest multiplies the work, and no known system does it.
  if (derived.length < 16 || derived.length > DIGEST_BYTES[digest])
    return `The derived key is of ${derived.length} bytes: 16 to ${DIGEST_BYTES[digest]} are known for ${digest}.`
  return iterations > MAX_PBKDF2_ITERATIONS
    ? `PBKDF2 with ${iterations} iterations is too slow: at most ${MAX_PBKDF2_ITERATIONS}.`
    : undefined
}

/** Returns whether a stored hash is of a form other than argon2. */
export const isForeignHash = (hash: string): boolean => !hash.startsWith('$argon2')

/**
 * Returns whether the password is that of a foreign hash; false for a form that is not known. Computes on another thread. bcrypt looks at the
 * first 72 bytes only, as it did where the hash was made; the hash that replaces it looks at all.
 */
export async function verifyForeignHash(hash: string, password: Buffer): Promise<boolean> {
  if (hashProblem(hash) !== undefined) return false
  if (BCRYPT.test(hash)) return verifyBcrypt(password, hash)
  const found = parsePbkdf2(hash)
  if (found === undefined) return false
  const { salt, derived, iterations, digest } = found
  const computed = await pbkdf2(password, salt, { iterations, length: derived.length, digest })
  return equalBytes(computed, derived)
}
