// A secret shows nothing, however it is printed.
import { format, inspect } from 'node:util'
import { Secret } from '../../../src/shared/secret.ts'

it.each<[string, (secret: Secret<string>) => string]>([
  // eslint-disable-next-line @typescript-eslint/restrict-template-expressions -- the accident that Secret is for
  ['a template', (secret) => `${secret}`],
  ['String()', (secret) => String(secret)],
  ['JSON', (secret) => JSON.stringify({ secret, list: [secret] })],
  ['inspect', (secret) => inspect({ secret }, { showHidden: true, depth: 9 })],
  ['format', (secret) => format('%s %o %j %O', secret, secret, secret, secret)],
  ['a copy', (secret) => JSON.stringify(Object.assign({}, secret))],
  ['entries', (secret) => JSON.stringify(Object.entries(secret))],
  ['an error', (secret) => inspect(new Error('x', { cause: secret }))],
])('in %s', (_name, print) => {
  expect(print(new Secret('hunter2'))).not.toContain('hunter2')
})

it('gives itself out only when asked', () => {
  expect(new Secret('hunter2').reveal()).toBe('hunter2')
  expect(JSON.stringify(new Secret('hunter2'))).toBe('"[redacted]"')
})
