// What a whole flow leaves behind: an event with a reason for each step, and no usable secret in
// the log, in Redis or in the database.
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { pkceChallenge } from '../../src/shared/crypto.ts'
import { newClientSecret } from '../../src/shared/token-format.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

describe.each(BACKENDS)('after a whole story, %s', (backend) => {
  let server: TestApp
  let web: TestClient
  let spa: TestClient
  /** Everything bearer that was ever handed out or typed. */
  const secrets = new Map<string, string>()
  let accountId: string
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = await registerApp(server)
    spa = await registerApp(server, { type: 'public' })
    await play()
    await server.services.audit.flush()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const keep = (name: string, text: string | undefined): string => {
    if (text === undefined || text.length < 16) throw new Error(`there is no ${name} to look for`)
    secrets.set(name, text)
    return text
  }

  async function play(): Promise<void> {
    keep('client secret', web.secret)
    keep('password', PASSWORD)
    keep('code verifier', VERIFIER)
    const account = await createAccount(server, { email: 'ada@example.com', password: PASSWORD })
    accountId = account.id
    const browser = createBrowser(server)
    const authorize = async (client: TestClient): Promise<string> => {
      const query = new URLSearchParams({
        client_id: client.id,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        scope: 'bookings:read',
        state: 'state-of-the-app',
        code_challenge: pkceChallenge(VERIFIER),
        code_challenge_method: 'S256',
      }).toString()
      const person = { email: 'ada@example.com', password: PASSWORD }
      const url = `${server.issuer}/oauth/authorize?${query}`
      const back = await approveInBrowser(server, url, person, browser)
      return keep(`code of ${client.id}`, back.searchParams.get('code') ?? undefined)
    }

    const confidential = createOAuthClient(server, web)
    const code = await authorize(web)
    const { body } = await confidential.exchange(code, { code_verifier: VERIFIER })
    keep('access token', body.access_token)
    keep('refresh token', body.refresh_token)
    await confidential.introspect(body.access_token)
    keep('second access token', (await confidential.refresh(body.refresh_token)).body.access_token)
    keep('own access token', (await confidential.credentials()).body.access_token)
    await confidential.revoke(body.access_token)

    const single = createOAuthClient(server, spa)
    const rotated = await single.exchange(await authorize(spa), { code_verifier: VERIFIER })
    keep('first refresh token', rotated.body.refresh_token)
    const next = await single.refresh(rotated.body.refresh_token)
    keep('its successor', next.body.refresh_token)
    await single.refresh(rotated.body.refresh_token)
    const last = await single.refresh(next.body.refresh_token)
    keep('the successor of that', last.body.refresh_token)
    await single.refresh(rotated.body.refresh_token)

    // Refused requests that carry secrets.
    const guess = keep('guessed secret', newClientSecret())
    await createOAuthClient(server, { ...web, secret: guess }).credentials()
    await confidential.exchange(code, { code_verifier: VERIFIER })
    await confidential.post('/oauth/token', { grant_type: body.access_token })
    await confidential.token({ grant_type: 'client_credentials', scope: body.refresh_token })
    await fetch(`${server.url}/oauth/token?access_token=${body.access_token}`, { method: 'POST' })
    await fetch(`${server.url}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${body.access_token}` },
    })
    await fetch(`${server.url}/${body.refresh_token}`)
    // `otesse_app` holds the client id of the page's app, which every authorization request names.
    for (const [name, { value }] of browser.jar)
      if (!name.startsWith('otesse_app ')) keep(`cookie ${name}`, value)
  }

  it('nothing bearer is in the log', () => {
    const log = server.log.join('')
    expect(log).toContain('token.issued')
    expect(namesIn(log)).toEqual([])
  })

  it('nothing bearer is in the database', async () => {
    const text = backend === 'redis' ? await dumpPostgres(server) : await dumpEmbedded(server)
    expect(text).toContain(web.id)
    expect(namesIn(text)).toEqual([])
  })

  if (backend === 'redis')
    it('nothing bearer is in Redis', async () => {
      const text = await dumpRedis(server)
      expect(text).toContain(web.id)
      expect(namesIn(text)).toEqual([])
    })

  /**
   * Names what was found, whole or without its prefix, so that a failing test prints no more than
   * needed.
   */
  const namesIn = (text: string): string[] =>
    [...secrets].flatMap(([name, secret]) =>
      text.includes(secret) || text.includes(secret.replace(/^otesse_.._/, '')) ? [name] : [],
    )

  it('each thing that happened is an event with its reason', async () => {
    const { events } = await server.services.stores.events.list({ limit: 500 })
    const told = events.map(({ name, reason }) =>
      reason === undefined ? name : `${name} ${reason}`,
    )
    expect(told).toEqual(
      expect.arrayContaining([
        'account.created',
        'login.succeeded',
        'consent.granted',
        'code.issued',
        'token.issued',
        'token.refreshed',
        'token.revoked client',
        'grant.revoked refresh_reuse',
        'grant.revoked code_replay',
        'request.refused refresh_token_reused',
        'request.refused code_used',
        'request.refused client_secret_wrong',
        'request.refused grant_type_unsupported',
      ]),
    )
  })

  it('an event names app, account, address and request', async () => {
    const { events } = await server.services.stores.events.list({ name: 'code.issued' })
    expect(events).toHaveLength(2)
    for (const event of events)
      expect(event).toMatchObject({
        accountId,
        appId: expect.stringMatching(/^app_/),
        grantId: expect.stringMatching(/^\w{16}$/),
        address: '127.0.0.1',
        requestId: expect.stringMatching(/^req_/),
      })
  })

  it('a refused request names the app only when it is known', async () => {
    const { events } = await server.services.stores.events.list({
      name: 'request.refused',
      limit: 500,
    })
    const wrongSecret = events.find(({ reason }) => reason === 'client_secret_wrong')
    expect(wrongSecret).toMatchObject({ appId: web.id, data: { endpoint: 'token' } })
    const noType = events.find(({ reason }) => reason === 'body_type_unsupported')
    expect(noType?.appId).toBeUndefined()
  })

  it('a grace use of a rotated token is told apart', async () => {
    const { events } = await server.services.stores.events.list({ name: 'token.refreshed' })
    expect(events.map(({ data }) => data)).toEqual(
      expect.arrayContaining([
        { rotated: false, grace: false },
        { rotated: true, grace: false },
        { rotated: false, grace: true },
      ]),
    )
  })
})

