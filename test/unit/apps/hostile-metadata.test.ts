// The rules of metadata against hostile values: addresses put together from hostile parts, texts
// that no keyboard makes, members that every object inherits. The properties hold for every
// generated value; each also counts that it saw both outcomes.
import { isPlainLine } from '../../../src/model/plain-text.ts'
import { APP_TYPES, type AppType } from '../../../src/model/app.ts'
import fc from 'fast-check'
import { APP_RULES, DEFAULT_LIFETIME_BOUNDS } from '../../../src/apps/app-rules.ts'
import { checkAppInput } from '../../../src/apps/client-metadata.ts'
import {
  checkLink,
  checkRedirectUri,
  matchesRedirectUri,
  REDIRECT_URI_RULES,
} from '../../../src/apps/redirect-uri.ts'
import { BUILT_IN_SCOPES, checkScope } from '../../../src/apps/scope.ts'
import { ORIGIN_RULES } from '../../../src/apps/web-origin.ts'

const RULES = new Set(REDIRECT_URI_RULES.map(({ name }) => name))
const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost']
const LONE_SURROGATE = /\p{Cs}/u
const BORN_WITH = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '']

const pick = fc.constantFrom<string[]>
/** Mostly harmless, so that one hostile part is not hidden behind another. */
const mostly = (good: readonly string[], bad: readonly string[]) =>
  fc.oneof({ weight: 3, arbitrary: pick(...good) }, { weight: 1, arbitrary: pick(...bad) })

