// Human passwords: argon2id (RFC 9106) on libuv's threads. Invariants: few at once and a bounded
// queue, so that a flood of logins can neither exhaust memory (19 MiB each, 256 MiB at most for an
// imported hash) nor starve the process; a check costs one argon2 verification whether or not there
// is anything to compare with. A hash that was imported in another form costs its own work on top
// until the first login replaces it: till then, time tells that the account was imported.
import * as argon2 from 'argon2'
import { randomBase62 } from '../shared/crypto.ts'
import { createFairQueue, type QueuePlace } from './fair-queue.ts'
import { isForeignHash, looksAtAll, verifyForeignHash } from './imported-hash.ts'

const MIN_CHARACTERS = 10
const MAX_BYTES = 1024

/** What one hash costs; the OWASP minimum for argon2id by default. */
export interface HashCost {
  memoryKib: number
  passes: number
  lanes: number
}

const DEFAULT_COST: HashCost = { memoryKib: 19_456, passes: 2, lanes: 1 }

/** The slow function itself. */
export interface Hasher {
  hash(bytes: Buffer, cost: HashCost): Promise<string>
  verify(hash: string, bytes: Buffer): Promise<boolean>
  needsRehash(hash: string, cost: HashCost): boolean
}

const argon2Options = (cost: HashCost) => ({
  memoryCost: cost.memoryKib,
  timeCost: cost.passes,
  parallelism: cost.lanes,
})

/** argon2id with a random salt, written as a PHC string. */
export const argon2id: Hasher = {
  hash: (bytes, cost) => argon2.hash(bytes, { type: argon2.argon2id, ...argon2Options(cost) }),
  verify: (hash, bytes) => argon2.verify(hash, bytes),
  needsRehash: (hash, cost) => argon2.needsRehash(hash, argon2Options(cost)),
}

/** Hashes and checks passwords. */
export interface Passwords {
  /** @throws {AppError} `temporarily_unavailable` when too many wait */
  hash(password: string, place?: QueuePlace): Promise<string>
  /**
   * Looks whether the password is the one of the hash. Without a hash it does the same work and
   * says `wrong`.
   *
   * @throws {AppError} `temporarily_unavailable` when too many wait
   */
  check(password: string, hash: string | undefined, place?: QueuePlace): Promise<PasswordCheck>
}

/** `outdated` is right as well: the hash is to be made anew from what was typed. */
export type PasswordCheck = 'wrong' | 'right' | 'outdated'

// NIST SP 800-63B wants one Unicode normalisation before hashing, or one password typed on two
// keyboards would be two.
const bytesOf = (password: string): Buffer => Buffer.from(password.normalize('NFC'))

// NUL ends the password in C libraries, and a lone half of a surrogate pair would become the same
// replacement character as any other.
const UNUSABLE = /\0|\p{Cs}/u

/**
 * What the password may have been when its hash was made: normalised, as ours are, and as it was
 * typed, for a program elsewhere may not have normalised it.
 */
function candidatesOf(password: string): Buffer[] {
  const normalised = bytesOf(password)
  const typed = Buffer.from(password)
  return typed.equals(normalised) ? [normalised] : [normalised, typed]
}

// Nothing is ever cut off: what cannot be hashed whole matches nothing.
const isHashable = (password: string): boolean =>
  !UNUSABLE.test(password) && bytesOf(password).length <= MAX_BYTES

/** What a new password must be, for people who are about to choose one. */
export const PASSWORD_RULE = `At least ${MIN_CHARACTERS} characters. A few unrelated words are easy to remember and hard to guess.`

/** Returns what is wrong with a new password as a sentence for its owner, or `undefined` (NIST SP 800-63B: length, no rules of composition). */
export function passwordProblem(password: string): string | undefined {
  if (UNUSABLE.test(password)) return 'The password has a character that cannot be used.'
  const bytes = bytesOf(password)
  if (bytes.length > MAX_BYTES) return `Choose a password of at most ${MAX_BYTES} bytes.`
  if (Array.from(bytes.toString()).length < MIN_CHARACTERS)
    return `Choose a password of at least ${MIN_CHARACTERS} characters.`
  return undefined
}

/**
 * Creates the password checker; makes one hash to compare with when there is no account.
 *
 * @param options.waiting shows how many checks wait
 * @param options.concurrency checks at once; libuv's pool has four threads and files and DNS need
 * some
 */
export async function createPasswords(
  options: {
    waiting?: { set(count: number): void }
    concurrency?: number
    maxWaiting?: number
    cost?: HashCost
    hasher?: Hasher
  } = {},
): Promise<Passwords> {
  const { waiting, concurrency = 2, maxWaiting = 200, cost = DEFAULT_COST } = options
  const hasher = options.hasher ?? argon2id
  const inTurn = createFairQueue(concurrency, maxWaiting, (count) => waiting?.set(count))
  const dummyHash = await hasher.hash(Buffer.from(randomBase62(32)), cost)

  return {
    hash: (password, place) => inTurn(() => hasher.hash(bytesOf(password), cost), place),
    check(password, hash, place) {
      // One argon2 verification of each candidate in every case, of this password or, where that
      // cannot be hashed, of an empty one.
      const comparable = hash !== undefined && isHashable(password) ? hash : undefined
      const candidates = isHashable(password) ? candidatesOf(password) : [Buffer.alloc(0)]
      return inTurn(async () => {
        let found: PasswordCheck = 'wrong'
        for (const [at, bytes] of candidates.entries())
          if (await matches(comparable, bytes))
            found = isOutdated(comparable ?? '', bytes, at > 0) ? 'outdated' : 'right'
        return found
      }, place)
    },
  }

  async function matches(hash: string | undefined, bytes: Buffer): Promise<boolean> {
    const isForeign = hash !== undefined && isForeignHash(hash)
    const ofForeign = isForeign && (await verifyForeignHash(hash, bytes))
    const isOfCompared = await hasher.verify(isForeign ? dummyHash : (hash ?? dummyHash), bytes)
    return isForeign ? ofForeign : isOfCompared && hash !== undefined
  }

  /** Whether the hash was made in another way or at another cost than today's. */
  function isOutdated(hash: string, bytes: Buffer, isAsTyped: boolean): boolean {
    const isOfToday = !isAsTyped && hash.startsWith('$argon2id$') && !hasher.needsRehash(hash, cost)
    return !isOfToday && looksAtAll(hash, bytes)
  }
}