async function dumpRedis({ stores }: TestApp): Promise<string> {
  const { OTESSE_REDIS_URL: url = '', OTESSE_REDIS_PREFIX: prefix = '' } = stores.settings
  const redis = new Redis(url)
  try {
    const keys = await redis.keys(`${prefix}*`)
    const values = await Promise.all(keys.map((key) => readKey(redis, key)))
    return JSON.stringify([keys, values])
  } finally {
    redis.disconnect()
  }
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'string') return redis.get(key)
  if (type === 'zset') return redis.zrange(key, '0', '-1')
  if (type === 'hash') return redis.hgetall(key)
  if (type === 'stream') return redis.xrange(key, '-', '+')
  throw new Error(`nobody has thought of a ${type} in Redis`)
}

async function dumpPostgres({ stores }: TestApp): Promise<string> {
  const client = new Client({ connectionString: stores.settings['OTESSE_DATABASE_URL'] })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      `select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public'`,
    )
    const texts: string[] = []
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ text: string }>(`select t::text as text from ${name} t`)
      texts.push(...rows.map(({ text }) => text))
    }
    return texts.join('\n')
  } finally {
    await client.end()
  }
}

async function dumpEmbedded({ infrastructure: { db } }: TestApp): Promise<string> {
  const tables = await db.introspection.getTables()
  const texts: string[] = []
  for (const { name } of tables) {
    const rows = await db
      .selectFrom(name as 'apps')
      .selectAll()
      .execute()
    texts.push(JSON.stringify(rows))
  }
  return texts.join('\n')
}
