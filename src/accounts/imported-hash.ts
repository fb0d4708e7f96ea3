// Password hashes that were made elsewhere: which forms are known, what they may cost, and how a
// password is held against them. Invariant: what passes `hashProblem` can be checked at a bounded
// cost that does not hold the event loop, so that an import cannot make signing in an attack on
// ourselves. Called by passwords.ts and account-import.ts.
import { parseArgon2 } from './hash-formats/argon2.ts'
import { parseBcrypt } from './hash-formats/bcrypt.ts'
import { parsePhpass, parseShaCrypt } from './hash-formats/crypt.ts'
import type { ParsedHash } from './hash-formats/hash-format.ts'
import { parsePbkdf2 } from './hash-formats/pbkdf2.ts'
import { parseScrypt } from './hash-formats/scrypt.ts'

const MAX_LENGTH = 512
const FORMATS = [parseArgon2, parseBcrypt, parsePbkdf2, parseScrypt, parsePhpass, parseShaCrypt]

function parse(hash: string): ParsedHash | undefined {
  if (hash.length > MAX_LENGTH) return undefined
  for (const format of FORMATS) {
    const found = format(hash)
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns why a hash cannot be imported, as a sentence for whoever imports it, or `undefined`. It never repeats the hash. */
export function hashProblem(hash: string): string | undefined {
  const found = parse(hash)
  if (found !== undefined) return found.problem
  // A digest that can be computed a billion times a second protects nobody.
  return FAST.test(hash) ? TOO_FAST : UNKNOWN
}

// In hexadecimal digits, of crypt(3) and Apache, of LDAP, of Django and Werkzeug.
const FAST =
  /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}|\$(?:1|apr1)\$.*|\{S?(?:SHA|MD5).*|(?:unsalted_)?(?:md5|sha\d+)\$.*)$/i
const TOO_FAST =
  'MD5, SHA-1 and plain SHA-2 are too fast to protect a password. Import the account without it, and let its owner choose a new one.'

const UNKNOWN =
  'This form of hash is not known. Known are argon2, bcrypt, PBKDF2, scrypt, phpass and SHA-crypt, as common programs write them.'

/** Returns whether a stored hash is of a form other than argon2. */
export const isForeignHash = (hash: string): boolean => !hash.startsWith('$argon2')

/** Returns whether the password is that of a foreign hash; false for a form that is not known. */
export async function verifyForeignHash(hash: string, password: Buffer): Promise<boolean> {
  const found = parse(hash)
  return found !== undefined && found.problem === undefined && (await found.matches(password))
}

/**
 * Returns whether the hash looked at all of the password; bcrypt looks at the first 72 bytes.
 * Whoever typed another end matched all the same, so what was typed must not replace the hash.
 */
export const looksAtAll = (hash: string, password: Buffer): boolean =>
  parse(hash)?.seesAll?.(password) ?? true
