// scrypt as passlib, Django and Werkzeug write it, and Firebase's variant, which encrypts the
// signer key of the project with what was derived.
import { equalBytes } from '../../shared/crypto.ts'
import { aes256Ctr, scrypt, type ScryptCost } from '../../shared/legacy-hashes.ts'
import { fromBase64, type HashFormat, type ParsedHash } from './hash-format.ts'

const MAX_BYTES_OF_MEMORY = 256 * 1024 * 1024
// What N, r and p multiply to is the work: 2^22 are about three seconds of one thread.
const MAX_WORK = 2 ** 22

const PHC =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9./+]{1,128})={0,2}\$([A-Za-z0-9./+]{22,172})={0,2}$/
const DJANGO =
  /^scrypt\$(\d{1,9})\$([^$\s]{1,128})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/]{22,172}={0,2})$/
const WERKZEUG = /^scrypt:(\d{1,9}):(\d{1,3}):(\d{1,3})\$([^$\s]{1,128})\$([0-9a-f]{32,256})$/
/** Written by our own converter of Firebase exports; others write it as well. */
const FIREBASE =
  /^\$fbscrypt\$v=1,n=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2}),ss=([A-Za-z0-9+/]{0,24}={0,2}),sk=([A-Za-z0-9+/]{22,172}={0,2})\$([A-Za-z0-9+/]{2,64}={0,2})\$([A-Za-z0-9+/]{22,172}={0,2})$/

/** Reads scrypt. */
export const parseScrypt: HashFormat = (hash) => {
  const phc = PHC.exec(hash)
  if (phc !== null) {
    const [, ln = '', r = '', p = '', salt = '', derived = ''] = phc
    return plain(costOf(2 ** Number(ln), r, p), fromBase64(salt), fromBase64(derived))
  }
  const django = DJANGO.exec(hash)
  if (django !== null) {
    const [, N = '', salt = '', r = '', p = '', derived = ''] = django
    return plain(costOf(Number(N), r, p), Buffer.from(salt), fromBase64(derived))
  }
  const werkzeug = WERKZEUG.exec(hash)
  if (werkzeug !== null) {
    const [, N = '', r = '', p = '', salt = '', derived = ''] = werkzeug
    return plain(costOf(Number(N), r, p), Buffer.from(salt), Buffer.from(derived, 'hex'))
  }
  return firebase(hash)
}

const costOf = (N: number, r: string, p: string): ScryptCost => ({
  N,
  r: Number(r),
  p: Number(p),
})

const plain = (cost: ScryptCost, salt: Buffer, derived: Buffer): ParsedHash => ({
  problem: problemOf(cost),
  matches: async (password) =>
    equalBytes(await scrypt(password, salt, derived.length, cost), derived),
})

function firebase(hash: string): ParsedHash | undefined {
  const [, n, r = '', p = '', separator = '', signerKey = '', salt = '', stored = ''] =
    FIREBASE.exec(hash) ?? []
  if (n === undefined) return undefined
  const cost = costOf(2 ** Number(n), r, p)
  const salted = Buffer.concat([fromBase64(salt), fromBase64(separator)])
  return {
    problem: problemOf(cost),
    async matches(password) {
      const key = await scrypt(password, salted, 32, cost)
      return equalBytes(aes256Ctr(key, fromBase64(signerKey)), fromBase64(stored))
    },
  }
}

function problemOf({ N, r, p }: ScryptCost): string | undefined {
  if (N < 2 || !Number.isInteger(Math.log2(N)) || r < 1 || p < 1)
    return 'The parameters N, r and p of scrypt do not fit together.'
  if (128 * N * r > MAX_BYTES_OF_MEMORY)
    return 'This scrypt hash needs more than 256 MiB of memory.'
  return N * r * p > MAX_WORK
    ? 'This scrypt hash is too slow: N times r times p is at most 2^22.'
    : undefined
}
