// /connect/v1: what apps get of connections, who may, and what stays inside.
import type { NewConnection } from '../../src/connections/connection.ts'
import { OPERATOR } from '../../src/cli/session.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { Secret } from '../../src/shared/secret.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { startRedis, type RedisServer } from '../support/backends.ts'
import { createAccount, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { type CommandCounter, countQueries, watchRedis } from '../support/round-trips.ts'

const CRM: Provider = {
  key: 'crm',
  name: 'CRM',
  kind: 'oauth2',
  auth: {
    authorize_url: 'https://crm.example.com/authorize',
    token_url: 'https://crm.example.com/token',
  },
  api: { base_url: 'https://{region}.crm.example.com', prefix: 'CRM-Token' },
  config: [{ name: 'region', label: 'Region', choices: ['eu', 'us'] }],
}
const MAIL: Provider = {
  key: 'mail',
  name: 'Mail',
  kind: 'keys',
  api: { base_url: 'https://api.mail.example.com', header: 'X-Token', prefix: '' },
  fields: [
    { name: 'server', label: 'Server', secret: false },
    { name: 'token', label: 'Token', secret: true },
  ],
}

let redis: RedisServer
let stores: TestStores
let server: TestApp
let counter: CommandCounter
beforeAll(async () => {
  redis = await startRedis()
  stores = await openNetworkedStores({ redisUrl: redis.url })
  server = await startTestApp({
    backend: 'redis',
    stores,
    overrides: { OTESSE_CONNECTIONS: 'true', OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '0' },
  })
  const admin = createAdminServices(server.infrastructure, server.services)
  for (const provider of [CRM, MAIL]) await admin.providers.save(provider, OPERATOR)
  const create = (handle: string, more: object) =>
    admin.integrations.create(
      {
        handle,
        providerKey: handle,
        clientId: 'there',
        ownerKinds: ['account', 'company'],
        ...more,
      },
      OPERATOR,
    )
  await create('crm', { config: { region: 'eu' }, clientSecret: new Secret('secret-there') })
  await create('mail', {})
  counter = await watchRedis(redis.url)
})
afterAll(async () => {
  await counter[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
})

async function connect(handle: string, accountId?: string, change: Partial<NewConnection> = {}) {
  const { stores: known } = server.services
  const integration = await known.integrations.findByHandle(handle)
  const made = await known.connections.establish(
    {
      integrationId: integration?.id ?? '',
      owner: accountId === undefined ? { kind: 'company' } : { kind: 'account', id: accountId },
      establishedBy: accountId,
      externalId: `there-${Math.random()}`,
      externalLabel: 'ada@corp.example',
      grantedScopes: ['leads'],
      missingScopes: ['mail'],
      config: {},
      accessExpiresAt: new Date(server.infrastructure.clock() + 3600_000),
      refreshExpiresAt: undefined,
      credentials: [
        { kind: 'oauth_access_token', name: '', value: new Secret('their-access-token') },
        { kind: 'oauth_refresh_token', name: '', value: new Secret('their-refresh-token') },
      ],
      ...change,
    },
    new Date(server.infrastructure.clock()),
  )
  return made.id
}

/** An app that a person allowed these scopes. */
async function personal(scopes = ['connections:crm', 'connections:mail']) {
  const app = createOAuthClient(server, await registerApp(server, { scopes }))
  const account = await createAccount(server)
  const { access } = await app.authorize({ accountId: account.id, scopes })
  return { app, account, access }
}
async function machine(
  scopes = ['connections:crm'],
): Promise<{ app: OAuthClient; access: string }> {
  const app = createOAuthClient(server, await registerApp(server, { type: 'machine', scopes }))
  return { app, access: (await app.credentials()).body.access_token }
}
async function ask(method: 'GET' | 'POST', path: string, token?: string, body?: object) {
  const answer = await fetch(`${server.url}/connect/v1${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    body: JSON.parse(text) as Record<string, unknown>,
  }
}
const fetchToken = (id: string, token?: string, body?: object) =>
  ask('POST', `/connections/${id}/token`, token, body)

it('gives the live token with everything that a call needs, and nothing else', async () => {
  const { account, access } = await personal()
  const id = await connect('crm', account.id)
  const { status, headers, body, text } = await fetchToken(id, access)
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(body).toEqual({
    access_token: 'their-access-token',
    token_type: 'Bearer',
    expires_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
    scopes: ['leads'],
    missing_scopes: ['mail'],
    header: { name: 'Authorization', prefix: 'CRM-Token' },
    base_url: 'https://eu.crm.example.com',
    external: { id: expect.stringMatching(/^there-/), label: 'ada@corp.example' },
    connection: { id, integration: 'crm', status: 'active' },
  })
  expect(text).not.toMatch(/their-refresh-token|secret-there/)
})

it('gives the fields of a key', async () => {
  const { account, access } = await personal()
  const credentials = [
    { kind: 'username', name: 'server', value: new Secret('mx1') },
    { kind: 'api_key', name: 'token', value: new Secret('their-key') },
    { kind: 'webhook_secret', name: 'webhook', value: new Secret('their-webhook-secret') },
  ] as const
  const id = await connect('mail', account.id, { credentials, accessExpiresAt: undefined })
  const { status, body } = await fetchToken(id, access)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    access_token: 'their-key',
    token_type: 'N_A',
    expires_at: null,
    fields: { server: 'mx1', token: 'their-key' },
    header: { name: 'X-Token', prefix: '' },
  })
  expect(JSON.stringify(body)).not.toContain('webhook')
})

it('RFC 6750 §3.1 — tells who sends no token, a wrong one, or one without the scope', async () => {
  const { account, access } = await personal(['connections:mail'])
  const id = await connect('crm', account.id)
  expect((await fetchToken(id)).headers.get('www-authenticate')).toBe('Bearer realm="otesse"')
  const wrong = await fetchToken(id, 'otesse_at_nonsense')
  expect([wrong.status, wrong.body['error']]).toEqual([401, 'invalid_token'])
  const poor = await fetchToken(id, access)
  expect([poor.status, poor.body['error']]).toEqual([403, 'insufficient_scope'])
  expect(poor.headers.get('www-authenticate')).toContain('scope="connections:crm"')
})

it('shows nobody what is another’s', async () => {
  const [ada, eve, service] = [await personal(), await personal(), await machine()]
  const ofAda = await connect('crm', ada.account.id)
  const ofCompany = await connect('crm')
  for (const [id, token] of [
    [ofAda, eve.access],
    [ofAda, service.access],
    [ofCompany, eve.access],
    ['con_none', ada.access],
  ] as const) {
    const { status, body } = await fetchToken(id, token)
    expect([status, body['error']]).toEqual([404, 'not_connected'])
  }
  expect((await fetchToken(ofCompany, service.access)).status).toBe(200)
})

it('lets a trusted app act for everybody, until the account is deactivated', async () => {
  const service = await machine()
  const admin = createAdminServices(server.infrastructure, server.services)
  const account = await createAccount(server)
  const id = await connect('crm', account.id)
  const trust = async (trustedApps: string[]) => {
    const { version } = await admin.integrations.get('crm')
    await admin.integrations.update('crm', version, { trustedApps }, OPERATOR)
  }
  await trust([service.app.client.id])
  expect((await fetchToken(id, service.access)).status).toBe(200)
  await server.services.accounts.deactivate(account.id, 'left')
  expect((await fetchToken(id, service.access)).status).toBe(404)
  await trust([])
})

it.each([
  ['the person’s account is deactivated', 'account'],
  ['the app is suspended', 'app'],
  ['the app’s tokens are revoked', 'token'],
  ['the scope is removed from the app', 'scope'],
])('gives nothing from the moment on when %s', async (_name, what) => {
  const { app, account, access } = await personal()
  const id = await connect('crm', account.id)
  expect((await fetchToken(id, access)).status).toBe(200)
  const { services } = server
  if (what === 'account') await services.accounts.deactivate(account.id, 'left')
  if (what === 'app') await services.apps.suspend(app.client.id, 'abuse')
  if (what === 'token') await app.revoke(access)
  if (what === 'scope') {
    const { version } = await services.apps.get(app.client.id)
    await services.apps.update(app.client.id, version, { scopes: [] })
  }
  expect((await fetchToken(id, access)).status).toBe(what === 'scope' ? 403 : 401)
})

it('says when the owner must connect again, and where', async () => {
  const { account, access } = await personal()
  const ended = new Date(server.infrastructure.clock() - 1000)
  const credentials = [
    { kind: 'oauth_access_token', name: '', value: new Secret('ended') },
  ] as const
  const id = await connect('crm', account.id, { credentials, accessExpiresAt: ended })
  const { status, body } = await fetchToken(id, access)
  expect(status).toBe(409)
  expect(body).toMatchObject({
    error: 'reconnect_needed',
    reason: 'access_token_ended',
    since: expect.any(String),
    connect_url: `${server.issuer}/connections/${id}`,
  })
  expect((await fetchToken(id, access)).status).toBe(409)
  const { events } = await server.services.stores.events.list({ name: 'connection.expired' })
  expect(events.length).toBeLessThanOrEqual(1)
})

it('takes min_validity as a number and as a text', async () => {
  const { account, access } = await personal()
  const id = await connect('crm', account.id)
  for (const min_validity of [120, '120'])
    expect((await fetchToken(id, access, { min_validity })).status).toBe(200)
})

it.each([
  [{ min_validity: 'soon' }],
  [{ min_validity: 99_999 }],
  [{ min_validity: 1.5 }],
  [{ reject: 'x' }],
])('refuses what it does not understand: %j', async (body) => {
  const { account, access } = await personal()
  const id = await connect('crm', account.id)
  expect((await fetchToken(id, access, body)).status).toBe(400)
})

describe('RFC 8693 §2.1, RFC 8693 §2.2.1 — token exchange', () => {
  const exchange = (app: OAuthClient, parameters: Record<string, string>) =>
    app.token({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'crm',
      ...parameters,
    })

  it('is named by the metadata', async () => {
    const answer = await fetch(`${server.url}/.well-known/oauth-authorization-server`)
    expect(await answer.json()).toMatchObject({
      grant_types_supported: expect.arrayContaining([
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ]),
    })
  })

  it('gives the token of the connection, as /connect/v1 does', async () => {
    const { app, account, access } = await personal()
    const id = await connect('crm', account.id)
    const { status, body } = await exchange(app, { subject_token: access })
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: 'their-access-token',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'leads',
    })
    const named = await exchange(app, { subject_token: access, connection: id })
    expect(named.status).toBe(200)
    await connect('crm', account.id)
    expect((await exchange(app, { subject_token: access })).body).toMatchObject({
      error: 'invalid_request',
      error_description: expect.stringContaining('connection'),
    })
  })

  it('refuses what is not live, of another app, or for something else', async () => {
    const [ada, eve] = [await personal(), await personal(['connections:mail'])]
    const id = await connect('crm', ada.account.id)
    const refusals = [
      [ada.app, { subject_token: eve.access }, 'invalid_request'],
      [ada.app, { subject_token: 'x' }, 'invalid_request'],
      [ada.app, {}, 'invalid_request'],
      [ada.app, { subject_token: ada.access, audience: 'moon' }, 'invalid_target'],
      [ada.app, { subject_token: ada.access, requested_token_type: 'x' }, 'invalid_request'],
      [eve.app, { subject_token: eve.access, connection: id }, 'not_connected'],
    ] as const
    for (const [app, parameters, error] of refusals)
      expect((await exchange(app, parameters)).body).toMatchObject({ error })
    await connect('crm', eve.account.id)
    expect((await exchange(eve.app, { subject_token: eve.access })).body).toMatchObject({
      error: 'insufficient_scope',
    })
  })
})

it('lists what a token may use', async () => {
  const { account, access } = await personal(['connections:crm'])
  const id = await connect('crm', account.id)
  await connect('mail', account.id)
  await connect('crm')
  const { status, body, text } = await ask('GET', '/connections', access)
  expect(status).toBe(200)
  expect(body['connections']).toEqual([
    expect.objectContaining({ id, integration: 'crm', status: 'active', owner: 'account' }),
  ])
  expect(text).not.toContain('their-')
  expect((await ask('GET', '/connections?integration=mail', access)).body['connections']).toEqual(
    [],
  )
})

it('a live token costs one command on Redis and one statement on Postgres', async () => {
  const { account, access } = await personal()
  const id = await connect('crm', account.id)
  await fetchToken(id, access)
  const REQUESTS = 50
  let statements: string[] = []
  const commands = await counter.during(async () => {
    statements = await countQueries(async () => {
      for (let at = 0; at < REQUESTS; at += 1)
        expect((await fetchToken(id, access)).status).toBe(200)
    })
  })
  // Events, uses and limits are written in batches.
  expect(commands.length).toBeLessThan(2 * REQUESTS)
  expect(statements.length).toBeLessThan(1.5 * REQUESTS)
})

it('is not there while connections are off', async () => {
  await using off = await startTestApp({ backend: 'embedded' })
  expect((await fetch(`${off.url}/connect/v1/connections`)).status).toBe(404)
})
