// Checking the signatures of webhooks, from storing the secret on to changing it.
import { createHmac } from 'node:crypto'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { Secret } from '../../src/shared/secret.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import {
  connectTo,
  machineToken,
  OPERATOR,
  type TestConnection,
} from '../support/connected-company.ts'

const FIRST = 'the-first-webhook-secret'
const SECOND = 'the-second-webhook-secret'
const BODY = '{"paid":true}'

let server: TestApp
let connection: TestConnection
beforeAll(async () => {
  server = await startTestApp({ backend: 'redis', overrides: { OTESSE_CONNECTIONS: 'true' } })
  connection = await connectTo(server, {
    origin: 'https://pay.test',
    baseUrl: 'https://pay.test/api',
    accessToken: 'a-token-that-is-not-used',
    webhook: {
      header: 'Pay-Signature',
      layout: 'members',
      prefix: 'v1',
      encoding: 'hex',
      signed: '{timestamp}.{body}',
    },
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const secrets = () => createAdminServices(server.infrastructure, server.services).webhookSecrets
const add = async (value: string) => {
  const outcome = await secrets().add('crm', new Secret(value), OPERATOR)
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  return outcome.secret.id
}

function signed(secret: string, at = server.clock()): Record<string, string> {
  const time = Math.floor(at / 1000)
  const right = createHmac('sha256', secret).update(`${time}.${BODY}`).digest('hex')
  return { 'Pay-Signature': `t=${time},v1=${right}` }
}

async function verify(
  members: object,
  { token = connection.callerToken, integration = 'crm' } = {},
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const answer = await fetch(`${server.url}/connect/v1/webhooks/${integration}/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(members),
  })
  return { status: answer.status, answer: (await answer.json()) as Record<string, unknown> }
}

const body_base64 = Buffer.from(BODY).toString('base64')
const call = (headers: object) => ({ headers, body_base64 })

test('a secret is changed without a moment in which calls are refused', async () => {
  expect(await verify(call(signed(FIRST)))).toMatchObject({
    status: 409,
    answer: { error: 'webhook_not_set_up' },
  })
  const first = await add(FIRST)
  expect(await verify(call(signed(FIRST)))).toEqual({ status: 200, answer: { valid: true } })
  await add(SECOND)
  for (const secret of [FIRST, SECOND])
    expect(await verify(call(signed(secret)))).toMatchObject({ answer: { valid: true } })
  await secrets().remove('crm', first, OPERATOR)
  expect(await verify(call(signed(FIRST)))).toEqual({
    status: 200,
    answer: { valid: false, reason: 'signature_wrong' },
  })
  expect(await verify(call(signed(SECOND)))).toMatchObject({ answer: { valid: true } })
})

test('a call that was recorded, one without a signature, and one that was changed', async () => {
  const old = server.clock() - 6 * 60_000
  const reason = async (members: object) => (await verify(members)).answer['reason']
  expect(await reason(call(signed(SECOND, old)))).toBe('timestamp_outside_window')
  expect(await reason(call({}))).toBe('signature_missing')
  const changed = Buffer.from(`${BODY} `).toString('base64')
  expect(await reason({ headers: signed(SECOND), body_base64: changed })).toBe('signature_wrong')
})

test.each([
  [{ body_base64 }, 'parameter headers is missing'],
  [{ headers: {} }, 'parameter body_base64 is missing'],
  [{ headers: {}, body_base64: 'not base64!' }, 'parameter body_base64 is not valid'],
  [[], 'not a JSON object'],
])('%j is a clear error', async (members, words) => {
  const { status, answer } = await verify(members)
  expect([status, answer['error']]).toEqual([400, 'invalid_request'])
  expect(answer['error_description']).toContain(words)
})

test('an app without the scope learns nothing, not even that there is an integration', async () => {
  await createScopes(server, ['bookings:read'])
  const other = await registerApp(server, { type: 'machine', scopes: ['bookings:read'] })
  const token = await machineToken(server, other)
  const asStranger = (integration: string) => verify(call({}), { token, integration })
  const [known, unknown] = [await asStranger('crm'), await asStranger('nothing')]
  expect([known.status, known.answer['error']]).toEqual([403, 'insufficient_scope'])
  expect({ ...unknown.answer, request_id: '' }).toEqual({ ...known.answer, request_id: '' })
})

test('a secret is nowhere in clear, and does not open in another row', async () => {
  const { db } = server.infrastructure
  const rows = await db.selectFrom('webhook_secrets').selectAll().execute()
  const text = JSON.stringify([rows, server.log])
  for (const secret of [FIRST, SECOND]) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(secret).toString('base64'))
  }
  const moved = await add('the-third-webhook-secret')
  const [row] = rows
  await db
    .updateTable('webhook_secrets')
    .set({ encrypted_value: row?.encrypted_value ?? '' })
    .where('id', '=', moved)
    .execute()
  await expect(
    server.services.stores.webhookSecrets.reveal(connection.integration.id),
  ).rejects.toThrow()
  await secrets().remove('crm', moved, OPERATOR)
})

test('an integration has three secrets at the most', async () => {
  await add('one-more-webhook-secret')
  await add('and-one-more-webhook-secret')
  const outcome = await secrets().add('crm', new Secret('too-many'), OPERATOR)
  expect(outcome).toMatchObject({ kind: 'refused' })
})
