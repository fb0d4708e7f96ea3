// Encryption at rest: an envelope opens where it was sealed and nowhere else.
import fc from 'fast-check'
import { createEncryption, createRowEncryption } from '../../../src/shared/encryption.ts'
import { Secret } from '../../../src/shared/secret.ts'

const place = { table: 'signing_keys', column: 'sealed_private_jwk', rowId: 'key_1' }

describe.each([
  ['v1', createEncryption],
  ['r1', createRowEncryption],
] as const)('%s', (version, create) => {
  const boxOf = (...masters: string[]) => create(masters.map((master) => new Secret(master)))
  const box = boxOf('master')

  it('opens what it sealed, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (plain) => {
        expect(box.decrypt(box.encrypt(plain, place), place)).toBe(plain)
      }),
    )
  })

  it('shows nothing of it, and never the same twice', () => {
    const sealed = box.encrypt('a private key', place)
    expect(sealed.slice(0, 3)).toBe(`${version}.`)
    expect(sealed.slice(3)).toMatch(/^[0-9a-f]{8}\.[\w-]{16}\.[\w-]+\.[\w-]{22}$/)
    expect(sealed.startsWith(box.currentPrefix)).toBe(true)
    expect(Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString()).not.toContain('private')
    expect(box.encrypt('a private key', place)).not.toBe(sealed)
  })

  it.each([
    ['table', { ...place, table: 'connections' }],
    ['column', { ...place, column: 'other' }],
    ['row', { ...place, rowId: 'key_2' }],
    [
      'cut between the names',
      { table: 'signing_keyss', column: 'ealed_private_jwk', rowId: 'key_1' },
    ],
  ])('does not open in another %s', (_name, other) => {
    expect(() => box.decrypt(box.encrypt('text', place), other)).toThrow()
  })

  it('does not open with any part changed or cut', () => {
    const parts = box.encrypt('a text of some length', place).split('.')
    for (let at = 0; at < parts.length; at += 1) {
      const part = parts[at] ?? ''
      const swapped = (part.startsWith('A') ? 'B' : 'A') + part.slice(1)
      expect(() => box.decrypt(parts.with(at, swapped).join('.'), place)).toThrow()
      expect(() => box.decrypt(parts.toSpliced(at, 1).join('.'), place)).toThrow()
    }
    // A shortened tag would be easier to guess.
    expect(() =>
      box.decrypt(parts.with(4, (parts[4] ?? '').slice(0, 6)).join('.'), place),
    ).toThrow()
    expect(() => box.decrypt('', place)).toThrow('not an encrypted value')
  })

  it('opens with an older key while that is configured, and says that it is stale', () => {
    const old = boxOf('old').encrypt('text', place)
    const both = boxOf('new', 'old')
    expect(both.decrypt(old, place)).toBe('text')
    expect(both.isStale(old)).toBe(true)
    expect(both.isStale(both.encrypt('text', place))).toBe(false)
    expect(() => boxOf('new').decrypt(old, place)).toThrow(/no key [0-9a-f]{8} is configured/)
  })

  it('needs a key', () => {
    expect(() => create([])).toThrow('at least one')
  })
})

it('of one kind does not open what the other kind encrypted', () => {
  const masters = [new Secret('master')]
  const [one, other] = [createEncryption(masters), createRowEncryption(masters)]
  expect(() => one.decrypt(other.encrypt('text', place), place)).toThrow('not an encrypted value')
  expect(() => other.decrypt(one.encrypt('text', place), place)).toThrow('not an encrypted value')
})
