// The form of tokens: what we make is recognised, everything else is refused without a look-up.
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { createServerKeys, sha256 } from '../../../src/shared/crypto.ts'
import { Secret } from '../../../src/shared/secret.ts'
import {
  createRefreshTokenForm,
  isClientSecret,
  newAccessToken,
  newClientSecret,
  newCode,
  newGrantId,
  parseToken,
  parseTokenOf,
  TOKEN_PATTERN,
} from '../../../src/shared/token-format.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LETTERS = Array.from(ALPHABET)
const keysOf = (...texts: string[]) => createServerKeys(texts.map((text) => new Secret(text)))
const form = createRefreshTokenForm(keysOf('the server secret'))
const grantIds = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 16, maxLength: 16 })

/**
 * The checksum as a secret scanner computes it: CRC-32 in base62, 6 characters, over all that
 * precedes it.
 */
function checksum(text: string): string {
  let rest = crc32(text)
  let out = ''
  for (let at = 0; at < 6; at += 1) {
    out = ALPHABET.charAt(rest % 62) + out
    rest = Math.floor(rest / 62)
  }
  return out
}

const MAKERS = {
  access: newAccessToken,
  refresh: (grantId: string) => form.first(grantId),
  code: newCode,
}

describe.each(Object.entries(MAKERS))('a token of kind %s', (kind, make) => {
  it('is recognised as what it is, with its grantId', () => {
    fc.assert(
      fc.property(grantIds, (grantId) => {
        const token = make(grantId)
        expect(parseToken(token)).toEqual({ kind, grantId, token })
      }),
    )
  })

  it('ends in the checksum that secret scanners expect', () => {
    const token = make(newGrantId())
    expect(token).toMatch(/^otesse_(at|rt|ac)_[0-9A-Za-z]+$/)
    expect(token.slice(-6)).toBe(checksum(token.slice(0, -6)))
  })

  it('is refused with any one character changed, added or left out', () => {
    const token = make(newGrantId())
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.constantFrom(...LETTERS, ' ', '_', '\n', 'é', '\0'),
        (at, letter) => {
          const changed = token.slice(0, at) + letter + token.slice(at + 1)
          if (changed !== token) expect(parseToken(changed)).toBeUndefined()
          expect(parseToken(token.slice(0, at) + letter + token.slice(at))).toBeUndefined()
          expect(parseToken(token.slice(0, at) + token.slice(at + 1))).toBeUndefined()
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is not taken for another kind, even with a checksum made to fit', () => {
    const token = make(newGrantId())
    for (const prefix of ['otesse_at_', 'otesse_rt_', 'otesse_ac_', 'otesse_cs_']) {
      const head = prefix + token.slice(10, -6)
      const other = parseToken(head + checksum(head))
      if (other !== undefined)
        expect(other.kind === kind || (other.kind !== 'refresh' && kind !== 'refresh')).toBe(true)
      expect(parseToken(token)?.kind).toBe(kind)
    }
    expect(isClientSecret(token)).toBe(false)
    for (const asked of ['access', 'refresh', 'code'] as const)
      expect(parseTokenOf(asked, token) !== undefined).toBe(asked === kind)
  })

  it('is never made twice', () => {
    const grantId = newGrantId()
    expect(new Set(Array.from({ length: 1000 }, () => make(grantId))).size).toBe(1000)
  })

  it('is found inside a longer text', () => {
    const token = make(newGrantId())
    expect(`Bearer ${token}, and "${token}"`.replace(TOKEN_PATTERN, '[cut]')).toBe(
      'Bearer [cut], and "[cut]"',
    )
  })
})

it('has at least 128 secret bits after the grantId, and 256 in all', () => {
  const bits = (length: number) => length * Math.log2(62)
  const body = (token: string) => token.length - 'otesse_at_'.length - 6
  for (const token of [newAccessToken(newGrantId()), newCode(newGrantId())]) {
    expect(bits(body(token) - 16)).toBeGreaterThanOrEqual(128)
    expect(bits(body(token))).toBeGreaterThanOrEqual(256)
  }
  // Locator, generation and authenticity are not secret.
  const refresh = form.first(newGrantId())
  expect(bits(body(refresh) - 16 - 4 - 8)).toBeGreaterThanOrEqual(128)
  expect(bits(body(newClientSecret()))).toBeGreaterThanOrEqual(256)
})

it('refuses anything that is not ours', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 120 }), (text) => {
      expect(parseToken(text)).toBeUndefined()
      expect(isClientSecret(text)).toBe(false)
    }),
  )
  const shaped = fc.tuple(
    fc.constantFrom('otesse_at_', 'otesse_rt_', 'otesse_ac_'),
    fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 40, maxLength: 60 }),
  )
  fc.assert(
    fc.property(shaped, ([prefix, body]) => {
      expect(parseToken(prefix + body)).toBeUndefined()
    }),
  )
})

