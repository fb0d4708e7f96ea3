// Integrations and connections over the admin API: what its document says, no secret in any answer,
// and not there while connections are off.
import { Validator } from '@seriousme/openapi-schema-validator'
import {
  type AdminAnswer,
  type AdminClient,
  callAdminApi,
  createAdminClient,
} from '../support/admin-client.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type ApiDocument, createAnswerCheck, operationsOf } from '../support/openapi.ts'
import { type RotatingProvider, startRotatingProvider } from '../support/rotating-provider.ts'
import { Secret } from '../../src/shared/secret.ts'

let server: TestApp
let admin: AdminClient
let provider: RotatingProvider
beforeAll(async () => {
  provider = await startRotatingProvider()
  server = await startTestApp({
    backend: 'redis',
    overrides: {
      OTESSE_CONNECTIONS: 'true',
      OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.0/8',
    },
  })
  admin = await createAdminClient(server)
  await server.services.stores.providers.insert(provider.definition, new Date())
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const create = (handle: string, more: object = {}) =>
  admin.post('/integrations', {
    handle,
    provider: 'rotating',
    client_id: provider.client.clientId,
    client_secret: provider.client.clientSecret,
    ...more,
  })

async function connect(handle: string): Promise<string> {
  const { integrations, connections } = server.services.stores
  const { accessToken, refreshToken } = provider.begin()
  const made = await connections.establish(
    {
      integrationId: (await integrations.findByHandle(handle))?.id ?? '',
      owner: { kind: 'account', id: 'acc_ada' },
      establishedBy: 'acc_ada',
      externalId: 'there',
      externalLabel: 'ada@corp.example',
      grantedScopes: [],
      missingScopes: [],
      config: {},
      accessExpiresAt: new Date(0),
      refreshExpiresAt: undefined,
      credentials: [
        { kind: 'oauth_access_token', name: '', value: new Secret(accessToken) },
        { kind: 'oauth_refresh_token', name: '', value: new Secret(refreshToken) },
      ],
    },
    new Date(),
  )
  return made.id
}

test('every operation does what the document says, and shows no secret', async () => {
  const answered = await callAdminApi(server, undefined, 'GET', '/openapi.json')
  const document = answered.body as unknown as ApiDocument
  const { valid, errors } = await new Validator().validate(structuredClone(document))
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined })
  const assertDescribed = createAnswerCheck(document)
  const said: string[] = []
  const check = (id: string, status: number, answer: AdminAnswer): AdminAnswer => {
    expect({ id, status: answer.status, text: answer.text }).toMatchObject({ id, status })
    assertDescribed(id, answer)
    said.push(answer.text)
    return answer
  }
  check('createIntegration', 201, await create('walk', { scopes: ['leads'] }))
  check('listIntegrations', 200, await admin.get('/integrations'))
  const got = check('getIntegration', 200, await admin.get('/integrations/walk'))
  expect(got.body).toMatchObject({
    has_client_secret: true,
    scope: 'connections:walk',
    callback_url: `${server.issuer}/connections/callback/walk`,
  })
  const change = { name: 'Better', client_secret: provider.client.clientSecret }
  check('updateIntegration', 200, await admin.patch('/integrations/walk', change))
  const id = await connect('walk')
  const path = `/connections/${id}`
  const listed = await admin.get('/connections?integration=walk&status=active&limit=1')
  check('listConnections', 200, listed)
  expect(listed.body).toMatchObject({ items: [{ id }], next_cursor: null })
  check('getConnection', 200, await admin.get(path))
  const refreshed = check('refreshConnection', 200, await admin.post(`${path}/refresh`))
  expect(refreshed.body['last_refreshed_at']).not.toBeNull()
  check('checkConnection', 200, await admin.post(`${path}/check`))
  check('disableConnection', 200, await admin.post(`${path}/disable`))
  expect((await admin.post(`${path}/refresh`)).status).toBe(409)
  check('enableConnection', 200, await admin.post(`${path}/enable`))
  expect((await admin.delete('/integrations/walk')).body).toMatchObject({
    code: 'input_refused',
    problems: [{ field: 'with_connections' }],
  })
  check('deleteConnection', 204, await admin.delete(path))
  const off = check('disableIntegration', 200, await admin.post('/integrations/walk/disable'))
  expect(off.body).toMatchObject({ status: 'disabled' })
  const on = check('enableIntegration', 200, await admin.post('/integrations/walk/enable'))
  expect(on.body).toMatchObject({ status: 'active', status_reason: null })
  check('deleteIntegration', 204, await admin.delete('/integrations/walk'))
  const secrets = [provider.client.clientSecret, ...provider.issued]
  for (const secret of secrets) expect(said.join('')).not.toContain(secret)
  const ids = operationsOf(document).map((operation) => operation.id)
  expect(ids.filter((one) => /(Integration|Connection)s?$/.test(one))).toHaveLength(14)
})

