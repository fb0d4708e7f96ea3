// Everything that connections ever hold or send, used once and then looked for: in every table, in
// Redis, in the log, in events and in answers. Also what happens when the database is cut off at
// the moment at which tokens have come.
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { sql } from 'kysely'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { createEndingStore } from '../../src/connections/ending.store.ts'
import { createRedisSpool } from '../../src/connections/spool.ts'
import { Secret } from '../../src/shared/secret.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { type PostgresServer, startPostgres } from '../support/backends.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, PASSWORD, registerApp } from '../support/builders.ts'
import { OPERATOR } from '../support/connected-company.ts'
import { createIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { type QuirkProvider, startQuirkProvider } from '../support/quirk-provider.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let postgres: PostgresServer
let proxy: TcpProxy
let stores: TestStores
let server: TestApp
let provider: QuirkProvider
const seen: string[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  proxy = await startTcpProxy(postgres.port)
  stores = await openNetworkedStores({
    postgresUrl: postgres.url.replace(`:${postgres.port}`, `:${proxy.port}`),
  })
  provider = await startQuirkProvider()
  server = await startTestApp({
    backend: 'redis',
    stores,
    overrides: { ...WITH_CONNECTIONS, OTESSE_LOG_LEVEL: 'debug' },
  })
  await createIntegration(server, provider, 'plain')
  await createIntegration(server, provider, 'keys', {}, (definition) => ({
    ...definition,
    fields: FIELDS.map((name) => ({ name, label: name, secret: name !== 'username' })),
  }))
}, 60_000)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await postgres.stop()
})

/** Every kind of credential that is typed. */
const FIELDS = ['api_key', 'client_id', 'client_secret', 'webhook_secret', 'username', 'password']
const typed = Object.fromEntries(
  FIELDS.map((name) => [
    name,
    name === 'api_key' ? 'a-key-that-opens-the-api' : `typed+${name}/&=`,
  ]),
)

const url = (path: string) => `${server.issuer}/connections${path}`
const wordsOf = ({ html }: Page): string =>
  html.replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '').replaceAll(/<[^>]*>/g, '')

async function aPerson() {
  const person = await createAccount(server, { password: PASSWORD })
  const browser = createBrowser(server)
  const page = await browser.open(url(''))
  const { email } = person
  await browser.submit(page, '/sign-in?to=%2Fconnections', { email, password: PASSWORD })
  return { person, browser }
}

const keep = (page: Page): Page => {
  seen.push(page.html, ...[...page.headers].flat())
  return page
}

async function start(browser: Browser): Promise<string> {
  const page = keep(await browser.open(url('/add/plain')))
  return (await browser.submit(page, '/connections/add/plain')).url
}

const held = ({ id }: { id: string }) =>
  server.services.stores.connections.listOf({ kind: 'account', id })