const scheme = mostly(
  ['https://', 'https://', 'http://', 'com.yourapp:/', 'com.yourapp.ios-app://'],
  [
    ...[
      'HTTPS://',
      'hTTp://',
      'https:',
      'https:/',
      'https:///',
      'https:\\\\',
      '//',
      '',
      '://',
      ':',
    ],
    ...[
      'javascript:',
      'JaVaScRiPt:',
      'java\tscript:',
      ' javascript:',
      'javascript://',
      'data:text/html,',
    ],
    ...[
      'vbscript:',
      'blob:https://',
      'file:///',
      'filesystem:https://',
      'about:',
      'view-source:https://',
    ],
    ...[
      'yourapp:/',
      'yourapp://',
      'com.:/',
      'com..yourapp:/',
      '.com:/',
      'com.yourApp:/',
      'COM.YOURAPP:/',
    ],
    ...[
      'com.yourapp:',
      'com_yourapp.x:/',
      '1com.yourapp:/',
      'urn:ietf:wg:oauth:2.0:oob',
      'intent://',
      'ms-x:/',
    ],
    ...[
      'ws://',
      'ftp://',
      'mailto:',
      'tel:',
      'https%3A//',
      'ｈttps://',
      'com.javascript:/',
      'javascript.com:/',
    ],
  ],
)
const userInfo = mostly(
  ['', '', '', ''],
  [
    'user@',
    'user:password@',
    '@',
    ':@',
    'yourapp.com@',
    'yourapp.com%40',
    'a%3Ab@',
    'yourapp.com:443@',
    '\\@',
  ],
)
const host = mostly(
  [
    'yourapp.com',
    'xn--bcher-kva.example',
    'bücher.example',
    '127.0.0.1',
    '[::1]',
    'localhost',
    '192.168.1.10',
  ],
  [
    ...[
      '',
      '.',
      '..',
      'yourapp.com.',
      '.yourapp.com',
      'yourapp..com',
      '-yourapp.com',
      'yourapp-.com',
    ],
    ...[
      'YourApp.com',
      'yourapp%2ecom',
      'yourapp%252ecom',
      '%79ourapp.com',
      'yourapp.com%00',
      'evil.com%2f.yourapp.com',
    ],
    ...[
      'yourаpp.com',
      'ｙourapp.com',
      'yourapp。com',
      'yourapp．com',
      'yourapp｡com',
      'yourapp.com／x',
      'ⓨourapp.com',
    ],
    ...[
      'faß.example',
      'BÜCHER.example',
      'bu\u0308cher.example',
      'a\u200Bb.example',
      'a\u200Db.example',
      'a\u00ADb.example',
    ],
    ...[
      'xn--',
      'xn--a',
      'xn--yourapp-',
      'XN--BCHER-KVA.example',
      'xn--bcher-kva',
      'xn--e1afmkfd.xn--p1ai',
      'пример.рф',
    ],
    ...[
      '127.1',
      '127.0.1',
      '2130706433',
      '0177.0.0.1',
      '0x7f.0.0.1',
      '0x7f000001',
      '017700000001',
      '127.0.0.01',
    ],
    ...[
      '127.0.0.1.',
      '127.0.0.2',
      '0.0.0.0',
      '0',
      '256.1.1.1',
      '1.2.3.4.5',
      '127.0.0.1.evil.com',
      'localhost.evil.com',
    ],
    ...[
      '[::]',
      '[0:0:0:0:0:0:0:1]',
      '[::1',
      '::1]',
      '[::1%25eth0]',
      '[::ffff:127.0.0.1]',
      '[::FFFF:7F00:1]',
      '[v1.x]',
    ],
    ...[
      '*.yourapp.com',
      'your app.com',
      'your\tapp.com',
      'your\napp.com',
      'yourapp.com\0',
      'yourapp.com,evil.com',
    ],
    ...[
      'yourapp\\.com',
      "your'app.com",
      '{yourapp}.com',
      'a'.repeat(64),
      `${'a.'.repeat(130)}com`,
      '\uD800.com',
      '__proto__',
    ],
  ],
)
const port = mostly(
  ['', '', ':443', ':8443', ':1', ':65535'],
  [
    ':',
    ':0',
    ':00',
    ':080',
    ':0443',
    ':65536',
    ':99999999999',
    ':-1',
    ':+1',
    ':80:90',
    ':http',
    ':8\t0',
    ':８０',
    ':0x50',
    ':1e3',
  ],
)
const path = mostly(
  ['', '/', '/cb', '/cb/', '//cb', '/a%20b', '/a%2Fb', '/~u/(x);v=1,2', '/.well-known/x', '/...'],
  [
    ...[
      '/../cb',
      '/./cb',
      '/cb/..',
      '/%2e%2e/cb',
      '/.%2E/cb',
      '/%252e%252e/cb',
      '/cb/%2e',
      '\\cb',
      '/\\evil.com',
      '/%5c',
    ],
    ...[
      '/c b',
      '/c\tb',
      '/c\nb',
      '/c\0b',
      '/%00',
      '/%0d%0aSet-Cookie:x',
      '/%7f',
      '/%zz',
      '/%',
      '/%2',
      '/bücher',
      '/\u202Ex',
    ],
    ...[
      '/*',
      '/<cb>',
      '/"',
      '/`',
      '/{x}',
      '/^',
      '/|',
      '/\uDC00',
      `/${'a'.repeat(3000)}`,
      '/;@evil.com',
      '/@evil.com',
      'cb',
    ],
  ],
)
const tail = mostly(
  ['', '', '?x=1', '?tenant=a%20b', '?', '?next=/a/../b'],
  [
    ...[
      '?code=1',
      '?state',
      '?%63ode=1',
      '?a=1&iss=x',
      '?co%64e',
      '?x="',
      "?x='",
      '?x=<',
      '?x=%00',
      '?x=\t',
      '?x=%0A',
    ],
    ...['#', '#x', '#@evil.com', '?x#y', '?#', '%23x', '?x=*', '?x=%5C', '?x=ü', '?\uD800'],
  ],
)
const pieced = fc.tuple(scheme, userInfo, host, port, path, tail).map((parts) => parts.join(''))
const spoilt = fc
  .tuple(pieced, fc.nat(60), fc.nat(2), fc.string({ unit: 'binary', maxLength: 2 }))
  .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut))
const hostileUri = fc.oneof(
  { weight: 6, arbitrary: pieced },
  { weight: 2, arbitrary: spoilt },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: pick(...BORN_WITH) },
)
const anyType = fc.constantFrom<AppType>(...APP_TYPES)

/** The authority as it is written, without user information, which is refused. */
const writtenHost = (uri: string): string =>
  (/^[a-z.+-]+:\/\/([^/?]*)/.exec(uri)?.[1] ?? '').replace(/:\d+$/, '')

/** Counts how often each thing was seen, so that a property that says nothing is seen as well. */
function createTally() {
  const counts = new Map<string, number>()
  return {
    add: (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1),
    of: (name: string) => counts.get(name) ?? 0,
    names: () => [...counts.keys()],
  }
}

