// `otesse doctor` on the secrets of a rotation: which key of OTESSE_SECRET_KEY is still needed.
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import { startTestApp } from '../support/app.ts'
import { registerApp } from '../support/builders.ts'
import { runCli } from '../support/cli-process.ts'
import { createIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import { startQuirkProvider } from '../support/quirk-provider.ts'

const OLD_KEY = 'the-commands-sign-with-this-key-0123456789'
const NEW_KEY = 'a-newer-key-abc123abc123abc123abc123abc123'
const SECRETS = {
  OTESSE_SECRET_KEY: OLD_KEY,
  OTESSE_ENCRYPTION_KEY: 'the-commands-seal-with-this-key-9876543210',
}

interface Check {
  readonly check: string
  readonly status: string
  readonly sentence: string
}

test('RFC 8414 §3.3 — doctor names a server whose issuer is not the address that was asked', async () => {
  await using server = await startTestApp({ backend: 'redis', overrides: SECRETS })
  const settings = { ...SECRETS, ...server.stores.settings }
  async function ask(issuer: string): Promise<Check | undefined> {
    const { checks } = (
      await runCli(['doctor', '--json'], { ...settings, OTESSE_ISSUER: issuer })
    ).json()
    return (checks as Check[]).find(({ check }) => check === 'public address')
  }
  expect(await ask(server.issuer)).toMatchObject({ status: 'ok' })
  const other = server.issuer.replace('127.0.0.1', 'localhost')
  expect(await ask(other)).toMatchObject({
    status: 'fail',
    sentence: expect.stringContaining(`${other} calls itself ${server.issuer}:`),
  })
})

test('doctor says which of the stores is older, and changes neither', async () => {
  await using server = await startTestApp({ backend: 'redis', overrides: SECRETS })
  const { settings } = server.stores
  // A Redis of its own, which no server brings up to date.
  const prefix = `${settings['OTESSE_REDIS_PREFIX']!}other:`
  const own = { OTESSE_ISSUER: server.issuer, OTESSE_REDIS_PREFIX: prefix }
  async function look(): Promise<string> {
    const env = { ...SECRETS, ...settings, ...own }
    const { checks } = (await runCli(['doctor', '--no-issuer', '--json'], env)).json()
    const found = (checks as Check[]).find(({ check }) => check === 'stores')
    return `${found?.status ?? ''}: ${found?.sentence ?? ''}`
  }
  const { db } = server.infrastructure
  const key = `${prefix}fence`
  const redis = new Redis(settings['OTESSE_REDIS_URL']!)
  try {
    expect(await look()).toBe('ok: Redis knows every revocation in the database.')
    expect(await redis.exists(key)).toBe(0)
    await sql`update ended_counter set last = 3`.execute(db)
    expect(await look()).toMatch(/^ok: Redis does not know 3 of the revocations in the database\./)
    await redis.set(key, '5 copy history')
    expect(await look()).toMatch(
      /^fail: The database is older than Redis .*: otesse stores reconcile$/,
    )
    expect(await redis.get(key)).toBe('5 copy history')
  } finally {
    await redis.del(key)
    redis.disconnect()
  }
}, 60_000)

test('doctor counts the client secrets that still need an older server key, or one that is gone', async () => {
  await using server = await startTestApp({ backend: 'redis', overrides: SECRETS })
  const env = { ...SECRETS, ...server.stores.settings, OTESSE_ISSUER: server.issuer }
  async function look(secretKey: string): Promise<string | undefined> {
    const settings = { ...env, OTESSE_SECRET_KEY: secretKey }
    const { checks } = (await runCli(['doctor', '--no-issuer', '--json'], settings)).json()
    const found = (checks as Check[]).find(({ check }) => check === 'client secrets')
    return `${found?.status ?? ''}: ${found?.sentence ?? ''}`
  }
  expect(await look(OLD_KEY)).toBe('ok: There are none yet.')
  await registerApp(server, { type: 'machine', scopes: [] })
  expect(await look(OLD_KEY)).toBe('ok: The first key of OTESSE_SECRET_KEY is enough for all 1.')
  expect(await look(`${NEW_KEY},${OLD_KEY}`)).toMatch(/^warn: 1 of 1 may still need an older key/)
  expect(await look(NEW_KEY)).toMatch(/^fail: 1 of 1 were made under a key that is not in/)
  // A server of the release before does not note which key it used.
  await sql`update app_secrets set key_id = null`.execute(server.infrastructure.db)
  expect(await look(OLD_KEY)).toMatch(/^ok: 1 of 1 have not been used since an update/)
  expect(await look(`${NEW_KEY},${OLD_KEY}`)).toMatch(/^warn: 1 of 1 may still need an older key/)
})

test('doctor counts the credentials that still need an older key, or one that is gone', async () => {
  const overrides = { ...SECRETS, ...WITH_CONNECTIONS }
  await using server = await startTestApp({ backend: 'redis', overrides })
  const env = { ...overrides, ...server.stores.settings, OTESSE_ISSUER: server.issuer }
  async function look(key: string): Promise<string> {
    const settings = { ...env, OTESSE_ENCRYPTION_KEY: key }
    const { checks } = (await runCli(['doctor', '--no-issuer', '--json'], settings)).json()
    const found = (checks as Check[]).find(({ check }) => check === 'credentials of connections')
    return `${found?.status ?? ''}: ${found?.sentence ?? ''}`
  }
  const key = SECRETS.OTESSE_ENCRYPTION_KEY
  expect(await look(key)).toBe('ok: There are none yet.')
  await using provider = await startQuirkProvider()
  await createIntegration(server, provider, 'plain')
  expect(await look(key)).toBe(
    'ok: The first key of OTESSE_ENCRYPTION_KEY is enough for all 1 values.',
  )
  expect(await look(`${NEW_KEY},${key}`)).toMatch(/^warn: 1 of 1 values are still encrypted/)
  expect(await look(NEW_KEY)).toMatch(/^fail: 1 of 1 values are encrypted under a key that is not/)
  const rotated = { ...env, OTESSE_ENCRYPTION_KEY: `${NEW_KEY},${key}` }
  await runCli(['connection', 'reencrypt'], rotated)
  expect(await look(NEW_KEY)).toMatch(/^ok: The first key/)
})
