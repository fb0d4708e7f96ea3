import { findRule, readPath } from '../../../src/gateway/rules.ts'

const rule = (path: string, methods?: string[]) => ({
  methods,
  path,
  scopes: [path],
  match: 'all' as const,
})

describe('the path of a call', () => {
  it.each([
    ['/v1/bookings', '/v1/bookings'],
    ['/v1/Bookings/', '/v1/bookings'],
    ['/v1/bookings?x=1/../2', '/v1/bookings'],
    ['/', '/'],
    ['/caf%C3%A9/a%20b', '/caf%c3%a9/a%20b'],
    ['/v1/a.b/c..d', '/v1/a.b/c..d'],
    ['/cafe%CC%81', '/cafe%cc%81'],
    ['/%E6%97%A5%E6%9C%AC/stra%C3%9Fe', '/%e6%97%a5%e6%9c%ac/stra%c3%9fe'],
    ['/%F0%9F%8E%89', '/%f0%9f%8e%89'],
  ])('%s is %s', (uri, path) => {
    expect(readPath(uri)).toBe(path)
  })

  it.each([
    'v1',
    '',
    'http://api/v1',
    '//v1',
    '/v1//x',
    '/v1/../x',
    '/v1/..',
    '/./x',
    '/v1/%2e%2e/x',
    '/v1%2Fx',
    '/v1%5cx',
    '/v1\\x',
    '/%61dmin',
    '/%41dmin',
    '/%7Ea',
    '/a%2Db',
    '/v1%252fx',
    '/v1/x%00',
    '/v1/x;y',
    '/v1/x%3By',
    '/v1/x%3Fy',
    '/v1/x#y',
    '/v1/x%zz',
    '/v1/x y',
    '/v1/é',
  ])('%s has more than one reading', (uri) => {
    expect(readPath(uri)).toBeUndefined()
  })

  it.each([
    ['an overlong slash', '/v1/%c0%afx'],
    ['overlong dots', '/bookings/%c0%ae%c0%ae/admin'],
    ['half a letter', '/v1/%c3'],
    ['a surrogate', '/v1/%ed%a0%80'],
    ['Latin-1', '/caf%e9'],
    ['a fullwidth slash', '/bookings/%ef%bc%8f..'],
    ['fullwidth dots', '/bookings/%ef%bc%8e%ef%bc%8e/admin'],
    ['a two-dot leader', '/bookings/%e2%80%a5/admin'],
    ['a fullwidth letter', '/v1/%ef%bd%81dmin'],
    ['a fullwidth percent sign', '/v1/%ef%bc%852e'],
    ['a letter that is k in lower case', '/v1/%e2%84%aaeys'],
    ['a long s', '/v1/%c5%bfecrets'],
    ['a fraction slash', '/bookings%e2%81%84..'],
    ['a letter without width', '/bookings%e2%80%8b'],
    ['a byte order mark', '/%ef%bb%bfbookings'],
    ['a C1 control', '/bookings%c2%85'],
    ['the end of a line', '/v1/admin%0a'],
    ['a delete', '/v1/admin%7f'],
  ])('%s has more than one reading', (_what, uri) => {
    expect(readPath(uri)).toBeUndefined()
  })

  it('refuses every escape of a letter that needs none', () => {
    const unreserved = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'
    for (const letter of unreserved) {
      const escape = `%${letter.charCodeAt(0).toString(16)}`
      expect([escape, readPath(`/v1/${escape}x`)]).toEqual([escape, undefined])
    }
  })
})

describe('the first rule that fits', () => {
  const rules = [
    rule('/v1/bookings/*/notes', ['GET']),
    rule('/v1/bookings/**', ['GET', 'POST']),
    rule('/v1/Admin/**'),
    rule('/v1/*'),
    rule('/'),
  ]
  it.each([
    ['GET', '/v1/bookings/7/notes', '/v1/bookings/*/notes'],
    ['HEAD', '/v1/bookings/7/notes', '/v1/bookings/*/notes'],
    ['POST', '/v1/bookings/7/notes', '/v1/bookings/**'],
    ['POST', '/v1/bookings', '/v1/bookings/**'],
    ['DELETE', '/v1/bookings', '/v1/*'],
    ['DELETE', '/v1/bookings/7', undefined],
    ['GET', '/v1/bookingsX', '/v1/*'],
    ['PURGE', '/v1/admin/x/y', '/v1/Admin/**'],
    ['GET', '/', '/'],
    ['GET', '/v1', undefined],
    ['GET', '/v1/x/y', undefined],
  ])('%s %s → %s', (method, path, expected) => {
    expect(findRule(rules, method, path)?.path).toBe(expected)
  })
})
