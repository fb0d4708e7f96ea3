// Logs hold no token, code, secret or password, whatever a caller passes; and what an operator
// needs stays readable.
import { createLogger } from '../../../src/shared/logger.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import {
  newAccessToken,
  newClientSecret,
  newCode,
  newGrantId,
} from '../../../src/shared/token-format.ts'

function log(...args: [object, string?] | [string]): string {
  let written = ''
  const logger = createLogger('debug', { write: (line: string) => void (written += line) })
  if (typeof args[0] === 'string') logger.info(args[0])
  else logger.info(args[0], args[1])
  return written
}

const FIELDS = [
  'password',
  'client_secret',
  'clientSecret',
  'code_verifier',
  'codeVerifier',
  'refresh_token',
  'refreshToken',
  'access_token',
  'accessToken',
  'id_token',
  'token',
  'authorization',
  'cookie',
  'set-cookie',
]

describe.each([
  ['at the top', (value: object) => value],
  ['one level down', (value: object) => ({ body: value })],
  ['two levels down', (value: object) => ({ req: { headers: value } })],
  ['three levels down', (value: object) => ({ a: { b: { c: value } } })],
])('a field %s', (_name, wrap) => {
  it.each(FIELDS)('%s is redacted by its name', (field) => {
    const line = log(wrap({ [field]: 'hunter2' }))
    expect(line).not.toContain('hunter2')
    expect(line).toContain('[redacted]')
  })
})

it.each([
  ['in the message', (token: string) => log(`seen ${token} here`)],
  [
    'in a field of any name',
    (token: string) => log({ anything: { deep: { deeper: { deepest: [token] } } } }),
  ],
  ['in a URL', (token: string) => log({ url: `/cb?code=${token}&state=1` })],
  [
    'in an error',
    (token: string) => log({ err: new Error(`bad ${token}`, { cause: new Error(token) }) }),
  ],
  ['as a key', (token: string) => log({ [token]: 1 })],
])('a token %s is cut out', (_name, write) => {
  for (const token of [newAccessToken(newGrantId()), newCode(newGrantId()), newClientSecret()]) {
    const line = write(token)
    expect(line).not.toContain(token.slice(10))
    expect(line).toContain('_[redacted]')
    expect(JSON.parse(line)).toBeInstanceOf(Object)
  }
})

it.each([
  ['a text with quotes and backslashes', 'hunter2 "quoted" \\ hunter2\\"'],
  ['a list', ['hunter2]', 'x"hunter2', 'hunter2']],
  ['a number', 1234567],
  ['nothing', ''],
])('a secret field that is %s goes whole, and the line stays JSON', (_name, value) => {
  const line = log({ before: 1, nested: { password: value, after: { kept: 'yes' } } })
  expect(line).not.toMatch(/hunter2|1234567/)
  expect(JSON.parse(line)).toMatchObject({
    before: 1,
    nested: { password: '[redacted]', after: { kept: 'yes' } },
  })
})

it('a Redis that refuses our password is logged without it', () => {
  const err = Object.assign(new Error('WRONGPASS'), {
    command: { name: 'auth', args: ['user', 'hunter2'] },
  })
  const line = log({ err })
  expect(line).toContain('"name":"auth"')
  expect(line).not.toContain('hunter2')
})

it('fields that are only named alike stay', () => {
  const fields = { token_type: 'Bearer', secretId: 'sec_1', tokens: 3, kind: 'token' }
  expect(JSON.parse(log(fields))).toMatchObject(fields)
})

it('cuts every token of a line', () => {
  const [one, two] = [newAccessToken(newGrantId()), newAccessToken(newGrantId())]
  const line = log(`${one} ${two}`)
  expect(line).not.toContain(one.slice(10))
  expect(line).not.toContain(two.slice(10))
})

it('shows a Secret as redacted', () => {
  expect(log({ key: new Secret('hunter2') })).toContain('"key":"[redacted]"')
})

it('says why something failed: the codes of errors stay', () => {
  expect(log({ err: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) })).toContain(
    'ECONNREFUSED',
  )
  expect(log({ err: new AppError('temporarily_unavailable', { detail: 'redis' }) })).toContain(
    '"code":"temporarily_unavailable"',
  )
  expect(log({ reason: 'code_used', grantId: 'abc' }, 'revoked')).toContain(
    '"reason":"code_used","grantId":"abc"',
  )
})

it('writes the level by name and the time in ISO', () => {
  expect(JSON.parse(log('hello'))).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    msg: 'hello',
  })
})
