// Limits of the back channel and of the authorization endpoint: 429 `rate_limited` with
// Retry-After, and whose requests count against whom.
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, REDIRECT_URI, registerApp } from '../support/builders.ts'
import {
  type Answer,
  basicHeader,
  createOAuthClient,
  type Manner,
  type OAuthClient,
} from '../support/oauth-client.ts'

let server: TestApp
beforeAll(async () => {
  server = await startTestApp({
    backend: 'embedded',
    overrides: {
      OTESSE_LIMIT_TOKEN_PER_CLIENT: '5/60',
      OTESSE_LIMIT_TOKEN_PER_ADDRESS: '12/60',
      OTESSE_LIMIT_INTROSPECT_PER_CLIENT: '5/60',
      OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '5/60',
      OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '8/60',
      OTESSE_LIMIT_FAILED_PROOFS_PER_CLIENT: '40/60',
      OTESSE_TRUSTED_PROXIES: '127.0.0.1',
    },
  })
  await createScopes(server)
})
afterAll(() => server[Symbol.asyncDispose]())

let lastAddress = 0
/**
 * Requests of one test come from an address and a network of its own, as a trusted proxy tells it.
 */
const from = (address = `10.${++lastAddress >> 8}.${lastAddress & 255}.7`): Manner => ({
  headers: { 'x-forwarded-for': address },
})

const newMachine = async (): Promise<OAuthClient> =>
  createOAuthClient(server, await registerApp(server, { type: 'machine' }))

async function statuses(count: number, request: () => Promise<Answer>): Promise<number[]> {
  const seen: number[] = []
  for (let done = 0; done < count; done += 1) seen.push((await request()).status)
  return seen
}

describe('the token endpoint', () => {
  it('answers 429 as documented once an app has used up its requests, and again after the window', async () => {
    const machine = await newMachine()
    expect(await statuses(5, () => machine.credentials({}, from()))).toEqual([
      200, 200, 200, 200, 200,
    ])
    const { status, headers, body } = await machine.credentials({}, from())
    expect({ status, error: body.error }).toEqual({ status: 429, error: 'rate_limited' })
    const wait = Number(headers.get('retry-after'))
    expect(headers.get('ratelimit-remaining')).toBe('0')
    expect(Number(headers.get('ratelimit-reset'))).toBe(wait)
    expect(wait).toBeGreaterThan(50)
    expect(wait).toBeLessThanOrEqual(60)
    server.clock.move(wait * 1000)
    expect(await machine.credentials({}, from())).toMatchObject({ status: 200 })
  })

  it('counts an app apart from all others', async () => {
    const [greedy, modest] = [await newMachine(), await newMachine()]
    await statuses(6, () => greedy.credentials({}, from()))
    expect(await modest.credentials({}, from())).toMatchObject({ status: 200 })
  })

  it('shares the budget of an app with revocation', async () => {
    const machine = await newMachine()
    expect(await statuses(6, () => machine.revoke('x', {}, from()))).toEqual([
      200, 200, 200, 200, 200, 429,
    ])
    expect(await machine.credentials({}, from())).toMatchObject({ status: 429 })
  })

  it('lets nobody use up the budget of an app without its secret', async () => {
    const machine = await newMachine()
    const stranger = createOAuthClient(server, { ...machine.client, secret: 'guess' })
    expect(await statuses(20, () => stranger.credentials({}, from()))).toEqual(Array(20).fill(401))
    expect(await machine.credentials({}, from())).toMatchObject({ status: 200 })
  })

  it('counts a public app for each address apart, because anybody can name it', async () => {
    const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
    const stranger = from()
    expect(await statuses(6, () => spa.refresh('x', {}, stranger))).toEqual([
      400, 400, 400, 400, 400, 429,
    ])
    expect(await spa.refresh('x', {}, from())).toMatchObject({ status: 400 })
  })

  it('bounds what one address may try, whatever it sends', async () => {
    const machines = await Promise.all([newMachine(), newMachine(), newMachine(), newMachine()])
    const address = from()
    const seen = await statuses(13, () =>
      machines[Math.floor(Math.random() * 4)]!.credentials({ grant_type: 'nonsense' }, address),
    )
    expect(seen).toEqual([...Array<number>(12).fill(400), 429])
    expect(await machines[0].credentials({}, from())).toMatchObject({ status: 200 })
  })

  it('counts wrong secrets by themselves: the honest app beside them at one address goes on', async () => {
    const machine = await newMachine()
    const stranger = createOAuthClient(server, { ...machine.client, secret: 'guess' })
    const address = from()
    const seen = await statuses(20, () => stranger.credentials({}, address))
    expect(seen).toEqual([...Array<number>(8).fill(401), ...Array<number>(12).fill(429)])
    expect((await stranger.credentials({}, address)).headers.get('retry-after')).toMatch(/^[1-9]/)
    expect(await statuses(5, () => machine.credentials({}, address))).toEqual(Array(5).fill(200))
  })

  it('counts wrong secrets of one client from all addresses together, and hears the right one', async () => {
    const machine = await newMachine()
    const stranger = createOAuthClient(server, { ...machine.client, secret: 'guess' })
    const seen = await statuses(45, () => stranger.credentials({}, from()))
    expect(seen).toEqual([...Array<number>(40).fill(401), ...Array<number>(5).fill(429)])
    expect(await machine.credentials({}, from())).toMatchObject({ status: 200 })
  })

  it('counts what is asked with invented client ids, and looks no more of them up than that', async () => {
    const machine = await newMachine()
    const address = from()
    let number = 10_000
    const seen = await statuses(90, () =>
      createOAuthClient(server, {
        ...machine.client,
        id: `app_inventedByNobody${(number += 1)}`.slice(0, 24),
      }).credentials({}, address),
    )
    expect(seen.slice(0, 8)).toEqual(Array(8).fill(401))
    expect(new Set(seen.slice(8))).toEqual(new Set([429]))
  })

  it('counts an IPv6 network of one subscriber as one address', async () => {
    const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
    let host = 0
    const seen = await statuses(13, () =>
      spa.refresh('x', { client_id: 'app_none' }, from(`2001:db8::${(host += 1)}`)),
    )
    expect(seen.at(-1)).toBe(429)
  })
})

