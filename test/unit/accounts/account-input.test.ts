// E-mail addresses and lines of text as people type them.
import { emailKey, parseEmail, parseLine } from '../../../src/accounts/account-input.ts'

describe('An e-mail address', () => {
  test.each([
    ['ada@example.com', 'ada@example.com'],
    ['  Ada.Lovelace+otesse@Example.co.uk \n', 'Ada.Lovelace+otesse@Example.co.uk'],
    ["o'brien@example.com", "o'brien@example.com"],
    ['käthe@müller.example', 'käthe@müller.example'],
  ])('%j is plausible', (text, email) => {
    expect(parseEmail(text)).toBe(email)
  })

  test.each([
    '',
    '   ',
    'ada',
    '@example.com',
    'ada@',
    'ada@example',
    'ada@.com',
    'ada@example..com',
    'ada@example.com.',
    'ada@b@example.com',
    'ada lovelace@example.com',
    'ada@exam ple.com',
    'ada\0@example.com',
    'ada\u200b@example.com',
    'ada@example.com\nBcc: eve@example.com',
    '\ud800@example.com',
    'ada@exa%6dple.com',
    'ada@exa|mple.com',
    'ada@127.0.0.1',
    'ada@1.2',
    `${'x'.repeat(65)}@example.com`,
    `ada@${'x'.repeat(250)}.com`,
  ])('%j is not', (text) => {
    expect(parseEmail(text)).toBeUndefined()
  })

  test('RFC 5321 §4.5.3.1.1 — has at most 64 characters before the @', () => {
    const emailOf = (length: number): string => `${'x'.repeat(length)}@example.com`
    expect(parseEmail(emailOf(64))).toBe(emailOf(64))
    expect(parseEmail(emailOf(65))).toBeUndefined()
  })

  test('RFC 5321 §4.5.3.1.3 — has at most 254 characters, for its path has two brackets more', () => {
    const domain = `${'x'.repeat(60)}.`.repeat(4)
    const emailOf = (length: number): string =>
      `${'a'.repeat(length - domain.length - 4)}@${domain}com`
    expect(parseEmail(emailOf(254))).toBe(emailOf(254))
    expect(parseEmail(emailOf(255))).toBeUndefined()
  })

  test('has one key however it is typed', () => {
    expect(emailKey('Ada@Example.COM')).toBe('ada@example.com')
    expect(emailKey('Ka\u0308the@example.com')).toBe(emailKey('K\u00c4THE@example.com'))
    expect(emailKey('ada@example.com')).not.toBe(emailKey('ada@example.org'))
  })

  test('RFC 5890 §2.3.2.1 — has one key for the U-label and the A-label of its domain', () => {
    expect(emailKey('user@b\u00fccher.example')).toBe('user@xn--bcher-kva.example')
    expect(emailKey('user@XN--BCHER-KVA.example')).toBe('user@xn--bcher-kva.example')
    expect(emailKey('user@bu\u0308cher\u3002example')).toBe('user@xn--bcher-kva.example')
  })

  test('of a megabyte is refused quickly', () => {
    const start = performance.now()
    expect(parseEmail(`${'a.'.repeat(500_000)}@`)).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('A line of text', () => {
  test('is trimmed, and nothing where nothing is left', () => {
    expect(parseLine('  Ada Lovelace ', 'name')).toBe('Ada Lovelace')
    expect(parseLine('   ', 'name')).toBeUndefined()
  })

  test.each(['NUL \0 inside', 'two\nlines', 'broken \udc00', 'x'.repeat(201)])(
    '%j is refused and names the parameter',
    (text) => {
      try {
        parseLine(text, 'name')
        throw new Error('it was taken')
      } catch (error) {
        expect(error).toMatchObject({ code: 'parameter_invalid', about: 'name' })
      }
    },
  )
})