/** Every row of every table, as JSON. */
async function dumpTables(): Promise<string> {
  const { db } = server.infrastructure
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = current_schema() and table_type = 'BASE TABLE'`.execute(db)
  expect(rows.length).toBeGreaterThan(20)
  const all = await Promise.all(
    rows.map(({ name }) => sql`select to_jsonb(t) as row from ${sql.table(name)} t`.execute(db)),
  )
  return JSON.stringify(all.map((one) => one.rows))
}

async function dumpRedis(): Promise<string> {
  const { redis } = server.infrastructure
  if (redis === undefined) throw new Error('the test runs on Redis')
  const parts: string[] = []
  for (const key of await redis.keys('*'))
    parts.push(key, (await redis.dumpBuffer(key)).toString('latin1'))
  return parts.join('\n')
}

function written(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    // The end of base64 depends on what follows.
    bytes.toString('base64').slice(0, -4),
    bytes.toString('base64url').slice(0, -4),
    encodeURIComponent(secret),
    new URLSearchParams({ x: secret }).toString().slice(2),
    bytes.toString('hex'),
    JSON.stringify(secret).slice(1, -1),
  ]
}

it('nothing of a credential is in a table, in Redis, in the log, in an event or on a page', async () => {
  const { person, browser } = await aPerson()
  const secrets = new Set([...Object.values(typed), provider.client.clientSecret])
  // By OAuth, by key, and by the link of an app that is not used.
  const there = await start(browser)
  const back = await provider.decide(there)
  for (const name of ['state', 'code'])
    secrets.add(new URL(back).searchParams.get(name) ?? `no ${name}`)
  keep(await browser.open(back))
  const form = keep(await browser.open(url('/add/keys')))
  keep(await browser.submit(form, '/connections/add/keys', { ...typed, api_key: 'a-wrong-key-1' }))
  secrets.add('a-wrong-key-1')
  keep(await browser.submit(form, '/connections/add/keys', typed))
  const [byOAuth, byKey] = await held(person)
  expect(byKey).toMatchObject({ status: 'active' })
  const scopes = ['connections:plain', 'connections:keys']
  const app = createOAuthClient(server, await registerApp(server, { scopes }))
  const { access } = await app.authorize({ accountId: person.id, scopes })
  const ask = (path: string, body: object) =>
    fetch(`${server.url}/connect/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const session = await ask('/sessions', {
    integration: 'plain',
    return_to: app.client.redirectUri,
    state: 'x',
  })
  const { connect_url: link } = (await session.json()) as { connect_url: string }
  secrets.add(new URL(link).pathname.split('/').at(-1) ?? '')
  // Fetched, refused by the provider, refreshed, and called through the proxy.
  for (const one of [byOAuth, byKey])
    expect((await ask(`/connections/${one!.id}/token`, {})).status).toBe(200)
  await ask(`/proxy/${byOAuth!.id}/me?x=1`, { text: 'a' })
  const description = `the secret ${provider.client.clientSecret} is not good`
  const refused = await provider.decide(await start(browser))
  provider.misbehave({ kind: 'error', error: 'invalid_grant', description })
  keep(await browser.open(refused))
  // A webhook secret, an attempt under way, and tokens that wait.
  const admin = createAdminServices(server.infrastructure, server.services)
  await admin.webhookSecrets.add('plain', new Secret('whsec-of-the-test/+='), OPERATOR)
  secrets.add('whsec-of-the-test/+=')
  const open = new URL(await start(browser)).searchParams
  secrets.add(open.get('state') ?? '')
  const { redis, keyPrefix, credentialEncryption, db } = server.infrastructure
  await createRedisSpool(redis!, keyPrefix, credentialEncryption).put(byKey!.id, {
    generation: 9,
    tokens: {
      accessToken: new Secret('an-access-token-that-waits'),
      refreshToken: new Secret('a-refresh-token-that-waits'),
      accessExpiresAt: undefined,
      refreshExpiresAt: undefined,
      scopes: undefined,
    },
  })
  secrets.add('an-access-token-that-waits').add('a-refresh-token-that-waits')
  const usable = await server.services.stores.connections.findUsable(byOAuth!.id)
  for (const { value } of usable?.credentials() ?? []) secrets.add(value.reveal())
  const [request] = provider.tokenRequests
  secrets.add(request?.members['code_verifier'] ?? 'no verifier')
  const owner = { kind: 'account', id: person.id } as const
  await createEndingStore(db).remove(byOAuth!.id, owner, 'disconnected', new Date())
  keep(await browser.open(url('')))

  await server.services.audit.flush()
  const dump = [await dumpTables(), await dumpRedis(), ...server.log, ...seen].join('\n')
  expect(dump).toContain(byKey!.id)
  expect(secrets.size).toBeGreaterThan(15)
  const found = [...secrets].filter((secret) =>
    written(secret).some((form) => form.length > 7 && dump.includes(form)),
  )
  expect(found).toEqual([])
})

it.each([
  ['withdrawn there', 200, 'We have withdrawn the access there.'],
  ['told so where that does not work either', 500, 'could not withdraw the access there'],
])('tokens that came when the database was cut off are %s', async (_name, status, words) => {
  const { person, browser } = await aPerson()
  const back = await provider.decide(await start(browser))
  const before = provider.revoked.length
  provider.revokeStatus = status
  // When the provider has issued tokens, and for as long as it takes.
  provider.onIssued = () => {
    proxy.leadTo(1)
    proxy.cut('reset')
  }
  const page = await browser.open(back)
  provider.onIssued = undefined
  provider.revokeStatus = 200
  proxy.leadTo(postgres.port)
  expect({ status: page.status, words: wordsOf(page) }).toEqual({
    status: 503,
    words: expect.stringContaining(words),
  })
  expect(provider.revoked.slice(before)).toEqual([expect.stringMatching(/^rt-plain-/)])
  expect(await held(person)).toEqual([])
  // And the next attempt works.
  expect(wordsOf(await browser.open(await provider.decide(await start(browser))))).toContain(
    'Plain CRM is connected',
  )
})
