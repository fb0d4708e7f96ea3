// Every route that the server has is bounded: the routers themselves are asked for their routes,
// and each is called from one address until it says 429. A route that somebody adds without a limit
// fails here.
import { startTestApp, type TestApp } from '../support/app.ts'
import { createApp } from '../../src/app.ts'

const SMALL = '3/60'

let server: TestApp
let routes: { method: string; path: string }[]
beforeAll(async () => {
  server = await startTestApp({
    backend: 'embedded',
    overrides: {
      OTESSE_TRUSTED_PROXIES: '127.0.0.1',
      OTESSE_CONNECTIONS: 'true',
      OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: SMALL,
      OTESSE_LIMIT_READS_PER_ADDRESS: SMALL,
      OTESSE_LIMIT_TOKEN_PER_ADDRESS: SMALL,
      OTESSE_LIMIT_INTROSPECT_PER_CLIENT: SMALL,
      OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: SMALL,
    },
  })
  await using app = createApp(server.infrastructure, server.services)
  routes = app.listRoutes()
})
afterAll(() => server[Symbol.asyncDispose]())

/** Calls a route from one address; parameters get a value that a route could look up. */
async function call(method: string, path: string, address: string): Promise<number> {
  const url = server.url + path.replace(/:id\b/g, 'a'.repeat(64)).replace(/:\w+/g, 'x')
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      'x-forwarded-for': address,
      ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    },
    ...(method === 'POST' ? { body: 'x=1' } : {}),
  })
  await answer.body?.cancel()
  return answer.status
}

it('answers 429 on every route once an address has used its requests up', async () => {
  expect(routes.length).toBeGreaterThan(60)
  const unbounded: string[] = []
  for (const [at, { method, path }] of routes.entries()) {
    // Neither address nor network has been seen before.
    const address = `10.${at >> 8}.${at & 255}.7`
    const statuses: number[] = []
    for (let count = 0; count < 5; count += 1) statuses.push(await call(method, path, address))
    if (statuses[0] === 429 || statuses.at(-1) !== 429)
      unbounded.push(`${method} ${path}: ${statuses.join(' ')}`)
  }
  expect(unbounded).toEqual([])
})

it.each([
  ['GET', '/oauth/verify'],
  ['POST', '/oauth/token'],
  ['POST', '/oauth/revoke'],
  ['POST', '/oauth/introspect'],
  ['GET', '/admin/api/v1/apps'],
])('and on what goes past the routers: %s %s', async (method, path) => {
  const address = `10.200.${path.length}.${method.length}`
  for (let count = 0; count < 3; count += 1) expect(await call(method, path, address)).not.toBe(429)
  expect(await call(method, path, address)).toBe(429)
})

it('the description of the admin API is bounded', async () => {
  await using small = await startTestApp({
    backend: 'embedded',
    overrides: { OTESSE_LIMIT_ADMIN_PER_CLIENT: SMALL },
  })
  const ask = async () => (await fetch(`${small.url}/admin/api/v1/openapi.json`)).status
  for (let count = 0; count < 3; count += 1) expect(await ask()).toBe(200)
  expect(await ask()).toBe(429)
})