test('what breaks rules is refused with all problems, and what is not text as well', async () => {
  const bad = await create('Bad Handle', { owner_kinds: ['planet'], proxy_hosts: ['https://x'] })
  expect(bad.status).toBe(422)
  const fields = (bad.body['problems'] as { field: string }[]).map(({ field }) => field)
  expect(fields).toEqual(expect.arrayContaining(['handle', 'owner_kinds', 'proxy_hosts']))
  expect((await create('bad', { scopes: [1] })).status).toBe(422)
  expect((await create('bad', { config: { region: 5 } })).status).toBe(422)
  expect((await create('bad', { surprise: true })).status).toBe(422)
  expect((await admin.get('/integrations/bad')).status).toBe(404)
})

test('lists the newest first, page by page, to those who may see connections', async () => {
  await create('pages')
  const { integrations, connections } = server.services.stores
  const integrationId = (await integrations.findByHandle('pages'))?.id ?? ''
  const made: string[] = []
  for (const [at, externalId] of ['a', 'b', 'c'].entries()) {
    const connection = await connections.establish(
      {
        integrationId,
        owner: { kind: 'account', id: `acc_${externalId}` },
        establishedBy: undefined,
        externalId,
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: undefined,
        refreshExpiresAt: undefined,
        credentials: [],
      },
      new Date(Date.UTC(2026, 0, 1 + at)),
    )
    made.unshift(connection.id)
  }
  const path = '/connections?integration=pages&limit=2'
  const idsIn = ({ body }: AdminAnswer) => (body.items as { id: string }[]).map(({ id }) => id)
  const first = await admin.get(path)
  expect(idsIn(first)).toEqual(made.slice(0, 2))
  const second = await admin.get(`${path}&cursor=${String(first.body['next_cursor'])}`)
  expect(idsIn(second)).toEqual(made.slice(2))
  expect(second.body['next_cursor']).toBeNull()
  expect((await admin.get(`${path}&cursor=con_x`)).status).toBe(400)
  const others = await createAdminClient(server, ['admin:apps:read', 'admin:apps:write'])
  for (const each of ['/connections', '/integrations'])
    expect((await others.get(each)).status).toBe(403)
})

test('providers of one’s own: described, changed by version, kept while they are used', async () => {
  const document = (await callAdminApi(server, undefined, 'GET', '/openapi.json'))
    .body as unknown as ApiDocument
  const assertDescribed = createAnswerCheck(document)
  const check = (id: string, status: number, answer: AdminAnswer): AdminAnswer => {
    expect({ id, status: answer.status, text: answer.text }).toMatchObject({ id, status })
    assertDescribed(id, answer)
    return answer
  }
  const definition = {
    key: 'desk',
    name: 'Desk',
    kind: 'oauth2',
    auth: {
      authorize_url: 'https://desk.example/authorize',
      token_url: 'https://desk.example/token',
    },
  }
  const put = (body: unknown, ifMatch: string) =>
    admin.call('PUT', '/providers/desk', { json: body, headers: { 'if-match': ifMatch } })
  const made = check('createProvider', 201, await admin.post('/providers', definition))
  expect(made.body).toMatchObject({ ...definition, status: 'custom', version: 1 })
  expect((await admin.post('/providers', definition)).status).toBe(422)
  expect((await admin.post('/providers', { ...definition, key: 'slack' })).status).toBe(422)
  const bad = await admin.post('/providers', { ...definition, key: 'bad', auth: {}, surprise: 1 })
  expect((bad.body['problems'] as { field: string }[]).map(({ field }) => field).sort()).toEqual([
    'auth.authorize_url',
    'auth.token_url',
    'surprise',
  ])
  const listed = check('listProviders', 200, await admin.get('/providers'))
  expect(listed.body.items).toContainEqual({
    key: 'desk',
    name: 'Desk',
    kind: 'oauth2',
    status: 'custom',
  })
  const changed = check(
    'replaceProvider',
    200,
    await put({ ...definition, name: 'Our desk' }, '"1"'),
  )
  expect(changed.body).toMatchObject({ name: 'Our desk', version: 2 })
  expect((await put(definition, '"1"')).status).toBe(412)
  expect((await put({ ...definition, key: 'other' }, '*')).status).toBe(422)
  expect(check('getProvider', 200, await admin.get('/providers/slack')).body['version']).toBeNull()
  expect((await admin.delete('/providers/slack')).status).toBe(404)

  const use = { handle: 'desk', provider: 'desk', client_id: 'here' }
  expect((await admin.post('/integrations', use)).status).toBe(201)
  const keys = { key: 'desk', name: 'Desk', kind: 'keys', fields: [KEY] }
  expect((await put(keys, '*')).body).toMatchObject({ problems: [{ value: 'desk' }] })
  expect((await admin.delete('/providers/desk')).status).toBe(422)
  expect((await admin.delete('/integrations/desk')).status).toBe(204)
  check('deleteProvider', 204, await admin.delete('/providers/desk'))
  expect((await admin.get('/providers/desk')).status).toBe(404)
})

const KEY = { name: 'key', label: 'Key', secret: true }
