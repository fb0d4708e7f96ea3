// Clients that guess: /authorize, /token, /revoke and /introspect answer like their /oauth/…
// addresses, which alone are in the metadata.
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, REDIRECT_URI, registerApp, type TestClient } from '../support/builders.ts'
import { send } from '../support/oauth-client.ts'

let server: TestApp
let machine: TestClient
let web: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  machine = await registerApp(server, { type: 'machine' })
  web = await registerApp(server)
})
afterAll(() => server[Symbol.asyncDispose]())

const post = (path: string, form: Record<string, string>) =>
  send(server.url + path, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: machine.id,
      client_secret: machine.secret ?? '',
      ...form,
    }),
  })

// An address in another spelling goes by way of Koa.
it.each(['', '?x=1'])('token, introspection and revocation, with %j behind', async (query) => {
  const { status, body } = await post(`/token${query}`, { grant_type: 'client_credentials' })
  expect(status).toBe(200)
  const token = body['access_token']
  const isActive = async () => (await post(`/introspect${query}`, { token })).body['active']
  expect(await isActive()).toBe(true)
  expect((await post(`/revoke${query}`, { token })).status).toBe(200)
  expect(await isActive()).toBe(false)
})

it.each(['/token?x', '/revoke?x', '/introspect?x'])('%s refuses in JSON', async (path) => {
  const { headers, body } = await post(path, {
    grant_type: 'client_credentials',
    client_secret: 'wrong',
    token: 'x',
  })
  expect(headers.get('content-type')).toMatch(/^application\/json/)
  expect(body['error']).toBe('invalid_client')
})

it.each([
  ['/token', 204],
  ['/revoke', 204],
])('a preflight to %s is answered', async (path, status) => {
  const answer = await fetch(server.url + path, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  })
  expect(answer.status).toBe(status)
  expect(answer.headers.get('access-control-allow-origin')).not.toBeNull()
})

const authorization = () =>
  new URLSearchParams({
    client_id: web.id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'xyz',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  }).toString()

it('an authorization begins at /authorize, by GET and by POST', async () => {
  const begun = await fetch(`${server.url}/authorize?${authorization()}`, { redirect: 'manual' })
  expect(begun.status).toBe(302)
  expect(begun.headers.get('location')).toMatch(/\/interaction\//)
  const byForm = await fetch(`${server.url}/authorize`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: authorization(),
  })
  expect(byForm.status).toBe(303)
  expect(byForm.headers.get('location')).toMatch(/^\/oauth\/authorize\?/)
})

it('what is wrong with an authorization is told on a page', async () => {
  const answer = await fetch(`${server.url}/authorize?client_id=unknown`, {
    redirect: 'manual',
    headers: { accept: 'text/html' },
  })
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
})