function expectSafe(stored: string, type: AppType): void {
  const url = new URL(stored)
  expect(url.username + url.password + url.hash).toBe('')
  // `@` is harmless in a path (RFC 3986 §3.3), and nowhere else.
  expect(writtenHost(stored)).not.toContain('@')
  expect(stored).not.toMatch(/[#*\\]|[^\x21-\x7E]/)
  expect(stored.length).toBeLessThanOrEqual(2000 + 500)
  if (url.protocol === 'https:' || url.protocol === 'http:') {
    // Where a browser goes is what is written, in punycode.
    expect(writtenHost(stored)).toBe(url.hostname)
    expect(url.hostname).not.toMatch(/[A-Z]|\.$|%/)
    if (url.protocol === 'http:') expect(LOOPBACK).toContain(url.hostname)
  } else {
    expect(type).toBe('public')
    expect(url.protocol).toMatch(/^[a-z][a-z-]*(\.[a-z0-9][a-z0-9+-]*)+:$/)
  }
  expect(unescaped(url.pathname)).not.toMatch(/[\u0000-\u001F\u007F\\]/)
}

// Byte by byte: an escape need not be UTF-8 (RFC 3986 §2.1).
const unescaped = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

describe('redirect URIs', () => {
  test('whatever is generated is refused by a rule of the table, or keeps every promise', () => {
    const tally = createTally()
    fc.assert(
      fc.property(hostileUri, anyType, (text, type) => {
        const verdict = checkRedirectUri(text, type)
        tally.add(
          verdict.kind === 'refused' ? verdict.rule : `accepted ${text.split(':')[0] ?? ''}`,
        )
        if (verdict.kind === 'refused') {
          expect(RULES).toContain(verdict.rule)
          return
        }
        const { stored } = verdict
        expectSafe(stored, type)
        expect(checkRedirectUri(stored, type)).toEqual({ kind: 'accepted', stored })
        expect(matchesRedirectUri({ type, redirectUris: [stored] }, stored)).toBe(true)
      }),
      { numRuns: 10_000 },
    )
    const told = tally.names().filter((name) => RULES.has(name))
    // A few rules can only be met in another spelling. Most must be the rule that is reported.
    expect(told.length).toBeGreaterThan(RULES.size * 0.8)
    expect(tally.of('accepted https')).toBeGreaterThan(50)
    expect(tally.of('accepted http')).toBeGreaterThan(10)
    expect(tally.of('accepted com.yourapp')).toBeGreaterThan(10)
  })

  test('a stored one is matched by itself alone, but for the port of a native app’s loopback literal', () => {
    const tally = createTally()
    const near = fc.tuple(pieced, spoilt, port, anyType)
    fc.assert(
      fc.property(near, fc.boolean(), ([text, other, otherPort, type], isPort) => {
        const verdict = checkRedirectUri(text, type)
        if (verdict.kind === 'refused') return
        const { stored } = verdict
        const presented = isPort
          ? stored.replace(/^([a-z.+-]+:\/\/(?:\[[^\]]*\]|[^/:?]*))(?::\d+)?/, `$1${otherPort}`)
          : other
        const isMatch = matchesRedirectUri({ type, redirectUris: [stored] }, presented)
        tally.add(isMatch ? 'match' : 'no match')
        if (presented === stored) expect(isMatch).toBe(true)
        else if (isMatch) {
          tally.add('another port')
          expect(type).toBe('public')
          const [was, is] = [new URL(stored), new URL(presented)]
          expect(is.protocol).toBe('http:')
          expect(['127.0.0.1', '[::1]']).toContain(is.hostname)
          was.port = is.port
          expect(was.href).toBe(is.href)
          expect(presented).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\])(:[1-9]\d{0,4})?([/?]|$)/)
        }
      }),
      { numRuns: 10_000 },
    )
    for (const name of ['match', 'no match', 'another port'])
      expect({ name, isSeen: tally.of(name) > 0 }).toEqual({ name, isSeen: true })
  })

  test('a link is https, or is refused by a rule', () => {
    fc.assert(
      fc.property(hostileUri, (text) => {
        const verdict = checkLink(text)
        if (verdict.kind === 'refused') {
          expect(verdict.rule).toMatch(/^uri-/)
          return
        }
        const url = new URL(verdict.stored)
        expect([url.protocol, url.username, url.password]).toEqual(['https:', '', ''])
        expect(writtenHost(verdict.stored.split('#')[0] ?? '')).toBe(url.hostname)
        expect(checkLink(verdict.stored)).toEqual(verdict)
      }),
      { numRuns: 4_000 },
    )
  })
})

const hostileText = fc.oneof(
  pick(
    'Planner',
    ' Planner',
    'Plan\u202Enner',
    'a\u0000b',
    '\uD800',
    'e\u0301',
    '𝕻lanner',
    'A'.repeat(81),
    '\n',
    '<script>',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  pick(...BORN_WITH),
)
const hostileValue = fc.oneof(
  hostileText,
  fc.array(fc.oneof(hostileUri, hostileText), { maxLength: 3 }),
  fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }),
)
const hostileEntries = (fields: readonly string[]) =>
  fc.array(fc.tuple(pick(...fields, ...BORN_WITH), hostileValue), { maxLength: 4 })
