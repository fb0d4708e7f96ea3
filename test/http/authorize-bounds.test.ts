// How much a stranger can leave behind: bounded parameters, short-lived sign-ins, and fewer of them
// where memory runs out.
import type { Redis } from 'ioredis'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, REDIRECT_URI, registerApp, type TestClient } from '../support/builders.ts'

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

let server: TestApp
let web: TestClient
beforeAll(async () => {
  server = await startTestApp({
    backend: 'redis',
    overrides: {
      OTESSE_TRUSTED_PROXIES: '127.0.0.1',
      OTESSE_LIMIT_AUTHORIZE_EVERYWHERE: '400/60',
      OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '20/60',
      OTESSE_LIMIT_AUTHORIZE_PER_NETWORK: '60/60',
    },
  })
  await createScopes(server)
  web = await registerApp(server)
})
afterAll(() => server[Symbol.asyncDispose]())

let lastSubscriber = 0
const anybody = (): string => `2001:db8:${(lastSubscriber += 1).toString(16)}::1`

function authorize(
  app: Pick<TestApp, 'url'>,
  client: TestClient,
  params: Record<string, string>,
  address = anybody(),
) {
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'xyz',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...params,
  })
  return fetch(`${app.url}/oauth/authorize?${query.toString()}`, {
    redirect: 'manual',
    headers: { 'x-forwarded-for': address },
  })
}

const redis = (): Redis => server.infrastructure.redis as Redis
const interactions = async (): Promise<string[]> => {
  const prefix = server.stores.settings['OTESSE_REDIS_PREFIX'] ?? ''
  return redis().keys(`${prefix}i:*`)
}

describe.each(BACKENDS)('a parameter of an authorization request (%s)', (backend) => {
  let app: TestApp
  let client: TestClient
  beforeAll(async () => {
    app = backend === 'redis' ? server : await startTestApp({ backend })
    if (app !== server) await createScopes(app)
    client = app === server ? web : await registerApp(app)
  })
  afterAll(async () => {
    if (app !== server) await app[Symbol.asyncDispose]()
  })

  it.each([
    ['state', 2048],
    ['nonce', 512],
    ['login_hint', 320],
    ['scope', 4096],
    ['redirect_uri', 2000],
    ['ui_locales', 200],
    ['acr_values', 500],
    ['claims', 2000],
    ['code_challenge', 128],
    ['client_id', 100],
    ['prompt', 100],
    ['max_age', 20],
    ['something_else', 1024],
  ])('%s may have %i bytes, and the page says so', async (name, most) => {
    const answer = await authorize(app, client, { [name]: 'x'.repeat(most + 1) })
    const html = await answer.text()
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
    expect(html).toContain(name)
    expect(html).toContain(`${most} bytes`)
  })

  it('counts bytes and not characters', async () => {
    const answer = await authorize(app, client, { state: 'é'.repeat(1025) })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('2048 bytes')
  })

  it('comes with others that are bounded together', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, at) => [`p${at}`, 'x'.repeat(600)] as const),
    )
    const answer = await authorize(app, client, many)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('6144 bytes')
  })

  it('may be as long as honest ones are', async () => {
    const state = 's'.repeat(2048)
    const answer = await authorize(app, client, { state, prompt: 'none', nonce: 'n'.repeat(512) })
    expect(answer.status).toBe(302)
    const to = new URL(answer.headers.get('location') ?? '')
    expect(to.searchParams.get('error')).toBe('login_required')
    expect(to.searchParams.get('state')).toBe(state)
  })
})

it('a request that is too long leaves nothing in Redis', async () => {
  const before = await redis().dbsize()
  for (let at = 0; at < 10; at += 1)
    await authorize(server, web, { state: 's'.repeat(13_500) }, '203.0.113.1')
  await authorize(server, web, { claims: '{'.repeat(3000) }, '203.0.113.1')
  const prefix = server.stores.settings['OTESSE_REDIS_PREFIX'] ?? ''
  const left = (await redis().keys(`${prefix}*`)).filter((key) => !key.includes('limit:'))
  expect(left.filter((key) => key.startsWith(`${prefix}i:`))).toEqual([])
  expect(before).toBeGreaterThanOrEqual(0)
})

it('a sign-in that nobody has signed in on is kept for ten minutes, and is small', async () => {
  const before = new Set(await interactions())
  const answer = await authorize(server, web, { ui_locales: 'de en', acr_values: 'x', foo: 'bar' })
  expect(answer.status).toBe(302)
  const [key = ''] = (await interactions()).filter((each) => !before.has(each))
  const life = await redis().pttl(key)
  expect(life).toBeGreaterThan(500_000)
  expect(life).toBeLessThanOrEqual(600_000)
  const stored = (await redis().get(key)) ?? ''
  expect(stored.length).toBeLessThan(900)
  expect(stored).not.toMatch(/ui_locales|acr_values|foo/)
})

describe('sign-ins that strangers begin', () => {
  it('are counted for a network, of which one stranger may have each address', async () => {
    const statuses: number[] = []
    for (let at = 0; at < 65; at += 1)
      statuses.push((await authorize(server, web, {}, `2001:db9:1:${at.toString(16)}::1`)).status)
    expect(statuses.filter((status) => status === 302)).toHaveLength(60)
    expect(statuses.slice(60)).toEqual(Array(5).fill(429))
    expect((await authorize(server, web, {}, '2001:db9:2::1')).status).toBe(302)
  })

  it('are counted for an IPv4 network as well', async () => {
    const statuses: number[] = []
    for (let at = 0; at < 65; at += 1)
      statuses.push((await authorize(server, web, {}, `198.51.100.${at}`)).status)
    expect(statuses.slice(60)).toEqual(Array(5).fill(429))
  })

  it('are bounded together, from wherever they come; what is open is not touched', async () => {
    await using full = await startTestApp({
      backend: 'redis',
      overrides: {
        OTESSE_TRUSTED_PROXIES: '127.0.0.1',
        OTESSE_LIMIT_AUTHORIZE_EVERYWHERE: '25/60',
      },
    })
    await createScopes(full)
    const client = await registerApp(full)
    const answers = await Promise.all(Array.from({ length: 40 }, () => authorize(full, client, {})))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 302)).toHaveLength(25)
    expect(statuses.filter((status) => status === 503)).toHaveLength(15)
    const refused = answers.find(({ status }) => status === 503)
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