describe('a secret that is wrong', () => {
  const asks: [string, (client: OAuthClient, manner: Manner) => Promise<{ status: number }>][] = [
    ['at introspection', (client, manner) => client.introspect('x', manner)],
    ['at revocation', (client, manner) => client.revoke('x', {}, manner)],
    [
      'at verify',
      ({ client }, manner) =>
        fetch(`${server.url}/oauth/verify`, {
          headers: {
            ...manner.headers,
            authorization: 'Bearer x',
            'x-otesse-gateway-authorization': basicHeader(client.id, client.secret ?? ''),
          },
        }),
    ],
    [
      'at the stream of revocations',
      ({ client }, manner) =>
        fetch(`${server.url}/oauth/events/revocations`, {
          headers: {
            ...manner.headers,
            authorization: basicHeader(client.id, client.secret ?? ''),
          },
        }),
    ],
  ]
  it.each(asks)('%s has a small budget of its own', async (_where, ask) => {
    const api = createOAuthClient(server, await registerApp(server, { type: 'resource_server' }))
    const stranger = createOAuthClient(server, { ...api.client, secret: 'guess' })
    const address = from()
    const seen: number[] = []
    for (let at = 0; at < 12; at += 1) seen.push((await ask(stranger, address)).status)
    expect(new Set(seen.slice(0, 8))).not.toContain(429)
    expect(seen.slice(8)).toEqual(Array(4).fill(429))
    expect(await api.introspect('x', address)).toMatchObject({ status: 200 })
  })

  it('and a token that is worth nothing have one budget, at the admin API too', async () => {
    const address = from()
    const seen: number[] = []
    for (let at = 0; at < 12; at += 1)
      seen.push(
        (
          await fetch(`${server.url}/admin/api/v1/apps`, {
            headers: { ...address.headers, authorization: 'Bearer nothing' },
          })
        ).status,
      )
    expect(seen.slice(0, 8)).toEqual(Array(8).fill(401))
    expect(seen.slice(8)).toEqual(Array(4).fill(429))
  })

  it('has a budget of the network too', async () => {
    const machine = await newMachine()
    const stranger = createOAuthClient(server, {
      ...machine.client,
      id: machine.client.id.slice(0, -1),
    })
    let subnet = 0
    const seen = await statuses(85, () =>
      stranger.credentials({}, from(`2001:db8:77:${(subnet += 1).toString(16)}::1`)),
    )
    expect(seen.slice(0, 80)).toEqual(Array(80).fill(401))
    expect(seen.slice(80)).toEqual(Array(5).fill(429))
    expect(await machine.credentials({}, from('2001:db8:77:1::1'))).toMatchObject({ status: 200 })
  })
})

it('a web page can read that there were too many requests', async () => {
  const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  const { headers } = from()
  const manner = { headers: { ...headers, origin: new URL(REDIRECT_URI).origin } }
  const foreign = { headers: { ...headers, origin: 'https://elsewhere.example' } }
  const seen = await statuses(6, () => spa.refresh('x', {}, manner))
  expect(seen.at(-1)).toBe(429)
  const limited = await spa.refresh('x', {}, manner)
  expect(limited.headers.get('access-control-allow-origin')).toBe(new URL(REDIRECT_URI).origin)
  expect(limited.headers.get('access-control-expose-headers')).toContain('Retry-After')
  await statuses(9, () => spa.refresh('x', { client_id: 'app_none' }, foreign))
  const unknown = await spa.refresh('x', { client_id: 'app_none' }, foreign)
  expect(unknown.status).toBe(429)
  expect(unknown.headers.get('access-control-allow-origin')).toBe('*')
})

it('introspection is limited for each client', async () => {
  const api = createOAuthClient(server, await registerApp(server, { type: 'resource_server' }))
  expect(await statuses(6, () => api.introspect('x', from()))).toEqual([
    200, 200, 200, 200, 200, 429,
  ])
})

it('the authorization endpoint is limited for each address, with a page', async () => {
  const { id } = (await newMachine()).client
  const query = new URLSearchParams({ client_id: id, redirect_uri: REDIRECT_URI }).toString()
  const ask = () =>
    fetch(`${server.url}/oauth/authorize?${query}`, { redirect: 'manual', ...from('198.51.100.7') })
  for (let done = 0; done < 5; done += 1) expect((await ask()).status).toBe(400)
  const refused = await ask()
  expect(refused.status).toBe(429)
  expect(refused.headers.get('content-type')).toMatch(/^text\/html/)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

it('what a client writes into X-Forwarded-For itself is not believed', async () => {
  await using plain = await startTestApp({
    backend: 'embedded',
    overrides: { OTESSE_LIMIT_TOKEN_PER_ADDRESS: '3/60' },
  })
  await createScopes(plain)
  const machine = createOAuthClient(plain, await registerApp(plain, { type: 'machine' }))
  expect(await statuses(4, () => machine.credentials({}, from()))).toEqual([200, 200, 200, 429])
})
