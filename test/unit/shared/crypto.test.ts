// Unbiased randomness, independent keys, comparison, and the published vectors of the algorithms.
import fc from 'fast-check'
import {
  base62Hash,
  base62Number,
  createServerKeys,
  createSigningKey,
  equalInConstantTime,
  parseBase62Number,
  pkceChallenge,
  randomBase62,
  sha256,
  sha256Hex,
} from '../../../src/shared/crypto.ts'
import { Secret } from '../../../src/shared/secret.ts'

const keysOf = (...texts: string[]) => createServerKeys(texts.map((text) => new Secret(text)))

it('draws every letter equally often', () => {
  const counts = new Map<string, number>()
  const length = 62 * 4000
  for (const letter of randomBase62(length)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  expect(counts.size).toBe(62)
  // Chi-square with 61 degrees of freedom: above 130 once in a million draws. A modulo bias would
  // be beyond 1000.
  let chiSquare = 0
  for (const count of counts.values()) chiSquare += (count - 4000) ** 2 / 4000
  expect(chiSquare).toBeLessThan(130)
})

it('gives as many letters as asked for, none twice the same', () => {
  for (const length of [0, 1, 16, 43, 10_000]) expect(randomBase62(length)).toHaveLength(length)
  expect(new Set(Array.from({ length: 5000 }, () => randomBase62(16))).size).toBe(5000)
})

it('reads the numbers that it wrote in base62', () => {
  fc.assert(
    fc.property(fc.nat(62 ** 4 - 1), (value) => {
      expect(base62Number(value, 4)).toHaveLength(4)
      expect(parseBase62Number(base62Number(value, 4))).toBe(value)
    }),
  )
  expect(base62Number(0, 4)).toBe('0000')
  expect(base62Number(61, 2)).toBe('0z')
  expect(parseBase62Number('00_1')).toBeNaN()
})

it('hashes as published', () => {
  expect(sha256Hex(Buffer.from('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
  expect(Buffer.from(sha256('abc'), 'base64url').toString('hex')).toBe(
    sha256Hex(Buffer.from('abc')),
  )
})

it('RFC 7636 §4.2 — makes the challenge of Appendix B', () => {
  expect(pkceChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  )
})

it('names a text by a hash of a given length', () => {
  expect(base62Hash('app a', 16)).toMatch(/^[0-9A-Za-z]{16}$/)
  expect(base62Hash('app a', 16)).toBe(base62Hash('app a', 16))
  expect(base62Hash('app a', 16)).not.toBe(base62Hash('app b', 16))
})

it('compares texts', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      expect(equalInConstantTime(left, left)).toBe(true)
      expect(equalInConstantTime(left, right)).toBe(left === right)
    }),
  )
  expect(equalInConstantTime('é', 'e')).toBe(false)
})

describe('server keys', () => {
  const purposes = ['client-secret', 'refresh-token', 'cookie', 'csrf', 'idempotency'] as const

  it('are independent by purpose and by secret, and the same at every start', () => {
    const macs = ['one', 'two'].flatMap((secret) =>
      purposes.map((purpose) => keysOf(secret).current(purpose).mac('text')),
    )
    expect(new Set(macs).size).toBe(2 * purposes.length)
    expect(keysOf('one').current('cookie').mac('text')).toBe(
      keysOf('one').current('cookie').mac('text'),
    )
    expect(keysOf('one').current('cookie').mac('text')).not.toBe(
      keysOf('one').current('cookie').mac('texT'),
    )
  })

  it('make with the first and recognise with all', () => {
    const keys = keysOf('new', 'old')
    expect(keys.current('cookie').mac('x')).toBe(keysOf('new').current('cookie').mac('x'))
    expect(keys.all('cookie').map((key) => key.mac('x'))).toEqual([
      keysOf('new').current('cookie').mac('x'),
      keysOf('old').current('cookie').mac('x'),
    ])
    expect(keys.texts('cookie')).toEqual([
      ...keysOf('new').texts('cookie'),
      ...keysOf('old').texts('cookie'),
    ])
    expect(keys.texts('cookie')[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(keys.texts('cookie')[0]).not.toBe(keys.texts('csrf')[0])
  })

  it('write keyed hashes in base62, of any length, unbiased', () => {
    const key = keysOf('one').current('refresh-token')
    expect(key.base62('text', 22)).toMatch(/^[0-9A-Za-z]{22}$/)
    expect(key.base62('text', 22)).toBe(key.base62('text', 22))
    expect(key.base62('text', 200)).toHaveLength(200)
    expect(key.base62('text', 200).startsWith(key.base62('text', 22))).toBe(true)
    const counts = new Map<string, number>()
    for (let at = 0; at < 4000; at += 1)
      for (const letter of key.base62(`text ${at}`, 31))
        counts.set(letter, (counts.get(letter) ?? 0) + 1)
    let chiSquare = 0
    for (const count of counts.values()) chiSquare += (count - 2000) ** 2 / 2000
    expect(counts.size).toBe(62)
    expect(chiSquare).toBeLessThan(130)
  })

  it('need a secret', () => {
    expect(() => createServerKeys([]).current('cookie')).toThrow('at least one')
  })
})

it.each(['ES256', 'RS256'] as const)(
  'makes signing keys for %s whose public half is public',
  async (alg) => {
    const { privateJwk, publicJwk } = await createSigningKey(alg)
    expect(privateJwk.d).toBeDefined()
    expect(publicJwk.d).toBeUndefined()
    expect(Object.keys(publicJwk).sort()).toEqual(
      alg === 'ES256' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n'],
    )
    expect(publicJwk).toMatchObject(
      alg === 'ES256' ? { x: privateJwk.x, crv: 'P-256' } : { n: privateJwk.n },
    )
  },
)
