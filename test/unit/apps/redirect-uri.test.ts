// The rules of redirect URIs: a table of hostile and harmless values, and properties that hold for
// every generated value.
import fc from 'fast-check'
import type { AppType } from '../../../src/model/app.ts'
import {
  REDIRECT_URI_RULES,
  checkLink,
  checkRedirectUri,
  matchesRedirectUri,
} from '../../../src/apps/redirect-uri.ts'

const ruleOf = (uri: string, type: AppType): string => {
  const verdict = checkRedirectUri(uri, type)
  return verdict.kind === 'refused' ? verdict.rule : `accepted ${verdict.stored}`
}

const ACCEPTED: [type: AppType, uri: string, stored?: string][] = [
  ['web', 'https://yourapp.com/callback'],
  ['web', 'https://yourapp.com'],
  ['web', 'https://yourapp.com/'],
  ['web', 'https://yourapp.com?tenant=1'],
  ['web', 'https://yourapp.com/cb?tenant=1&x=a%20b'],
  ['web', 'https://yourapp.com:8443/cb'],
  ['web', 'https://yourapp.com:443/cb'],
  ['web', 'https://yourapp.com//double'],
  ['web', 'https://a_b.yourapp.com/~user/(x)/;v=1/a,b/@me/$1/!/x+y/=&/:'],
  ['web', 'https://intranet/cb'],
  ['web', 'https://192.168.1.10/cb'],
  ['web', 'https://[2001:db8::1]:8443/cb'],
  ['web', 'https://xn--bcher-kva.example/cb'],
  ['web', 'https://bücher.example/cb', 'https://xn--bcher-kva.example/cb'],
  ['web', 'https://bücher.example:8443/cb?q=1', 'https://xn--bcher-kva.example:8443/cb?q=1'],
  ['web', 'https://пример.рф', 'https://xn--e1afmkfd.xn--p1ai'],
  ['web', 'http://127.0.0.1:3000/cb'],
  ['web', 'http://[::1]/cb'],
  ['web', 'http://localhost:3000/cb'],
  ['web', 'https://yourapp.com/a%2Fb/...dots/.well-known/x'],
  ['public', 'https://yourapp.com/callback'],
  ['public', 'http://127.0.0.1/cb'],
  ['public', 'http://127.0.0.1'],
  ['public', 'com.yourapp:/callback'],
  ['public', 'com.yourapp:/'],
  ['public', 'com.yourapp.ios-app:/oauth2redirect/example-provider'],
  ['public', 'com.yourapp://callback'],
  ['public', 'com.yourapp:///callback'],
]

