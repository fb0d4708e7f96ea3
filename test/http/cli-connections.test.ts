// otesse integration and otesse provider on real stores: the scope comes and goes with the
// integration, the secret never shows, and nothing works while connections are off.
import { Secret } from '../../src/shared/secret.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { runHere } from '../support/cli-here.ts'
import type { Answer } from '../support/cli-process.ts'

const SECRETS = {
  OTESSE_SECRET_KEY: 'tests-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'tests-seal-with-this-key-9876543210',
}
const CRM = `
key: crm
name: Our CRM
kind: oauth2
auth:
  authorize_url: https://{region}.crm.example.com/authorize
  token_url: https://{region}.crm.example.com/token
config:
  - { name: region, label: Region, choices: [eu, us] }
`

let server: TestApp
beforeAll(async () => {
  server = await startTestApp({ backend: 'redis' })
  await done(['provider', 'add', '-'], CRM)
})
afterAll(() => server[Symbol.asyncDispose]())

const env = () => ({
  OTESSE_ISSUER: server.issuer,
  OTESSE_CONNECTIONS: 'true',
  ...SECRETS,
  ...server.stores.settings,
})
const otesse = (args: readonly string[], input?: string, settings = {}) =>
  runHere(args, { ...env(), ...settings }, input)
async function done(args: readonly string[], input?: string): Promise<Answer> {
  const ran = await otesse([...args, '--json'], input)
  expect({ args, ...ran }).toMatchObject({ args, code: 0, stderr: '' })
  return ran.json()
}
async function refused(args: readonly string[], code = 1, input?: string): Promise<Answer> {
  const ran = await otesse([...args, '--json'], input)
  expect({ args, ...ran }).toMatchObject({ args, code, stderr: '' })
  return ran.json()['error'] as Answer
}
const create = (handle: string, ...more: string[]) =>
  done(
    ['integration', 'create', handle, '--provider', 'crm', '--client-id', 'there', ...more],
    'secret-there',
  )

test('an integration is made with its scope, and tells the callback address', async () => {
  const { integration } = await create('crm', '--client-secret', '--config', 'region=eu')
  expect(integration).toMatchObject({
    handle: 'crm',
    name: 'Our CRM',
    kind: 'oauth2',
    hasClientSecret: true,
    ownerKinds: ['account'],
    config: { region: 'eu' },
    status: 'active',
    scope: 'connections:crm',
    callback: `${server.issuer}/connections/callback/crm`,
  })
  const { scopes } = await done(['scope', 'list'])
  expect(scopes).toContainEqual(
    expect.objectContaining({ name: 'connections:crm', sensitive: true, group: 'Connections' }),
  )
  const stored = await server.infrastructure.db.selectFrom('integrations').selectAll().execute()
  expect(JSON.stringify(stored)).not.toContain('secret-there')
  const shown = await otesse(['integration', 'show', 'crm'])
  expect(shown.stdout).toContain('/connections/callback/crm')
  expect(shown.stdout).not.toContain('secret-there')
})

test('every rule that is broken is told, by the flag', async () => {
  const ran = await otesse(
    ['integration', 'create', 'Bad', '--provider', 'crm', '--config', 'region=moon'].concat(
      ...[
        ['--owner', 'planet'],
        ['--proxy-host', 'https://x/'],
        ['--proxy-method', 'STEAL'],
      ],
    ),
  )
  expect(ran.code).toBe(1)
  for (const flag of ['--client-id', '--config', '--owner', '--proxy-host', '--proxy-method'])
    expect(ran.stderr).toContain(flag)
  expect((await refused(['integration', 'create', 'x', '--provider', 'nobody']))['code']).toBe(
    'input_refused',
  )
  const twice = ['integration', 'create', 'crm', '--provider', 'crm', '--client-id', 'there']
  expect((await refused(twice))['problems']).toMatchObject([{ rule: 'handle-taken' }])
})

