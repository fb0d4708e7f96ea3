import { createHmac } from 'node:crypto'
import { readCatalogue } from '../../../src/providers/catalogue.ts'
import type { ProviderWebhook } from '../../../src/providers/provider.ts'
import {
  type ReceivedWebhook,
  webhookFault,
} from '../../../src/connections/webhooks/webhook-signature.ts'
import { Secret } from '../../../src/shared/secret.ts'

const NOW = Date.UTC(2026, 10, 28, 12)
const SECONDS = String(NOW / 1000)
const SECRET = 'the-secret-of-the-webhook'
const BODY = '{"event":"payment.done"}\n'

const sign = (text: string, encoding: 'hex' | 'base64', key: string | Buffer = SECRET) =>
  createHmac('sha256', key).update(text).digest(encoding)

const received = (headers: Record<string, string>, body = BODY): ReceivedWebhook => ({
  headers: new Map(Object.entries(headers)),
  body: Buffer.from(body),
})

const check = (
  scheme: ProviderWebhook,
  call: ReceivedWebhook,
  { secrets = [SECRET], now = NOW } = {},
) =>
  webhookFault(
    scheme,
    secrets.map((secret) => new Secret(secret)),
    call,
    now,
  )

const schemeOf = (key: string): ProviderWebhook => {
  const webhook = readCatalogue().find((provider) => provider.key === key)?.webhook
  if (webhook === undefined) throw new Error(`${key} has no webhook`)
  return webhook
}

const STRIPE: ProviderWebhook = {
  header: 'Stripe-Signature',
  layout: 'members',
  prefix: 'v1',
  encoding: 'hex',
  signed: '{timestamp}.{body}',
}
const STANDARD: ProviderWebhook = {
  header: 'webhook-signature',
  layout: 'list',
  prefix: 'v1,',
  encoding: 'base64',
  signed: '{id}.{timestamp}.{body}',
  timestamp_header: 'webhook-timestamp',
  id_header: 'webhook-id',
  secret_form: 'base64',
}
const RAW_KEY = Buffer.from('0123456789abcdef0123456789abcdef')
const STANDARD_SECRET = `whsec_${RAW_KEY.toString('base64')}`

/** Each family, by how its provider signs: the call, and what of it is signed. */
const FAMILIES: [
  string,
  ProviderWebhook,
  (time: string, body: string) => Record<string, string>,
][] = [
  [
    'Slack',
    schemeOf('slack'),
    (time, body) => ({
      'x-slack-request-timestamp': time,
      'x-slack-signature': `v0=${sign(`v0:${time}:${body}`, 'hex')}`,
    }),
  ],
  [
    'GitHub',
    schemeOf('github'),
    (_time, body) => ({ 'x-hub-signature-256': `sha256=${sign(body, 'hex')}` }),
  ],
  [
    'Shopify',
    schemeOf('shopify'),
    (_time, body) => ({ 'x-shopify-hmac-sha256': sign(body, 'base64') }),
  ],
  [
    'Stripe',
    STRIPE,
    (time, body) => ({
      'stripe-signature': `t=${time},v1=${sign(`${time}.${body}`, 'hex')},v0=aa`,
    }),
  ],
  [
    'Standard Webhooks',
    STANDARD,
    (time, body) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': time,
      'webhook-signature': `v1a,AA== v1,${sign(`msg_1.${time}.${body}`, 'base64', RAW_KEY)}`,
    }),
  ],
]
const secretsOf = (scheme: ProviderWebhook) => [scheme === STANDARD ? STANDARD_SECRET : SECRET]

describe.each(FAMILIES)('%s', (_name, scheme, headersFor) => {
  const secrets = secretsOf(scheme)
  const good = headersFor(SECONDS, BODY)

  test('a call that it signed', () => {
    expect(check(scheme, received(good), { secrets })).toBeUndefined()
  })

  test('while its secret is changed, both are good; another one is not', () => {
    expect(check(scheme, received(good), { secrets: ['the-next', ...secrets] })).toBeUndefined()
    expect(check(scheme, received(good), { secrets: ['the-next'] })).toBe('signature_wrong')
    expect(check(scheme, received(good), { secrets: [] })).toBe('signature_wrong')
  })

  test('a body that was changed, in one byte', () => {
    expect(check(scheme, received(good, BODY.trimEnd()), { secrets })).toBe('signature_wrong')
  })

  test('without a signature, or with half of one', () => {
    expect(check(scheme, received({}), { secrets })).toBe('signature_missing')
    const name = scheme.header.toLowerCase()
    const half = { ...good, [name]: (good[name] ?? '').slice(0, -12) }
    expect(check(scheme, received(half), { secrets })).toBe('signature_wrong')
  })

  const isTimed = scheme.signed?.includes('{timestamp}') === true
  test(`a call that was recorded is ${isTimed ? 'refused after five minutes' : 'not told'}`, () => {
    const late = isTimed ? 'timestamp_outside_window' : undefined
    const at = (minutes: number) =>
      check(scheme, received(good), { secrets, now: NOW + minutes * 60_000 })
    expect([at(5), at(-5)]).toEqual([undefined, undefined])
    expect([at(5.02), at(-5.02)]).toEqual([late, late])
  })
})

test('a time that somebody put in place of the signed one does not pass', () => {
  const [, scheme, headersFor] = FAMILIES[0] as (typeof FAMILIES)[number]
  const old = headersFor(String(NOW / 1000 - 3600), BODY)
  const moved = { ...old, 'x-slack-request-timestamp': SECONDS }
  expect(check(scheme, received(moved))).toBe('signature_wrong')
  const { 'x-slack-request-timestamp': _time, ...without } = old
  expect(check(scheme, received(without))).toBe('timestamp_missing')
  const odd = { ...old, 'x-slack-request-timestamp': '1e9' }
  expect(check(scheme, received(odd))).toBe('signature_wrong')
})

test('a time that is not a number is outside the window', () => {
  const headers = { 'stripe-signature': `t=now,v1=${sign(`now.${BODY}`, 'hex')}` }
  expect(check(STRIPE, received(headers))).toBe('timestamp_outside_window')
})

test('milliseconds, where a provider counts them', () => {
  const scheme = { ...STRIPE, timestamp_unit: 'ms' } as const
  const headers = { 'stripe-signature': `t=${NOW},v1=${sign(`${NOW}.${BODY}`, 'hex')}` }
  expect(check(scheme, received(headers))).toBeUndefined()
})

test('one of several signatures is enough', () => {
  const right = sign(`${SECONDS}.${BODY}`, 'hex')
  const headers = { 'stripe-signature': `t=${SECONDS}, v1=${'0'.repeat(64)}, v1=${right}` }
  expect(check(STRIPE, received(headers))).toBeUndefined()
})

test('a header that is the secret itself', () => {
  const scheme: ProviderWebhook = { header: 'X-Gitlab-Token', layout: 'secret' }
  expect(check(scheme, received({ 'x-gitlab-token': SECRET }))).toBeUndefined()
  expect(check(scheme, received({ 'x-gitlab-token': 'guess' }))).toBe('signature_wrong')
})