const REFUSED: [rule: string, type: AppType, uri: string][] = [
  ['uri-empty', 'web', ''],
  ['uri-too-long', 'web', `https://yourapp.com/${'a'.repeat(2000)}`],
  ['uri-space-or-control', 'web', ' https://yourapp.com/cb'],
  ['uri-space-or-control', 'web', 'https://yourapp.com/cb\n'],
  ['uri-space-or-control', 'web', 'https://your\tapp.com/cb'],
  ['uri-space-or-control', 'web', 'https://yourapp.com/c\u0000b'],
  ['uri-space-or-control', 'web', 'https://yourapp.com/\u202Emoc.live'],
  ['uri-space-or-control', 'web', 'https://your\u200Bapp.com/cb'],
  ['uri-space-or-control', 'web', 'https://your\u00ADapp.com/cb'],
  ['uri-space-or-control', 'web', 'https://yourapp.com/\uD800'],
  ['uri-space-or-control', 'public', 'java\nscript:alert(1)'],
  ['uri-backslash', 'web', 'https:\\\\yourapp.com\\cb'],
  ['uri-backslash', 'web', 'https://yourapp.com\\@evil.com/cb'],
  ['uri-backslash', 'web', 'https://evil.com\\.yourapp.com/cb'],
  ['uri-not-absolute', 'web', '/callback'],
  ['uri-not-absolute', 'web', '//yourapp.com/callback'],
  ['uri-not-absolute', 'web', 'yourapp.com/callback'],
  ['uri-not-absolute', 'web', '1https://yourapp.com'],
  ['uri-not-absolute', 'web', ':'],
  ['uri-dangerous-scheme', 'public', 'javascript:alert(1)'],
  ['uri-dangerous-scheme', 'public', 'JavaScript:alert(1)'],
  ['uri-dangerous-scheme', 'web', 'javascript://yourapp.com/%0aalert(1)'],
  ['uri-dangerous-scheme', 'public', 'data:text/html,<script>alert(1)</script>'],
  ['uri-dangerous-scheme', 'public', 'file:///etc/passwd'],
  ['uri-dangerous-scheme', 'public', 'blob:https://yourapp.com/x'],
  ['uri-dangerous-scheme', 'public', 'vbscript:x'],
  ['uri-dangerous-scheme', 'public', 'intent://x#Intent;end'],
  ['uri-dangerous-scheme', 'public', 'ms-settings:x'],
  ['uri-upper-case-scheme', 'web', 'HTTPS://yourapp.com/cb'],
  ['uri-upper-case-scheme', 'public', 'com.yourApp:/cb'],
  ['uri-fragment', 'web', 'https://yourapp.com/cb#'],
  ['uri-fragment', 'web', 'https://yourapp.com/cb#x'],
  ['uri-fragment', 'web', 'https://yourapp.com#@evil.com'],
  ['uri-wildcard', 'web', 'https://*.yourapp.com/cb'],
  ['uri-wildcard', 'web', 'https://yourapp.com/*'],
  ['uri-scheme-not-for-web', 'web', 'com.yourapp:/cb'],
  ['uri-scheme-without-domain', 'public', 'yourapp:/cb'],
  ['uri-scheme-without-domain', 'public', 'yourapp://cb'],
  ['uri-scheme-without-domain', 'public', 'urn:ietf:wg:oauth:2.0:oob'],
  ['uri-scheme-without-domain', 'public', 'com.:/cb'],
  ['uri-scheme-without-domain', 'public', 'com..yourapp:/cb'],
  ['uri-private-without-path', 'public', 'com.yourapp:callback'],
  ['uri-private-without-path', 'public', 'com.yourapp:'],
  ['uri-host-missing', 'web', 'https:/yourapp.com/cb'],
  ['uri-host-missing', 'web', 'https:yourapp.com/cb'],
  ['uri-host-missing', 'web', 'https:///yourapp.com/cb'],
  ['uri-host-missing', 'web', 'https://'],
  ['uri-user-info', 'web', 'https://yourapp.com@evil.com/cb'],
  ['uri-user-info', 'web', 'https://yourapp.com:443@evil.com/cb'],
  ['uri-user-info', 'web', 'https://@yourapp.com/cb'],
  ['uri-user-info', 'public', 'com.yourapp://user@host/cb'],
  ['uri-encoded-host', 'web', 'https://yourapp%2ecom/cb'],
  ['uri-encoded-host', 'web', 'https://evil.com%2f.yourapp.com/cb'],
  ['uri-encoded-host', 'web', 'https://evil.com%00.yourapp.com/cb'],
  ['uri-port', 'web', 'https://yourapp.com:/cb'],
  ['uri-port', 'web', 'https://yourapp.com:0/cb'],
  ['uri-port', 'web', 'https://yourapp.com:0443/cb'],
  ['uri-port', 'web', 'https://yourapp.com:65536/cb'],
  ['uri-port', 'web', 'https://yourapp.com:80:90/cb'],
  ['uri-port', 'web', 'https://yourapp.com:http/cb'],
  ['uri-port', 'web', 'https://2001:db8::1/cb'],
  ['uri-upper-case-host', 'web', 'https://YourApp.com/cb'],
  ['uri-upper-case-host', 'web', 'https://BÜCHER.example/cb'],
  ['uri-host-form', 'web', 'https://yourapp.com./cb'],
  ['uri-host-form', 'web', 'https://yourapp..com/cb'],
  ['uri-host-form', 'web', 'https://-yourapp.com/cb'],
  ['uri-host-form', 'web', "https://your'app.com/cb"],
  ['uri-host-form', 'web', 'https://yourapp.com,evil.com/cb'],
  ['uri-port', 'web', 'https://[::1/cb'],
  ['uri-host-form', 'web', 'https://{yourapp}.com/cb'],
  ['uri-private-host-form', 'public', 'com.yourapp://a"b/cb'],
  ['uri-private-host-form', 'public', 'com.yourapp://bücher/cb'],
  ['uri-host-look-alike', 'web', 'https://ｙourapp.com/cb'],
  ['uri-host-look-alike', 'web', 'https://yourapp。com/cb'],
  ['uri-host-look-alike', 'web', 'https://yourapp．com/cb'],
  ['uri-host-look-alike', 'web', 'https://ⓨourapp.com/cb'],
  ['uri-host-spelling', 'web', 'https://evil.com／.yourapp.com/cb'],
  ['uri-host-spelling', 'web', 'http://127.1/cb'],
  ['uri-host-spelling', 'web', 'http://2130706433/cb'],
  ['uri-host-spelling', 'web', 'http://0x7f.0.0.1/cb'],
  ['uri-host-spelling', 'web', 'http://0177.0.0.1/cb'],
  ['uri-host-spelling', 'web', 'https://[0:0:0:0:0:0:0:1]/cb'],
  ['uri-host-form', 'web', 'https://[::zz]/cb'],
  ['uri-host-spelling', 'web', 'https://[::fffff]/cb'],
  ['uri-host-spelling', 'web', 'https://999.1.1.1/cb'],
  ['uri-host-spelling', 'web', 'https://xn--a/cb'],
  ['uri-http-not-loopback', 'web', 'http://yourapp.com/cb'],
  ['uri-http-not-loopback', 'public', 'http://localhost.evil.com/cb'],
  ['uri-http-not-loopback', 'public', 'http://127.0.0.1.evil.com/cb'],
  ['uri-http-not-loopback', 'public', 'http://127.0.0.2/cb'],
  ['uri-http-not-loopback', 'public', 'http://0.0.0.0/cb'],
  ['uri-http-not-loopback', 'public', 'http://[::ffff:7f00:1]/cb'],
  ['uri-characters', 'web', 'https://yourapp.com/<cb>'],
  ['uri-characters', 'web', 'https://yourapp.com/cb?x="'],
  ['uri-characters', 'web', 'https://yourapp.com/{tenant}/cb'],
  ['uri-characters', 'web', 'https://yourapp.com/bücher'],
  ['uri-characters', 'web', 'https://yourapp.com/%zz'],
  ['uri-characters', 'web', 'https://yourapp.com/100%'],
  ['uri-encoded-control', 'web', 'https://yourapp.com/cb%0d%0aSet-Cookie:x'],
  ['uri-encoded-control', 'web', 'https://yourapp.com/cb%5c..%5c'],
  ['uri-encoded-control', 'web', 'https://yourapp.com/cb?x=%00'],
  ['uri-dot-segment', 'web', 'https://yourapp.com/cb/../evil'],
  ['uri-dot-segment', 'web', 'https://yourapp.com/./cb'],
  ['uri-dot-segment', 'web', 'https://yourapp.com/cb/%2e%2E/evil'],
  ['uri-dot-segment', 'web', 'https://yourapp.com/cb/.%2e'],
  ['uri-dot-segment', 'public', 'com.yourapp:/cb/..'],
  ['uri-answer-parameter', 'web', 'https://yourapp.com/cb?code=1'],
  ['uri-answer-parameter', 'web', 'https://yourapp.com/cb?a=1&st%61te=x'],
  ['uri-ambiguous', 'web', "https://yourapp.com/cb?x='"],
]