test('a change keeps the rest, is on the version that was looked at, and is an event without secrets', async () => {
  await create('changing', '--client-secret', '--scope', 'read', '--scope', 'write')
  const args = ['integration', 'set', 'changing', '--if-version', '1']
  await done([...args, '--required-scope', 'read', '--client-secret'], 'new-secret')
  expect((await refused([...args, '--clear', 'scope']))['code']).toBe('conflict')
  await done(['integration', 'set', 'changing', '--clear', 'required-scope'])
  const off = await done(['integration', 'disable', 'changing'])
  expect(off['integration']).toMatchObject({ status: 'disabled' })
  await done(['integration', 'enable', 'changing'])
  const { integration } = await done(['integration', 'show', 'changing'])
  expect(integration).toMatchObject({ scopes: ['read', 'write'], requiredScopes: [], version: 3 })
  const { events } = await server.services.stores.events.list({ name: 'integration.changed' })
  expect(events.at(-1)?.data).toEqual({
    integration: 'changing',
    diff: { requiredScopes: [[], ['read']], clientSecret: 'changed' },
  })
  expect(JSON.stringify(events)).not.toMatch(/new-secret|secret-there/)
})

test('one with connections is deleted only when that is said, and its scope goes along', async () => {
  const { integration } = await create('leaving')
  const { connections } = server.services.stores
  await connections.establish(
    {
      integrationId: integration.id,
      owner: { kind: 'account', id: 'acc_ada' },
      establishedBy: 'acc_ada',
      externalId: undefined,
      externalLabel: undefined,
      grantedScopes: [],
      missingScopes: [],
      config: {},
      accessExpiresAt: undefined,
      refreshExpiresAt: undefined,
      credentials: [],
    },
    new Date(),
  )
  expect((await refused(['integration', 'delete', 'leaving']))['code']).toBe('in_use')
  expect(await done(['integration', 'delete', 'leaving', '--with-connections'])).toMatchObject({
    deleted: true,
    connections: 1,
  })
  const { scopes } = await done(['scope', 'list'])
  expect(scopes).not.toContainEqual(expect.objectContaining({ name: 'connections:leaving' }))
  expect((await refused(['integration', 'show', 'leaving']))['code']).toBe('not_found')
})

test('client credentials need the secret, and are the company’s', async () => {
  const args = ['integration', 'create', 'service', '--provider', 'crm', '--client-id', 'there']
  const kind = ['--kind', 'client_credentials']
  expect((await refused([...args, ...kind]))['problems']).toMatchObject([{ field: 'clientSecret' }])
  const { integration } = await done([...args, ...kind, '--client-secret'], 'secret-there')
  expect(integration).toMatchObject({ ownerKinds: ['company'], callback: null })
  const own = await done(['connection', 'list', '--integration', 'service'])
  expect(own['connections']).toMatchObject([{ owner: { kind: 'company' }, status: 'active' }])
  await done(['integration', 'delete', 'service'])
})

test('connections are listed, switched off and on, and encrypted anew', async () => {
  const { integration } = await create('listed')
  const { connections } = server.services.stores
  const { id } = await connections.establish(
    {
      integrationId: integration.id,
      owner: { kind: 'account', id: 'acc_ada' },
      establishedBy: 'acc_ada',
      externalId: 'there',
      externalLabel: 'ada@corp.example',
      grantedScopes: [],
      missingScopes: [],
      config: {},
      accessExpiresAt: undefined,
      refreshExpiresAt: undefined,
      credentials: [{ kind: 'api_key', name: 'token', value: new Secret('their-key') }],
    },
    new Date(),
  )
  const listed = await done(['connection', 'list', '--integration', 'listed'])
  expect(listed).toMatchObject({ connections: [{ id, integration: 'listed', status: 'active' }] })
  expect(JSON.stringify(listed)).not.toContain('their-key')
  const off = await done(['connection', 'disable', id])
  expect(off).toMatchObject({ connection: { status: 'disabled', statusReason: 'admin' } })
  expect(await done(['connection', 'enable', id])).toMatchObject({
    connection: { status: 'active' },
  })
  const rotated = await otesse(['connection', 'reencrypt', '--json'], '', {
    OTESSE_CONNECTIONS_KEY: 'tests-rotate-to-this-key-0123456789',
  })
  expect(rotated.stderr).toBe('')
  expect(rotated.json()['reencrypted']).toBeGreaterThan(0)
  expect(await done(['connection', 'delete', id])).toMatchObject({ deleted: true })
  expect((await refused(['connection', 'show', id]))['code']).toBe('not_found')
  const { events } = await server.services.stores.events.list({ limit: 10 })
  expect(events.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['connection.disabled', 'connection.enabled', 'connection.deleted']),
  )
})