it('recognises client secrets', () => {
  const secret = newClientSecret()
  expect(secret).toMatch(/^otesse_cs_[0-9A-Za-z]{49}$/)
  expect(isClientSecret(secret)).toBe(true)
  expect(isClientSecret(`${secret}a`)).toBe(false)
  expect(parseToken(secret)).toBeUndefined()
})

describe('a refresh token', () => {
  it('has one successor, of the next generation and the same family, however often it is asked for', () => {
    fc.assert(
      fc.property(grantIds, fc.integer({ min: 1, max: 8 }), (grantId, steps) => {
        let token = form.first(grantId)
        expect(form.genuineGeneration(token)).toBe(0)
        for (let step = 1; step <= steps; step += 1) {
          const successor = form.successor(token)
          expect(form.successor(token)).toBe(successor)
          expect(successor).not.toBe(token)
          token = successor
          expect(form.genuineGeneration(token)).toBe(step)
          expect(parseToken(token)).toEqual({ kind: 'refresh', grantId, token })
        }
      }),
      { numRuns: 50 },
    )
  })

  it('is genuine only with the server’s key, also where generation and checksum are made to fit', () => {
    const stranger = createRefreshTokenForm(keysOf('another secret'))
    const forged = stranger.first(newGrantId())
    expect(form.genuineGeneration(forged)).toBeUndefined()
    expect(() => form.successor(forged)).toThrow('genuine')

    const genuine = form.first(newGrantId())
    const at = 'otesse_rt_'.length + 16
    for (const changed of [
      genuine.slice(0, at) + '0001' + genuine.slice(at + 4, -6),
      genuine.slice(0, 10) + newGrantId() + genuine.slice(at, -6),
    ]) {
      const fitted = changed + checksum(changed)
      expect(parseToken(fitted)?.kind).toBe('refresh')
      expect(form.genuineGeneration(fitted)).toBeUndefined()
    }
  })

  it('does not tell its successor without the key', () => {
    const token = form.first(newGrantId())
    const successor = form.successor(token)
    const secret = successor.slice(30, 52)
    expect(secret).not.toBe(token.slice(30, 52))
    expect(sha256(token)).not.toContain(secret)
    expect(
      createRefreshTokenForm(keysOf('the server secreT')).genuineGeneration(successor),
    ).toBeUndefined()
  })

  it('stays genuine while its key is being rotated out, and no longer', () => {
    const token = form.first(newGrantId())
    const during = createRefreshTokenForm(keysOf('a newer secret', 'the server secret'))
    expect(during.genuineGeneration(token)).toBe(0)
    expect(form.genuineGeneration(during.first(newGrantId()))).toBeUndefined()
    expect(
      createRefreshTokenForm(keysOf('a newer secret')).genuineGeneration(token),
    ).toBeUndefined()
  })

  it('moves to the current key when it rotates, so that the old key can leave', () => {
    const token = form.first(newGrantId())
    const during = createRefreshTokenForm(keysOf('a newer secret', 'the server secret'))
    const after = createRefreshTokenForm(keysOf('a newer secret'))
    const successor = during.successor(token)
    expect(after.genuineGeneration(successor)).toBe(1)
    // Whoever has the old key and an old token computes nothing that is current.
    expect(successor).not.toBe(form.successor(token))
    expect(form.genuineGeneration(successor)).toBeUndefined()
    expect([...after.successors(token)]).toEqual([successor])
  })

  it('has the same possible successors on nodes between the two steps of a key change', () => {
    const token = form.first(newGrantId())
    const prepared = createRefreshTokenForm(keysOf('the server secret', 'a newer secret'))
    const changed = createRefreshTokenForm(keysOf('a newer secret', 'the server secret'))
    expect([...prepared.successors(token)][0]).toBe(prepared.successor(token))
    expect([...prepared.successors(token)].sort()).toEqual([...changed.successors(token)].sort())
    expect(prepared.genuineGeneration(changed.successor(token))).toBe(1)
  })
})
