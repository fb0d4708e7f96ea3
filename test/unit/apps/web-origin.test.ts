// The origins that an admin may name for a public app, and by which rule others are refused.
import fc from 'fast-check'
import { ORIGIN_RULES, originProblem } from '../../../src/apps/web-origin.ts'

const ACCEPTED = [
  'capacitor://localhost',
  'ionic://localhost',
  'tauri://localhost',
  'http://tauri.localhost',
  'https://localhost',
  'https://localhost:8443',
  'http://localhost',
  'http://localhost:8100',
  'http://127.0.0.1:3000',
  'http://[::1]:3000',
  'https://app.example.com',
  'https://xn--bcher-kva.example',
  'https://192.168.1.10:8443',
  'chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb',
  'moz-extension://0b2d4b3a-8f3f-4a0b-9d77-0c6f6a2f1e55',
  'app-scheme://my.app',
]

const REFUSED: [rule: string, origin: string][] = [
  ['origin-length', `https://${'a'.repeat(300)}.example`],
  ['origin-null', 'null'],
  ['origin-wildcard', '*'],
  ['origin-wildcard', 'https://*.example.com'],
  ['origin-wildcard', 'moz-extension://*'],
  ['origin-form', ''],
  ['origin-form', 'localhost'],
  ['origin-form', 'https:'],
  ['origin-form', 'https://'],
  ['origin-form', 'https:///cb'],
  ['origin-form', '//app.example.com'],
  ['origin-form', 'com.example.app:/cb'],
  ['origin-scheme', 'file://localhost'],
  ['origin-scheme', 'JavaScript://x'],
  ['origin-scheme', 'data://x'],
  ['origin-scheme', 'about://blank'],
  ['origin-path', 'https://app.example.com/'],
  ['origin-path', 'capacitor://localhost/index.html'],
  ['origin-path', 'https://app.example.com?x'],
  ['origin-path', 'https://app.example.com#x'],
  ['origin-path', 'https://app.example.com\\x'],
  ['origin-user-info', 'https://app.example.com@evil.example'],
  ['origin-upper-case', 'HTTPS://app.example.com'],
  ['origin-upper-case', 'https://App.example.com'],
  ['origin-port', 'https://app.example.com:'],
  ['origin-port', 'https://app.example.com:0443'],
  ['origin-port', 'https://app.example.com:65536'],
  ['origin-default-port', 'https://app.example.com:443'],
  ['origin-default-port', 'http://localhost:80'],
  ['origin-http', 'http://app.example.com'],
  ['origin-http', 'http://localhost.evil.example'],
  ['origin-extension', 'chrome-extension://short'],
  ['origin-extension', 'moz-extension://localhost'],
  ['origin-host', 'https://bücher.example'],
  ['origin-host', 'https://127.1'],
  ['origin-host', 'https://a b.example'],
  ['origin-path', 'https://app.example.com,https://b.example'],
  ['origin-host', 'https://app.example.com,b.example'],
  ['origin-host', 'capacitor://a..b'],
  ['origin-host', 'capacitor://local host'],
]

test.each(ACCEPTED)('%s may be named', (origin) => {
  expect(originProblem(origin)).toBeUndefined()
})

test.each(REFUSED)('%s: %j', (rule, origin) => {
  expect(originProblem(origin)?.rule).toBe(rule)
})

test('every rule refuses something here, and says why in a sentence', () => {
  const seen = new Set(REFUSED.map(([rule]) => rule))
  for (const { name, sentence } of ORIGIN_RULES) {
    expect(seen).toContain(name)
    expect(sentence).toMatch(/^[A-Z].{15,}\.$/s)
  }
})

test('what is accepted of web origins is what a browser sends, whatever the text', () => {
  const part = fc.constantFrom(
    ...[
      'https://',
      'http://',
      'localhost',
      '127.0.0.1',
      'a',
      '.',
      ':',
      '8',
      '/',
      '@',
      'É',
      '[::1]',
    ],
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const text = parts.join('')
      if (!/^https?:/.test(text) || originProblem(text) !== undefined) return
      expect(new URL(text).origin).toBe(text)
    }),
  )
})
