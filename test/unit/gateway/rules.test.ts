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
