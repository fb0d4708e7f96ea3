// The headers of every answer: the routers are asked for their routes, and the answers that come
// from elsewhere (the fast path, errors, what has no route) are listed here.
import { createApp } from '../../src/app.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp, type TestClient } from '../support/builders.ts'
import { basicHeader } from '../support/oauth-client.ts'

const PUBLIC = 'https://auth.example.com'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Calls without following, and returns status and headers. */
async function ask(server: TestApp, method: string, path: string, init: RequestInit = {}) {
  const answer = await fetch(server.url + path, { method, redirect: 'manual', ...init })
  await answer.body?.cancel()
  return answer
}

describe.each(BACKENDS)('every answer, %s', (backend) => {
  let server: TestApp
  let machine: TestClient
  let gateway: TestClient
  beforeAll(async () => {
    server = await startTestApp({ backend, issuer: PUBLIC })
    await createScopes(server)
    machine = await registerApp(server, { type: 'machine' })
    gateway = await registerApp(server, { type: 'resource_server', name: 'API' })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  function expectHeaders(what: string, { headers }: Response): void {
    expect([
      what,
      headers.get('x-content-type-options'),
      headers.get('strict-transport-security'),
    ]).toEqual([what, 'nosniff', 'max-age=31536000'])
  }

  it('RFC 6797 §7.2: of every route says nosniff, and stay with https', async () => {
    await using app = createApp(server.infrastructure, server.services)
    const routes = app.listRoutes()
    expect(routes.length).toBeGreaterThan(60)
    for (const { method, path } of routes) {
      const body = method === 'GET' ? {} : { headers: FORM, body: 'x=1' }
      const there = path.replace(/:id\b/g, 'a'.repeat(64)).replace(/:\w+/g, 'x')
      expectHeaders(`${method} ${path}`, await ask(server, method, there, body))
    }
  })

  it('of the fast path does so, yes or no', async () => {
    const as = ({ id, secret }: TestClient) => ({ authorization: basicHeader(id, secret ?? '') })
    const form = (client: TestClient | undefined, body: string) => ({
      headers: { ...FORM, ...(client === undefined ? {} : as(client)) },
      body,
    })
    const token = await fetch(`${server.url}/oauth/token`, {
      method: 'POST',
      ...form(machine, 'grant_type=client_credentials'),
    })
    const { access_token: access = '' } = (await token.json()) as { access_token?: string }
    const proof = { 'x-otesse-gateway-authorization': as(gateway).authorization }
    const cases: [number, string, string, RequestInit][] = [
      [400, 'POST', '/oauth/token', form(machine, 'grant_type=none')],
      [401, 'POST', '/oauth/token', form(undefined, 'grant_type=client_credentials')],
      [413, 'POST', '/oauth/token', form(machine, `x=${'x'.repeat(100_000)}`)],
      [200, 'POST', '/oauth/introspect', form(gateway, `token=${access}`)],
      [200, 'POST', '/oauth/introspect', form(gateway, 'token=x')],
      [401, 'POST', '/oauth/introspect', form(undefined, `token=${access}`)],
      ...['/oauth/verify', '/oauth/verify/nginx', '/oauth/verify/envoy/-/x'].flatMap(
        (path): typeof cases => [
          [
            path.includes('envoy') ? 200 : 204,
            'GET',
            path,
            { headers: { ...proof, authorization: `Bearer ${access}` } },
          ],
          [401, 'GET', path, { headers: proof }],
          [403, 'GET', path, {}],
        ],
      ),
      [200, 'POST', '/oauth/revoke', form(machine, `token=${access}`)],
    ]
    expectHeaders('token', token)
    for (const [status, method, path, init] of cases) {
      const answer = await ask(server, method, path, init)
      expect([path, answer.status]).toEqual([path, status])
      expectHeaders(`${method} ${path} ${status}`, answer)
    }
  })

  it.each([
    ['GET', '/nothing-here'],
    ['GET', '/oauth/nothing-here'],
    ['GET', '/.well-known/nothing-here'],
    ['GET', '/assets/nothing-here.css'],
    ['GET', '/admin/api/v1/apps'],
    ['GET', '/admin/api/v1/nothing-here'],
    ['PUT', '/oauth/token'],
    ['DELETE', '/sign-in'],
    ['HEAD', '/'],
    ['OPTIONS', '/oauth/token'],
    ['OPTIONS', '/.well-known/oauth-authorization-server'],
    ['GET', '/admin/apps/%E0%A4%A'],
    ['GET', '/logos/%'],
    ['GET', '/oauth/authorize?client_id=unknown'],
    ['GET', '/oauth/events/revocations'],
  ])('that no route gave does so: %s %s', async (method, path) => {
    expectHeaders(`${method} ${path}`, await ask(server, method, path))
  })

  it('of the stream of revocations does so', async () => {
    const headers = { authorization: basicHeader(gateway.id, gateway.secret ?? '') }
    const answer = await ask(server, 'GET', '/oauth/events/revocations', { headers })
    expect(answer.status).toBe(200)
    expectHeaders('stream', answer)
  })
})

it.each([
  ['0', PUBLIC, null],
  ['3600', PUBLIC, 'max-age=3600'],
  ['3600', undefined, null],
])('OTESSE_HSTS_SECONDS=%s with the issuer %s', async (seconds, issuer, expected) => {
  await using server = await startTestApp({
    backend: 'embedded',
    ...(issuer === undefined ? {} : { issuer }),
    overrides: { OTESSE_HSTS_SECONDS: seconds },
  })
  for (const [method, path] of [
    ['GET', '/'],
    ['POST', '/oauth/token'],
  ] as const) {
    const { headers } = await ask(server, method, path)
    expect(headers.get('strict-transport-security')).toBe(expected)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  }
})
