import fc from 'fast-check'
import { proxyTarget } from '../../../src/connections/proxy/proxy-target.ts'

const BASE = new URL('https://api.example.com/v1')
const target = (rest: string, base = BASE) => proxyTarget(base, rest).href
const AMBIGUOUS = expect.objectContaining({ code: 'path_ambiguous' }) as Error

test.each([
  ['', 'https://api.example.com/v1'],
  ['/', 'https://api.example.com/v1/'],
  ['/chat.postMessage', 'https://api.example.com/v1/chat.postMessage'],
  ['/users/@me', 'https://api.example.com/v1/users/@me'],
  ['/a/b/?x=1&y=2', 'https://api.example.com/v1/a/b/?x=1&y=2'],
  ['?q=a?b/../c', 'https://api.example.com/v1?q=a?b/../c'],
  // The name of a project, as GitLab wants it.
  ['/projects/group%2Fproject', 'https://api.example.com/v1/projects/group%2Fproject'],
  ['/caf%C3%A9/a%20b', 'https://api.example.com/v1/caf%C3%A9/a%20b'],
  ['/...', 'https://api.example.com/v1/...'],
  ['/a:b;c=1,2', 'https://api.example.com/v1/a:b;c=1,2'],
])('%j goes to %s', (rest, expected) => {
  expect(target(rest)).toBe(expected)
})

test('without a path the base address is asked as it is', () => {
  expect(target('', new URL('https://api.example.com'))).toBe('https://api.example.com/')
  expect(target('/x', new URL('https://api.example.com/'))).toBe('https://api.example.com/x')
  expect(target('/x', new URL('https://api.example.com/v1/'))).toBe('https://api.example.com/v1/x')
})

test.each([
  ...['/..', '/../admin', '/a/../../admin', '/./a', '/a/.', '/..;/admin', '/.;x/a'],
  ...['/%2e%2e/admin', '/%2E%2E/admin', '/.%2e/admin', '/%2e/a', '/a%2f..%2f..%2fadmin'],
  ...['/%252e%252e/admin', '/%25252e%25252e/a', '/a%252f%252e%252e%252fb', '/%2e%2e%3b/a'],
  ...['//evil.example/', '//evil.example', '/a//b', '/%2f/evil.example', '/%2f%2fevil.example'],
  ...['/a%2f%2fb', '@evil.example/', ':443@evil.example/', '.evil.example/', 'evil'],
  ...['/\\evil.example', '/a\\..\\b', '/a%5cb', '/a%5C..%5Cb', '/%255c', '\\\\evil.example\\'],
  ...['/a%00', '/%00', '/a%0d%0aHost:%20evil.example', '/%09', '/a%7f', '/a%2500'],
  ...['/a b', '/a\tb', '/a\r\nX: y', '/ü', '/a#b', '/a?x#y', '/a?x y', '/a?x\r\ny'],
  ...['/%', '/%2', '/%zz', '/a%', '/%c0%ae%c0%ae/', '/%ff', '/%c3', '/%e2%80'],
  ...['/<a>', '/"a"', '/a|b', '/{id}', '/[1]', '/a^b', '/`a`'],
])('%j is refused', (rest) => {
  expect(() => target(rest)).toThrow(AMBIGUOUS)
})

const piece = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '%2e',
    '%2E',
    '%252e',
    '%2f',
    '/',
    '//',
    '\\',
    '%5c',
    '@',
    ':',
    '?',
    '#',
  ),
  fc.constantFrom('%00', ';', 'a', 'evil.example', '%25', '%c0%ae', '\r\n', ' ', '%0a', '&', '='),
  fc.string({ maxLength: 4 }),
)

test('whatever is written, the call stays below the base address', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      let url: URL
      try {
        url = proxyTarget(BASE, `/${pieces.join('')}`)
      } catch (error) {
        expect(error).toEqual(AMBIGUOUS)
        return
      }
      expect(url.origin).toBe('https://api.example.com')
      expect(url.username + url.password + url.hash).toBe('')
      // Also for a server that decodes as often as it can before it looks.
      let path = url.pathname
      for (let round = 0; round < 6; round += 1) {
        expect(new URL(path, 'https://api.example.com').pathname).toMatch(/^\/v1\//)
        expect(path).not.toMatch(/\\|\/\/|[\u0000-\u001f]/)
        path = path.replace(/%[0-9a-f]{2}/gi, (escape) =>
          String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
        )
      }
    }),
    { numRuns: 3000 },
  )
})
