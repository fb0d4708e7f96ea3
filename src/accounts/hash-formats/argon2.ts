// argon2 in its PHC form, and with Django's prefix.
import * as argon2 from 'argon2'
import type { HashFormat } from './hash-format.ts'

const MAX_KIB = 256 * 1024
const MAX_PASSES = 10
const MAX_LANES = 16
// Memory times passes is what argon2 costs: 256 MiB are walked through four times, 19 MiB ten
// times.
const MAX_WORK_KIB = 4 * MAX_KIB

const ARGON2 =
  /^\$argon2(?:id|i|d)\$v=(?:16|19)\$([mtp]=\d{1,8}(?:,[mtp]=\d{1,8}){2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Reads argon2. */
export const parseArgon2: HashFormat = (hash) => {
  const phc = hash.startsWith('argon2$') ? hash.slice('argon2'.length) : hash
  const parameters = ARGON2.exec(phc)?.[1]
  if (parameters === undefined) return undefined
  return { problem: problemOf(parameters), matches: (password) => argon2.verify(phc, password) }
}

function problemOf(parameters: string): string | undefined {
  const {
    m = 0,
    t = 0,
    p = 0,
  } = Object.fromEntries(
    parameters.split(',').map((pair) => [pair.charAt(0), Number(pair.slice(2))]),
  )
  if (t < 1 || p < 1 || m < 8 * p) return 'The parameters m, t and p of argon2 do not fit together.'
  if (m > MAX_KIB) return 'This argon2 hash needs more than 256 MiB of memory.'
  if (t > MAX_PASSES || p > MAX_LANES || m * t > MAX_WORK_KIB)
    return 'This argon2 hash is too slow: at most 10 passes, 16 lanes, and memory times passes of 1 GiB.'
  return undefined
}