describe('redirect URIs that an app may register', () => {
  test.each(ACCEPTED)('%s: %s', (type, uri, stored = uri) => {
    expect(checkRedirectUri(uri, type)).toEqual({ kind: 'accepted', stored })
  })
})

describe('redirect URIs that are refused, and by which rule', () => {
  test.each(REFUSED)('%s (%s): %j', (rule, type, uri) => {
    expect(ruleOf(uri, type)).toBe(rule)
  })

  test('RFC 6749 §3.1.2 — has no fragment, not even an empty one', () => {
    for (const uri of ['https://yourapp.com/cb#', 'https://yourapp.com/cb#x'])
      expect(ruleOf(uri, 'web')).toBe('uri-fragment')
  })

  test('RFC 8252 §7.1 — a private-use scheme is a domain name, reversed', () => {
    for (const uri of ['yourapp:/cb', 'com.:/cb', 'com..yourapp:/cb'])
      expect(ruleOf(uri, 'public')).toBe('uri-scheme-without-domain')
    expect(checkRedirectUri('com.yourapp:/cb', 'public').kind).toBe('accepted')
  })

  describe('with the switch for schemes without a domain', () => {
    const loose = (uri: string, type: AppType = 'public') =>
      checkRedirectUri(uri, type, { schemesWithoutDomain: true })

    test.each([
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'vscode://publisher.extension/callback',
      'vscode-insiders://publisher.extension/callback',
      'exp://127.0.0.1:8081/--/callback',
      'exp://u.expo.dev/update',
      'msal0b2d4b3a-8f3f-4a0b-9d77-0c6f6a2f1e55://auth',
      'fb1234567890://authorize',
      'raycast://oauth?package_name=Extension',
      'yourapp:/cb',
      'com.yourapp:/cb',
    ])('%s is accepted', (uri) => {
      expect(loose(uri)).toEqual({ kind: 'accepted', stored: uri })
    })

    test.each([
      ['uri-dangerous-scheme', 'javascript://x/%0aalert(1)'],
      ['uri-dangerous-scheme', 'data://x/y'],
      ['uri-dangerous-scheme', 'file:///etc/passwd'],
      ['uri-dangerous-scheme', 'blob://x/y'],
      ['uri-dangerous-scheme', 'filesystem://x/y'],
      ['uri-dangerous-scheme', 'vbscript://x/y'],
      ['uri-dangerous-scheme', 'ms-msdt:/id'],
      ['uri-dangerous-scheme', 'search-ms:/query'],
      ['uri-dangerous-scheme', 'microsoft-edge://x/y'],
      ['uri-dangerous-scheme', 'view-source://x/y'],
      ['uri-dangerous-scheme', 'intent://x/y'],
      ['uri-dangerous-scheme', 'chrome-extension://x/y'],
      ['uri-dangerous-scheme', 'mailto://x/y'],
      ['uri-scheme-without-domain', 'c:/windows'],
      ['uri-private-without-path', 'cursor:callback'],
      ['uri-private-host-form', 'cursor://a"b/cb'],
      ['uri-answer-parameter', 'cursor://x/cb?code=1'],
      ['uri-fragment', 'cursor://x/cb#y'],
    ])('%s: %s', (rule, uri) => {
      expect(loose(uri)).toMatchObject({ kind: 'refused', rule })
    })

    test('web apps have none', () => {
      expect(loose('cursor://x/cb', 'web')).toMatchObject({ rule: 'uri-scheme-not-for-web' })
    })

    test('the refusal without it names the switch', () => {
      expect(checkRedirectUri('cursor://x/cb', 'public')).toMatchObject({
        sentence: expect.stringContaining('“Schemes without a domain” (schemes_without_domain)'),
      })
    })
  })

  test('RFC 8252 §8.3 — plain http is for the loopback addresses alone', () => {
    for (const uri of ['http://yourapp.com/cb', 'http://127.0.0.2/cb', 'http://0.0.0.0/cb'])
      expect(ruleOf(uri, 'public')).toBe('uri-http-not-loopback')
    for (const uri of ['http://127.0.0.1/cb', 'http://[::1]/cb', 'http://localhost/cb'])
      expect(checkRedirectUri(uri, 'public').kind).toBe('accepted')
  })

  test('RFC 9700 §2.1 — there is no wildcard, because redirect URIs are compared exactly', () => {
    for (const uri of ['https://*.yourapp.com/cb', 'https://yourapp.com/*'])
      expect(ruleOf(uri, 'web')).toBe('uri-wildcard')
  })

  test('every rule of the table is the one that refuses something here', () => {
    const seen = new Set(REFUSED.map(([rule]) => rule))
    expect(REDIRECT_URI_RULES.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([])
  })

  test('every rule says why in a sentence', () => {
    for (const { sentence } of REDIRECT_URI_RULES) expect(sentence).toMatch(/^[A-Z].{15,}\.$/s)
  })
})

describe('links (homepage, privacy, terms)', () => {
  test.each([
    ['https://yourapp.com/privacy#data', 'accepted'],
    ['https://yourapp.com/?code=1', 'accepted'],
    ['http://yourapp.com/', 'refused'],
    ['http://localhost/', 'refused'],
    ['javascript:alert(1)', 'refused'],
    ['https://yourapp.com@evil.com/', 'refused'],
    ['com.yourapp:/x', 'refused'],
  ])('%s is %s', (url, kind) => {
    expect(checkLink(url).kind).toBe(kind)
  })
})

describe('RFC 8252 §7.3 — a presented redirect URI matches', () => {
  const web = {
    type: 'web',
    redirectUris: ['https://yourapp.com/cb', 'http://127.0.0.1:3000/cb'],
  } as const
  const app = {
    type: 'public',
    redirectUris: [
      'http://127.0.0.1/cb',
      'http://[::1]:4000/cb?x=1',
      'http://localhost:5000/cb',
      'com.yourapp:/cb',
    ],
  } as const

  test.each([
    [web, 'https://yourapp.com/cb', true],
    [web, 'https://yourapp.com/cb/', false],
    [web, 'https://yourapp.com/CB', false],
    [web, 'https://yourapp.com/cb?x=1', false],
    [web, 'https://yourapp.com:443/cb', false],
    [web, 'https://yourapp.com/cb#', false],
    [web, '', false],
    // The free port is for apps on the person's own machine alone.
    [web, 'http://127.0.0.1:3000/cb', true],
    [web, 'http://127.0.0.1:3001/cb', false],
    [app, 'http://127.0.0.1/cb', true],
    [app, 'http://127.0.0.1:51004/cb', true],
    [app, 'http://127.0.0.1:65535/cb', true],
    [app, 'http://127.0.0.1:65536/cb', false],
    [app, 'http://127.0.0.1:0/cb', false],
    [app, 'http://127.0.0.1:/cb', false],
    [app, 'http://127.0.0.1:1/cb/', false],
    [app, 'http://127.0.0.1:1', false],
    [app, 'http://127.0.0.1:1@evil.com/cb', false],
    [app, 'http://127.0.0.1:1.evil.com/cb', false],
    [app, 'http://127.0.0.1.evil.com/cb', false],
    [app, 'http://127.0.0.1:1\\@evil.com/cb', false],
    [app, 'http://127.0.0.1:1/cb#x', false],
    [app, 'https://127.0.0.1:1/cb', false],
    [app, 'http://[::1]:9/cb?x=1', true],
    [app, 'http://[::1]/cb?x=1', true],
    [app, 'http://[::1]:9/cb', false],
    [app, 'http://127.0.0.1:9/cb?x=1', false],
    // RFC 8252 §8.3: the name may resolve elsewhere, so it gets no free port.
    [app, 'http://localhost:5000/cb', true],
    [app, 'http://localhost:5001/cb', false],
    [{ ...app, localhostAnyPort: true }, 'http://localhost:5001/cb', true],
    [{ ...app, localhostAnyPort: true }, 'http://localhost/cb', true],
    [{ ...app, localhostAnyPort: true }, 'http://localhost:5001/cb2', false],
    [{ ...app, localhostAnyPort: true }, 'http://localhost:65536/cb', false],
    [{ ...app, localhostAnyPort: true }, 'http://localhost.evil.com:5001/cb', false],
    [{ ...app, localhostAnyPort: true }, 'https://localhost:5001/cb', false],
    [{ ...app, localhostAnyPort: true }, 'http://127.0.0.1:51004/cb', true],
    [{ ...web, localhostAnyPort: true }, 'http://127.0.0.1:3001/cb', false],
    [app, 'com.yourapp:/cb', true],
    [app, 'com.yourapp:/cb2', false],
  ])('%o with %s: %s', (to, presented, expected) => {
    expect(matchesRedirectUri(to, presented)).toBe(expected)
  })
})

// Pieces that attacks are made of, in any order, along with anything at all.
const piece = fc.constantFrom(
  ...[
    'https:',
    'http:',
    'javascript:',
    'data:',
    'com.yourapp:',
    'file:',
    '//',
    '/',
    '\\',
    '@',
    ':',
    '?',
    '#',
    '*',
    '%2e',
    '%2f',
    '%00',
  ],
  ...[
    '..',
    '.',
    'yourapp.com',
    'evil.com',
    '127.0.0.1',
    '[::1]',
    'localhost',
    '443',
    '80',
    '0',
    '65536',
    ' ',
    '\t',
    '\n',
    '\u202E',
    '。',
  ],
  ...[
    'bücher',
    'ｅ',
    'xn--',
    'xn--bcher-kva',
    '&',
    '=',
    'code',
    'state',
    "'",
    '"',
    '<',
    '|',
    '\u0000',
    '\uD800',
    'A',
    '1',
    '-',
    '_',
    '~',
  ],
)
const hostile = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 8 }).map((pieces) => `https://yourapp.com${pieces.join('')}`),
  fc.array(piece, { maxLength: 8 }).map((pieces) => `https://${pieces.join('')}/cb`),
  fc.array(piece, { maxLength: 8 }).map((pieces) => `com.yourapp:/${pieces.join('')}`),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const anyType = fc.constantFrom<AppType>('web', 'public')