/** Own members, also where they are called like one that every object has. */
const withEntries = (base: object, entries: readonly (readonly [string, unknown])[]): object =>
  entries.reduce(
    (object, [name, value]) =>
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true }),
    { ...base },
  )

const CATALOGUE = new Map(BUILT_IN_SCOPES.map((scope) => [scope.name, scope]))
const BASES: object[] = [
  {
    name: 'Planner',
    type: 'web',
    redirectUris: ['https://planner.example/cb'],
    scopes: ['openid'],
  },
  { name: 'Mobile', type: 'public', redirectUris: ['com.planner:/cb'] },
  { name: 'Export', type: 'machine', audiences: ['https://api.example'] },
]
const APP_FIELDS = [
  ...[
    'handle',
    'name',
    'description',
    'type',
    'homepageUrl',
    'privacyUrl',
    'termsUrl',
    'ownerContact',
  ],
  ...[
    'environment',
    'redirectUris',
    'allowedOrigins',
    'scopes',
    'audiences',
    'clientCredentials',
    'localhostAnyPort',
    'schemesWithoutDomain',
    'requirePkce',
    'accessTtlSeconds',
    'refreshTtlSeconds',
    'idTokenSignedResponseAlg',
  ],
]
const APP_RULE_NAMES = new Set([
  ...APP_RULES.map(({ name }) => name),
  ...RULES,
  ...ORIGIN_RULES.map(({ name }) => name),
  ...['uri-not-https', 'field-type', 'field-unknown'],
])

test('app metadata: nothing throws, refusals name a rule, what is accepted is stored as it will be accepted again', () => {
  const tally = createTally()
  const context = { scopes: CATALOGUE, bounds: DEFAULT_LIFETIME_BOUNDS }
  fc.assert(
    fc.property(fc.constantFrom(...BASES), hostileEntries(APP_FIELDS), (base, entries) => {
      const verdict = checkAppInput(withEntries(base, entries), context)
      tally.add(verdict.kind)
      if (verdict.kind === 'refused') {
        expect(verdict.problems.length).toBeGreaterThan(0)
        for (const { rule, sentence, value = '', field } of verdict.problems) {
          expect(APP_RULE_NAMES).toContain(rule)
          expect(sentence).toMatch(/^[A-Z].+\.$/s)
          // What comes back is short, and can be written as JSON and kept by any store.
          expect(value.length + field.length).toBeLessThan(600)
          expect(value + field).not.toMatch(LONE_SURROGATE)
        }
        return
      }
      const { settings } = verdict
      expect(checkAppInput(settings, context)).toEqual(verdict)
      expect(Object.getPrototypeOf(settings)).toBe(Object.prototype)
      expect(isPlainLine(settings.name)).toBe(true)
      expect([settings.name, settings.description, ...settings.scopes].join('')).not.toMatch(
        LONE_SURROGATE,
      )
      for (const uri of settings.redirectUris)
        expect(checkRedirectUri(uri, settings.type, settings)).toEqual({
          kind: 'accepted',
          stored: uri,
        })
    }),
    { numRuns: 3_000 },
  )
  expect(Math.min(tally.of('accepted'), tally.of('refused'))).toBeGreaterThan(100)
})

test('scopes: nothing throws, refusals name a rule, what is accepted is accepted again', () => {
  const tally = createTally()
  const base = { name: 'bookings:read', sentence: 'See your bookings', group: 'Bookings' }
  const fields = ['name', 'sentence', 'group', 'sensitive', 'deprecated', 'audience']
  fc.assert(
    fc.property(hostileEntries(fields), (entries) => {
      const verdict = checkScope(withEntries(base, entries))
      tally.add(verdict.kind)
      if (verdict.kind === 'refused') {
        for (const { rule, value = '', field } of verdict.problems) {
          expect(rule).toMatch(/^(scope|field)-[a-z-]+$/)
          expect(value + field).not.toMatch(LONE_SURROGATE)
        }
        return
      }
      const { scope } = verdict
      expect(checkScope(scope)).toEqual(verdict)
      expect(scope.name).toMatch(/^[\x21-\x7E]{1,100}$/)
      expect(scope.name).not.toMatch(/[,"\\]|^admin:/)
      expect(isPlainLine(scope.sentence) && isPlainLine(scope.group)).toBe(true)
      expect(scope.audience ?? 'x').toMatch(/^[\x21\x24-\x5B\x5D-\x7E]{1,200}$/)
    }),
    { numRuns: 3_000 },
  )
  expect(Math.min(tally.of('accepted'), tally.of('refused'))).toBeGreaterThan(100)
})
