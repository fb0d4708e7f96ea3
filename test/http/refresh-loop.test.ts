// The loop that the contract asks of apps (examples/clients/refresh-on-401.ts): thirty workers of
// one app call a real API while their access token expires or is revoked. No worker meets an error,
// the authorization stays, and there are few refreshes.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'openid-client'
import {
  AuthorizationLost,
  createApiClient,
  type Tokens,
  type TokenStore,
} from '../../examples/clients/refresh-on-401.ts'
import { createBookingsApi } from '../../examples/demo/bookings-api.ts'
import { createBookings } from '../../examples/demo/bookings.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp, type TestClient } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const WORKERS = 30
const HOUR_MILLIS = 3_600_000
const ROUNDS = 4

let server: TestApp
let apiUrl: string
const stack = new AsyncDisposableStack()
/**
 * Answers of 401 wait here until this many have come, so that all workers refresh at the same
 * moment.
 */
let gather: { count: number; waiting: (() => void)[] } | undefined

beforeAll(async () => {
  server = stack.use(
    await startTestApp({
      backend: 'redis',
      overrides: { OTESSE_LIMIT_TOKEN_PER_CLIENT: '0', OTESSE_LIMIT_TOKEN_PER_ADDRESS: '0' },
    }),
  )
  await createScopes(server)
  apiUrl = await startApi()
})
afterAll(() => stack.disposeAsync())

/** The demo's API, behind the gathering place. */
async function startApi(): Promise<string> {
  const { id, secret } = await registerApp(server, { type: 'resource_server' })
  const configuration = await oauth.discovery(
    new URL(server.issuer),
    id,
    undefined,
    oauth.ClientSecretPost(secret ?? ''),
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- named so to be noticed; tests speak to 127.0.0.1 without TLS
    { execute: [oauth.allowInsecureRequests] },
  )
  const api = createBookingsApi({ server: configuration, bookings: createBookings(server.clock) })
  const gathering: RequestListener = (request, response) => {
    const end = response.end.bind(response)
    response.end = ((...rest: Parameters<typeof end>) => {
      if (gather === undefined || response.statusCode !== 401) return end(...rest)
      gather.waiting.push(() => end(...rest))
      if (gather.waiting.length === gather.count) {
        const { waiting } = gather
        gather = undefined
        for (const release of waiting) release()
      }
      return response
    }) as typeof response.end
    api(request, response)
  }
  const http = createServer(gathering)
  await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve))
  stack.defer(
    () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1/bookings`
}

/** The row of the app's database. */
function createStore(first: Tokens): TokenStore & { current: () => Tokens } {
  let row = first
  return {
    current: () => row,
    read: () => Promise.resolve(row),
    replace: (old, next) => {
      if (row.accessToken === old.accessToken) row = next
      return Promise.resolve()
    },
  }
}

async function startWorkers(client: TestClient, processes: number) {
  const app: OAuthClient = createOAuthClient(server, client)
  const { access, refresh, grantId } = await app.authorize()
  const store = createStore({ accessToken: access, refreshToken: refresh })
  const clients = Array.from({ length: processes }, () =>
    createApiClient({
      tokenUrl: `${server.url}/oauth/token`,
      clientId: client.id,
      clientSecret: client.secret,
      store,
    }),
  )
  const workers = Array.from({ length: WORKERS }, (_, index) => clients[index % processes]!)
  return { app, store, grantId, call: () => Promise.all(workers.map((one) => one.call(apiUrl))) }
}

async function eventsOf(app: OAuthClient, grantId: string) {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({ appId: app.client.id, limit: 500 })
  const named = (name: string) =>
    events.filter((event) => event.name === name && event.grantId === grantId)
  return { refreshed: named('token.refreshed'), ended: named('grant.revoked') }
}

const ends = {
  expires: () => {
    server.clock.move(HOUR_MILLIS + 1000)
    return Promise.resolve()
  },
  'is revoked': async (app: OAuthClient, { accessToken }: Tokens) => {
    expect(await app.revoke(accessToken)).toMatchObject({ status: 200 })
  },
}

describe.each([
  { type: 'web', what: 'a confidential app, whose refresh token stays' },
  { type: 'public', what: 'a public app, whose refresh token is replaced' },
] as const)('$what', ({ type }) => {
  describe.each(Object.entries(ends))('while the access token %s', (_, endAccess) => {
    it('one process refreshes once for all its workers', async () => {
      const { app, store, grantId, call } = await startWorkers(
        await registerApp(server, { type }),
        1,
      )
      for (let round = 0; round < ROUNDS; round += 1) {
        await endAccess(app, store.current())
        gather = { count: WORKERS, waiting: [] }
        const answers = await call()
        expect(answers.map(({ status }) => status)).toEqual(Array(WORKERS).fill(200))
      }
      const { refreshed, ended } = await eventsOf(app, grantId)
      expect(refreshed).toHaveLength(ROUNDS)
      expect(ended).toEqual([])
      expect(await app.isActive(store.current().refreshToken)).toBe(true)
    })

    it('many processes may refresh the same token at once', async () => {
      const { app, store, grantId, call } = await startWorkers(
        await registerApp(server, { type }),
        WORKERS,
      )
      for (let round = 0; round < ROUNDS; round += 1) {
        await endAccess(app, store.current())
        gather = { count: WORKERS, waiting: [] }
        const answers = await call()
        expect(answers.map(({ status }) => status)).toEqual(Array(WORKERS).fill(200))
      }
      const { refreshed, ended } = await eventsOf(app, grantId)
      // No worker refreshes twice for one 401. As all were gathered, many refreshed at the same
      // moment.
      expect(refreshed.length).toBeLessThanOrEqual(ROUNDS * WORKERS)
      expect(refreshed.length).toBeGreaterThan(ROUNDS)
      // One successor for each token, however many asked.
      const rotations = refreshed.filter(
        ({ data }) => data?.['rotated'] === true && data['grace'] !== true,
      )
      expect(rotations).toHaveLength(type === 'public' ? ROUNDS : 0)
      expect(ended).toEqual([])
      expect(await app.isActive(store.current().refreshToken)).toBe(true)
      // The family goes on after all that.
      expect(await app.refresh(store.current().refreshToken)).toMatchObject({ status: 200 })
    })
  })
})

it('workers call on while the token ends again and again', async () => {
  const { app, store, grantId, call } = await startWorkers(
    await registerApp(server, { type: 'public' }),
    3,
  )
  let calls = 0
  const ended = new AbortController()
  const work = (async () => {
    while (!ended.signal.aborted) {
      const answers = await call()
      expect(answers.map(({ status }) => status)).toEqual(Array(WORKERS).fill(200))
      calls += WORKERS
    }
  })()
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await ends['is revoked'](app, store.current())
      const before = calls
      while (calls < before + 2 * WORKERS)
        await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 5))])
    }
  } finally {
    ended.abort()
  }
  await work
  const { refreshed, ended: revoked } = await eventsOf(app, grantId)
  expect(refreshed.length).toBeGreaterThanOrEqual(ROUNDS)
  expect(refreshed.length).toBeLessThanOrEqual(ROUNDS * WORKERS)
  expect(revoked).toEqual([])
})

it('an authorization that is over is told as such to every worker', async () => {
  const { app, store, call } = await startWorkers(await registerApp(server), 1)
  await app.revoke(store.current().refreshToken)
  await expect(call()).rejects.toThrow(AuthorizationLost)
})