describe('whatever is generated', () => {
  test('an accepted URI keeps every promise', () => {
    let accepted = 0
    fc.assert(
      fc.property(hostile, anyType, (text, type) => {
        const verdict = checkRedirectUri(text, type)
        if (verdict.kind === 'refused') return verdict.sentence !== ''
        accepted += 1
        const { stored } = verdict
        const url = new URL(stored)
        expect(url.username + url.password + url.hash).toBe('')
        expect(stored).not.toMatch(/[*\\#<>"{}|^`]|[^\x21-\x7E]/)
        if (url.protocol === 'http:')
          expect(['127.0.0.1', '[::1]', 'localhost']).toContain(url.hostname)
        else if (url.protocol !== 'https:') {
          expect(type).toBe('public')
          expect(url.protocol).toContain('.')
        }
        if (url.protocol.startsWith('http')) {
          // A browser goes to the host that is written, up to the end of the authority.
          const written = /^https?:\/\/([^/?]*)/.exec(stored)?.[1]?.replace(/:\d+$/, '')
          expect(written).toBe(url.hostname)
        }
        // What is stored is accepted as it is, and matches itself.
        expect(checkRedirectUri(stored, type)).toEqual({ kind: 'accepted', stored })
        expect(matchesRedirectUri({ type, redirectUris: [stored] }, stored)).toBe(true)
        return true
      }),
      { numRuns: 4_000 },
    )
    // The generator must reach the accepting side, or the property says nothing.
    expect(accepted).toBeGreaterThan(100)
  })

  test('nothing but the same string, or the same but for the port on a loopback literal, matches', () => {
    const registered = [
      'https://yourapp.com/cb',
      'http://127.0.0.1/cb',
      'http://[::1]:80/cb',
      'com.yourapp:/cb',
    ]
    const near = fc.oneof(
      hostile,
      fc
        .tuple(
          fc.constantFrom(...registered),
          fc.nat(40),
          fc.nat(3),
          fc.array(piece, { maxLength: 3 }),
        )
        .map(
          ([uri, at, length, pieces]) =>
            uri.slice(0, at) + pieces.join('') + uri.slice(at + length),
        ),
    )
    fc.assert(
      fc.property(near, anyType, (presented, type) => {
        if (!matchesRedirectUri({ type, redirectUris: registered }, presented)) return
        if (registered.includes(presented)) return
        expect(type).toBe('public')
        const url = new URL(presented)
        expect(['127.0.0.1', '[::1]']).toContain(url.hostname)
        expect(url.protocol + url.pathname + url.search + url.hash + url.username).toBe('http:/cb')
      }),
      { numRuns: 4_000 },
    )
  })
})
