// Passwords: one verification whatever is asked, bounded work, nothing cut off.
import {
  argon2id,
  createPasswords,
  passwordProblem,
  type Hasher,
} from '../../../src/accounts/passwords.ts'

const CHEAP = { memoryKib: 1024, passes: 2, lanes: 1 }
const GOOD = 'correct horse battery'

/** argon2id that counts its verifications. */
function countingHasher() {
  const counted = { verifications: 0, compared: [] as string[] }
  const hasher: Hasher = {
    ...argon2id,
    verify(hash, bytes) {
      counted.verifications += 1
      counted.compared.push(hash)
      return argon2id.verify(hash, bytes)
    },
  }
  return { hasher, counted }
}

/** A hasher whose verifications end when the test says so. */
function gatedHasher() {
  const gates: (() => void)[] = []
  let running = 0
  let most = 0
  const hasher: Hasher = {
    ...argon2id,
    async verify() {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => gates.push(resolve))
      running -= 1
      return true
    },
  }
  return {
    hasher,
    running: () => running,
    most: () => most,
    async openOne() {
      gates.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('Hashes of passwords', () => {
  test('are argon2id with 19 MiB, two passes and one lane', async () => {
    const hash = await (await createPasswords()).hash(GOOD)
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$/)
  })

  test('recognise their password and no other', async () => {
    const passwords = await createPasswords({ cost: CHEAP })
    const hash = await passwords.hash(GOOD)
    expect(await passwords.check(GOOD, hash)).toBe('right')
    expect(await passwords.check(`${GOOD} `, hash)).toBe('wrong')
  })

  test('are the same for both spellings of an umlaut (NIST SP 800-63B: one normalisation)', async () => {
    const passwords = await createPasswords({ cost: CHEAP })
    const hash = await passwords.hash('M\u00fcllers K\u00fche')
    expect(await passwords.check('Mu\u0308llers Ku\u0308he', hash)).toBe('right')
  })

  test('say when they were made at another cost', async () => {
    const cheap = await createPasswords({ cost: CHEAP })
    const dearer = await createPasswords({ cost: { ...CHEAP, passes: 3 } })
    const hash = await cheap.hash(GOOD)
    expect(await cheap.check(GOOD, hash)).toBe('right')
    expect(await dearer.check(GOOD, hash)).toBe('outdated')
  })
})

describe('A check of a password', () => {
  test('is one verification at full cost, whether or not there is anything to compare with', async () => {
    const { hasher, counted } = countingHasher()
    const passwords = await createPasswords({ cost: CHEAP, hasher })
    const hash = await passwords.hash(GOOD)
    const cases: [string, string, string | undefined][] = [
      ['right', GOOD, hash],
      ['wrong', 'wrong password', hash],
      ['no account', GOOD, undefined],
      ['a hash of another kind', GOOD, '$2b$10$abcdefghijklmnopqrstuv'],
      ['too long', 'x'.repeat(1025), hash],
      ['with NUL', `${GOOD}\0`, hash],
      ['empty', '', hash],
    ]
    const outcomes: [string, boolean, number][] = []
    for (const [name, password, against] of cases) {
      const before = counted.verifications
      const check = await passwords.check(password, against)
      outcomes.push([name, check === 'right', counted.verifications - before])
    }
    expect(outcomes).toEqual(cases.map(([name]) => [name, name === 'right', 1]))
    for (const compared of counted.compared)
      expect(compared).toContain('$argon2id$v=19$m=1024,p=1,t=2$')
  })

  test('is never true without a hash, even for the empty password that stands in for an unusable one', async () => {
    const everythingMatches: Hasher = { ...argon2id, verify: () => Promise.resolve(true) }
    const passwords = await createPasswords({ cost: CHEAP, hasher: everythingMatches })
    const hash = await passwords.hash(GOOD)
    expect(await passwords.check(GOOD, undefined)).toBe('wrong')
    expect(await passwords.check('\0', hash)).toBe('wrong')
    expect(await passwords.check(GOOD, hash)).not.toBe('wrong')
  })

  test('cuts nothing off at NUL and nothing at 1024 bytes', async () => {
    const passwords = await createPasswords({ cost: CHEAP })
    const short = await passwords.hash(GOOD)
    expect(await passwords.check(`${GOOD}\0tail`, short)).toBe('wrong')
    const longest = 'x'.repeat(1024)
    const long = await passwords.hash(longest)
    expect(await passwords.check(longest, long)).toBe('right')
    expect(await passwords.check(`${longest}y`, long)).toBe('wrong')
  })
})

describe('Many checks at once', () => {
  test('run two at a time, in the order they came, and the rest is shown as waiting', async () => {
    const gated = gatedHasher()
    const waiting: number[] = []
    const passwords = await createPasswords({
      cost: CHEAP,
      hasher: gated.hasher,
      waiting: { set: (count) => waiting.push(count) },
    })
    const done: number[] = []
    const checks = [1, 2, 3, 4, 5].map(async (number) => {
      await passwords.check(GOOD, undefined)
      done.push(number)
    })
    expect(gated.running()).toBe(2)
    expect(waiting).toEqual([1, 2, 3])
    for (let opened = 0; opened < 5; opened += 1) await gated.openOne()
    await Promise.all(checks)
    expect(gated.most()).toBe(2)
    expect(done).toEqual([1, 2, 3, 4, 5])
    expect(waiting.at(-1)).toBe(0)
  })

  test('are refused with a time to come back when too many wait, and taken again afterwards', async () => {
    const gated = gatedHasher()
    const passwords = await createPasswords({ cost: CHEAP, hasher: gated.hasher, maxWaiting: 3 })
    const accepted = Array.from({ length: 5 }, () => passwords.check(GOOD, undefined))
    await expect(passwords.check(GOOD, undefined)).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      retryAfterSeconds: 5,
    })
    await gated.openOne()
    const another = passwords.check(GOOD, undefined)
    for (let opened = 0; opened < 6; opened += 1) await gated.openOne()
    await expect(Promise.all([...accepted, another])).resolves.toHaveLength(6)
    expect(gated.most()).toBe(2)
  })

  test('give their place back when hashing fails', async () => {
    const broken: Hasher = { ...argon2id, verify: () => Promise.reject(new Error('no memory')) }
    const passwords = await createPasswords({ cost: CHEAP, hasher: broken, maxWaiting: 0 })
    for (let attempt = 0; attempt < 5; attempt += 1)
      await expect(passwords.check(GOOD, undefined)).rejects.toThrow('no memory')
  })
})

describe('A new password', () => {
  test.each([
    ['nine char', 'at least 10 characters'],
    ['e\u0301'.repeat(9), 'at least 10 characters'],
    ['x'.repeat(1025), 'at most 1024 bytes'],
    ['ü'.repeat(513), 'at most 1024 bytes'],
    ['with\0in the middle', 'cannot be used'],
    ['broken \ud800 surrogate', 'cannot be used'],
  ])('%j is refused in plain words', (password, words) => {
    expect(passwordProblem(password)).toContain(words)
  })

  test.each([
    'ten chars!',
    '🐄🐄🐄🐄🐄🐄🐄🐄🐄🐄',
    'x'.repeat(1024),
    '   ten spaces   ',
    'aaaaaaaaaa',
  ])('%j may be used', (password) => {
    expect(passwordProblem(password)).toBeUndefined()
  })
})