test('a provider in use is kept, and a key of the catalogue is not taken', async () => {
  expect((await refused(['provider', 'remove', 'crm']))['code']).toBe('in_use')
  const slack = CRM.replace('key: crm', 'key: slack')
  expect((await refused(['provider', 'add', '-'], 1, slack))['problems']).toMatchObject([
    { rule: 'provider-key-taken' },
  ])
  await done(['provider', 'add', '-'], CRM.replace('key: crm', 'key: other'))
  const { providers } = await done(['provider', 'custom'])
  expect(providers).toMatchObject([{ key: 'crm' }, { key: 'other' }])
  await done(['provider', 'remove', 'other'])
})

test('while connections are off, the command says which setting turns them on', async () => {
  const ran = await otesse(['integration', 'list'], '', { OTESSE_CONNECTIONS: 'false' })
  expect(ran.code).toBe(1)
  expect(ran.stderr).toContain('OTESSE_CONNECTIONS=true')
})

test('a file declares providers and integrations; their secrets come from the environment', async () => {
  const file = `
providers:
  - key: desk
    name: Desk
    kind: oauth2
    auth: { authorize_url: 'https://desk.example/authorize', token_url: 'https://desk.example/token' }
integrations:
  - handle: desk
    provider: desk
    clientId: here
    clientSecret: \${DESK_SECRET}
    scopes: [read]
apps:
  - handle: reader
    name: Reader
    type: machine
    scopes: ['connections:desk']
`
  const apply = async (text: string, secret: string, ...args: string[]) => {
    const settings = { DESK_SECRET: secret }
    const ran = await otesse(['apply', '-f', '-', '--json', ...args], text, settings)
    expect(ran.stdout + ran.stderr).not.toMatch(/first-secret|second-secret/)
    return { code: ran.code, json: ran.json() }
  }
  const unset = await apply(file, '')
  expect(unset).toMatchObject({
    code: 1,
    json: { error: { problems: [{ field: 'clientSecret' }] } },
  })
  const bare = await apply(file.replace('${DESK_SECRET}', 'in-the-file'), '')
  expect(bare).toMatchObject({ code: 1, json: { error: { problems: [{ line: 11 }] } } })
  expect(await apply(file, 'first-secret', '--dry-run', '--exit-code')).toMatchObject({
    code: 3,
    json: { providers: [{ kind: 'create' }], integrations: [{ kind: 'create' }] },
  })
  expect(await apply(file, 'first-secret')).toMatchObject({
    code: 0,
    json: { done: ['provider desk', 'integration desk', 'app reader'] },
  })
  const { integrations } = server.services.stores
  const id = (await integrations.findByHandle('desk'))?.id ?? ''
  expect((await integrations.clientSecret(id))?.reveal()).toBe('first-secret')

  // The second time, and without the secret, nothing changes.
  for (const secret of ['first-secret', ''])
    expect(await apply(file, secret)).toMatchObject({ code: 0, json: { changed: false } })
  await done(['integration', 'set', 'desk', '--scope', 'write'])
  expect(await apply(file, 'second-secret', '--dry-run', '--exit-code')).toMatchObject({
    code: 3,
    json: { integrations: [{ changes: [{ field: 'scopes' }, { field: 'clientSecret' }] }] },
  })
  expect((await apply(file, 'second-secret')).code).toBe(0)
  expect((await integrations.clientSecret(id))?.reveal()).toBe('second-secret')

  const exported = await otesse(['export'])
  expect(exported.stdout).toContain('${DESK_CLIENT_SECRET}')
  expect(exported.stdout).not.toContain('second-secret')
  expect((await apply(exported.stdout, '')).json).toMatchObject({ changed: false })
  const kept = file.replace('provider: desk', 'provider: slack')
  expect((await apply(kept, '')).json['error']).toMatchObject({
    problems: [{ rule: 'integration-provider' }],
  })
})
