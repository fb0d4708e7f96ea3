// Calls through /connect/v1/proxy against a provider's API that does as it likes.
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Secret } from '../../src/shared/secret.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser } from '../support/browser-flow.ts'
import { createAccount, PASSWORD, registerApp } from '../support/builders.ts'
import { connectTo, type TestConnection } from '../support/connected-company.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const TOKEN = 'provider-token-1/with+signs'
const FRESH = 'provider-token-2/with+signs'

interface Seen {
  method: string | undefined
  url: string | undefined
  headers: IncomingMessage['headers']
  body: string
}

/** An API that notes what it was asked, and answers as the test wants. */
async function openApi() {
  const seen: Seen[] = []
  let respond: RequestListener = (_request, answer) => answer.end('{}')
  const server = createServer((request, answer) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method, url, headers } = request
      if (url === '/token') {
        answer.setHeader('content-type', 'application/json')
        answer.end(JSON.stringify({ access_token: FRESH, token_type: 'Bearer', expires_in: 3600 }))
        return
      }
      seen.push({ method, url, headers, body: Buffer.concat(parts).toString() })
      respond(request, answer)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    seen,
    origin: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    answer: (listener: (request: IncomingMessage, answer: ServerResponse) => unknown) =>
      void (respond = listener),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

let server: TestApp
let api: Awaited<ReturnType<typeof openApi>>
let connection: TestConnection
beforeAll(async () => {
  api = await openApi()
  server = await startTestApp({
    backend: 'embedded',
    overrides: { OTESSE_CONNECTIONS: 'true', OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.1' },
  })
  connection = await connectTo(server, {
    origin: api.origin,
    baseUrl: `${api.origin}/v1`,
    accessToken: TOKEN,
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await api[Symbol.asyncDispose]()
})
beforeEach(() => {
  api.seen.length = 0
  api.answer((_request, answer) => answer.end('{}'))
})

function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${connection.callerToken}`)
  return fetch(`${server.url}/connect/v1/proxy/${connection.id}${path}`, {
    redirect: 'manual',
    ...init,
    headers,
  })
}

const errorOf = async (answer: Response) => ({
  status: answer.status,
  error: ((await answer.json()) as { error: string }).error,
  upstream: answer.headers.get('x-otesse-upstream'),
})

test('a call goes to the provider with the credential, and the answer comes back', async () => {
  api.answer((_request, answer) =>
    answer.writeHead(201, { 'content-type': 'text/x', 'x-rate': '7', etag: '"1"' }).end('made'),
  )
  const answer = await call('/chat.postMessage?as=me&x=%20', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-own': 'yes' },
    body: '{"text":"hello"}',
  })
  expect(api.seen).toMatchObject([
    { method: 'POST', url: '/v1/chat.postMessage?as=me&x=%20', body: '{"text":"hello"}' },
  ])
  expect(api.seen[0]?.headers).toMatchObject({
    authorization: `Bearer ${TOKEN}`,
    'x-own': 'yes',
    'content-type': 'application/json',
    'content-length': '16',
    host: api.host,
  })
  expect(answer.status).toBe(201)
  expect(await answer.text()).toBe('made')
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/x',
    'x-rate': '7',
    etag: '"1"',
    'x-otesse-upstream': '201',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  })
})

test('nothing by which the caller is known reaches the provider', async () => {
  const dropped = {
    cookie: 'session=ours',
    'proxy-authorization': 'Basic eA==',
    forwarded: 'for=192.0.2.7',
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-host': 'evil.example',
    x_forwarded_host: 'evil.example',
    'x-real-ip': '192.0.2.7',
    'x-otesse-anything': '1',
    'x-http-method-override': 'DELETE',
    'x-original-url': '/admin',
    te: 'trailers',
  }
  await call('/x', { headers: dropped })
  const { headers = {} } = api.seen[0] ?? {}
  expect(Object.keys(dropped).filter((name) => name in headers)).toEqual([])
  expect(JSON.stringify(headers)).not.toContain(connection.callerToken)
})

test('nothing that speaks of the provider’s own address comes back, nor what its Connection header names (RFC 9110 §7.6.1)', async () => {
  const dropped = {
    'set-cookie': 'a=1',
    'strict-transport-security': 'max-age=1',
    'access-control-allow-origin': '*',
    'clear-site-data': '"*"',
    refresh: '0; url=https://evil.example/',
    'alt-svc': 'h3=":443"',
    'x-private': '1',
  }
  api.answer((_request, answer) =>
    answer
      .writeHead(200, { ...dropped, connection: 'close, x-private', 'x-otesse-upstream': '500' })
      .end('<script>'),
  )
  const answer = await call('/x')
  expect(Object.keys(dropped).filter((name) => answer.headers.has(name))).toEqual([])
  expect(answer.headers.get('x-otesse-upstream')).toBe('200')
})

describe('the credential never comes back', () => {
  test.each([
    ['as it is', TOKEN],
    ['percent-encoded', encodeURIComponent(TOKEN)],
    ['in base64', Buffer.from(TOKEN).toString('base64')],
  ])('from an API that repeats it %s', async (_how, form) => {
    api.answer((_request, answer) =>
      answer.writeHead(200, { 'x-echo': form }).end(`you sent ${form}`),
    )
    const answer = await call('/echo')
    expect(answer.headers.get('x-echo')).toBe('*'.repeat(form.length))
    expect(await answer.text()).toBe(`you sent ${'*'.repeat(form.length)}`)
  })

  test('from an API that compresses although it was asked not to', async () => {
    api.answer((_request, answer) =>
      answer.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(`you sent ${TOKEN}`)),
    )
    const answer = await call('/echo')
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(await answer.text()).toBe(`you sent ${'*'.repeat(TOKEN.length)}`)
    expect(api.seen[0]?.headers['accept-encoding']).toBe('identity')
  })

  test('in an encoding that cannot be looked into', async () => {
    api.answer((_request, answer) =>
      answer.writeHead(200, { 'content-encoding': 'aes128gcm' }).end('x'),
    )
    expect(await errorOf(await call('/echo'))).toEqual({
      status: 502,
      error: 'provider_answer_refused',
      upstream: null,
    })
  })
})

describe('the path', () => {
  /** As it is written: fetch would tidy it. */
  async function raw(path: string, headers = ''): Promise<string> {
    const socket = connectTcp(Number(new URL(server.url).port), '127.0.0.1')
    socket.end(
      `GET /connect/v1/proxy/${connection.id}${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
        `Authorization: Bearer ${connection.callerToken}\r\n${headers}\r\n`,
    )
    let text = ''
    socket.on('data', (part: Buffer) => (text += part.toString()))
    await once(socket, 'close')
    return text
  }

  test.each([
    ...['/../admin', '/a/../../x', '/%2e%2e/x', '/..%2fx', '/%252e%252e/x', '/..;/x', '/./x'],
    ...['//evil.example/', '/a//b', '/%2f%2fevil.example', '/\\evil.example', '/a%5cb'],
    ...['/a%00', '/a%0d%0aX:%20y', '/%c0%ae%c0%ae/x', '/%zz', '@evil.example/', '/a#b'],
  ])('%s does not get to the provider', async (path) => {
    expect(await raw(path)).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(api.seen).toEqual([])
  })

  test('an address of this server in the request line is no way around', async () => {
    const socket = connectTcp(Number(new URL(server.url).port), '127.0.0.1')
    socket.end(
      `GET ${server.url}/connect/v1/proxy/${connection.id}/../x HTTP/1.1\r\nHost: x\r\n` +
        `Connection: close\r\nAuthorization: Bearer ${connection.callerToken}\r\n\r\n`,
    )
    await once(socket.resume(), 'close')
    expect(api.seen).toEqual([])
  })

  test.each([
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 4\r\n'],
    ['a length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'],
    ['chunks in disguise', 'Transfer-Encoding: xchunked\r\n'],
    ['a header that is folded', 'X-A: 1\r\n X-B: 2\r\n'],
  ])('%s cannot smuggle a second request', async (_what, headers) => {
    expect(await raw('/x', headers)).toMatch(/^HTTP\/1\.1 400 /)
    expect(api.seen).toEqual([])
  })

  test('names that have an escaped slash, and an @, are good', async () => {
    await call('/projects/group%2Fproject/users/@me')
    expect(api.seen[0]?.url).toBe('/v1/projects/group%2Fproject/users/@me')
  })
})

test('methods that the integration does not have are refused', async () => {
  expect(await errorOf(await call('/x', { method: 'DELETE' }))).toMatchObject({ status: 403 })
  expect((await call('/x', { method: 'OPTIONS' })).status).toBe(405)
  expect(api.seen).toEqual([])
})

test('a host that the integration does not have is refused', async () => {
  for (const host of ['evil.example', '127.0.0.1', `${api.host}.evil.example`])
    expect(await errorOf(await call('/x', { headers: { 'x-otesse-host': host } }))).toMatchObject({
      status: 403,
    })
  await call('/x', { headers: { 'x-otesse-host': api.host } })
  expect(api.seen).toHaveLength(1)
})

describe('401', () => {
  const refuseFirst = (request: IncomingMessage, answer: ServerResponse) =>
    request.headers.authorization === `Bearer ${TOKEN}`
      ? answer.writeHead(401).end('old')
      : answer.writeHead(200).end('fresh')

  test('is asked again, once, with a fresh token', async () => {
    api.answer(refuseFirst)
    const answer = await call('/x', { method: 'POST', body: 'again' })
    expect(await answer.text()).toBe('fresh')
    expect(api.seen.map(({ body, headers }) => [body, headers.authorization])).toEqual([
      ['again', `Bearer ${TOKEN}`],
      ['again', `Bearer ${FRESH}`],
    ])
  })

  test('twice is the answer', async () => {
    api.answer((request, answer) =>
      answer.writeHead(401).end(`no ${request.headers.authorization ?? ''}`),
    )
    const answer = await call('/x')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('x-otesse-upstream')).toBe('401')
    expect(await answer.text()).toMatch(/^no (Bearer )?\*+$/)
    expect(api.seen.length).toBeLessThanOrEqual(2)
  })
})

describe('a body', () => {
  test('in chunks passes as it comes', async () => {
    const body = new ReadableStream({
      start(control) {
        control.enqueue(new TextEncoder().encode('one '))
        control.enqueue(new TextEncoder().encode('two'))
        control.close()
      },
    })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    expect((await call('/x', init)).status).toBe(200)
    expect(api.seen[0]).toMatchObject({
      body: 'one two',
      headers: { 'transfer-encoding': 'chunked' },
    })
  })

  test('of 11 MiB is refused, with and without a length', async () => {
    const bytes = new Uint8Array(11 * 1024 * 1024)
    expect(await errorOf(await call('/x', { method: 'POST', body: bytes }))).toMatchObject({
      status: 413,
    })
    const stream = new Blob([bytes]).stream()
    const init = { method: 'POST', body: stream, duplex: 'half' } as RequestInit
    const outcome = await call('/x', init).then(
      ({ status }) => status,
      () => 'cut off',
    )
    expect([413, 'cut off']).toContain(outcome)
    expect(api.seen).toEqual([])
  })

  test('of an answer comes part by part', async () => {
    api.answer((_request, answer) => {
      answer.write('one')
      answer.on('drain', () => undefined)
    })
    const answer = await call('/events')
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('one')
    await reader.cancel()
  })

  test('that breaks off on its way never looks whole', async () => {
    api.answer((_request, answer) => {
      answer.write('half')
      setImmediate(() => answer.destroy())
    })
    const answer = await call('/x')
    await expect(answer.text()).rejects.toThrow()
  })
})

describe('redirects', () => {
  const redirect = (location: string) =>
    api.answer((_request, answer) => answer.writeHead(302, { location }).end())

  test.each(['/v1/next?x=1', 'next?x=1', () => `${api.origin}/v1/next?x=1`])(
    'below the base address lead through the proxy: %s',
    async (location) => {
      redirect(typeof location === 'string' ? location : location())
      expect((await call('/x')).headers.get('location')).toBe(
        `${server.issuer}/connect/v1/proxy/${connection.id}/next?x=1`,
      )
    },
  )

  test('on the same host are passed back, to another host they are refused', async () => {
    redirect('/elsewhere')
    expect((await call('/x')).headers.get('location')).toBe(`${api.origin}/elsewhere`)
    for (const location of ['https://evil.example/', '//evil.example/', 'http://127.0.0.1:1/']) {
      redirect(location)
      expect(await errorOf(await call('/x'))).toMatchObject({ error: 'provider_answer_refused' })
    }
  })
})

describe('an app of somebody else', () => {
  async function appOf(scopes: readonly string[], accountId: string) {
    const app = createOAuthClient(server, await registerApp(server, { scopes: [...scopes] }))
    return { app, access: (await app.authorize({ accountId, scopes })).access }
  }
  async function connectPerson(accountId: string): Promise<string> {
    const { connections } = server.services.stores
    const made = await connections.establish(
      {
        integrationId: connection.integration.id,
        owner: { kind: 'account', id: accountId },
        establishedBy: accountId,
        externalId: accountId,
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: new Date(server.clock() + 3_600_000),
        refreshExpiresAt: undefined,
        credentials: [{ kind: 'oauth_access_token', name: '', value: new Secret(TOKEN) }],
      },
      new Date(server.clock()),
    )
    return made.id
  }
  async function disconnectApp(email: string, appId: string): Promise<void> {
    const browser = createBrowser(server)
    const path = `/connected-apps/${appId}/disconnect`
    const signIn = await browser.open(`${server.issuer}/connected-apps`)
    await browser.submit(signIn, '/sign-in?to=%2Fconnected-apps', { email, password: PASSWORD })
    await browser.submit(await browser.open(server.issuer + path), path)
  }
  const callAs = async (token: string, id: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`${server.url}/connect/v1/proxy/${id}/x`, { headers })
    await answer.arrayBuffer()
    return answer.status
  }

  test('calls with the scope that the person gave, until they take it back', async () => {
    const person = await createAccount(server, { password: PASSWORD })
    const id = await connectPerson(person.id)
    const without = await appOf(['openid'], person.id)
    expect(await callAs(without.access, id)).toBe(403)
    const { app, access } = await appOf(['connections:crm'], person.id)
    expect(await callAs(access, id)).toBe(200)
    const stranger = await createAccount(server)
    const other = await appOf(['connections:crm'], stranger.id)
    expect(await callAs(other.access, id)).toBe(404)
    await disconnectApp(person.email, app.client.id)
    expect(await callAs(access, id)).toBe(401)
    expect(api.seen).toHaveLength(1)
  })

  test('reaches nothing from the moment on when the account is deactivated', async () => {
    const person = await createAccount(server)
    const id = await connectPerson(person.id)
    const { access } = await appOf(['connections:crm'], person.id)
    expect(await callAs(access, id)).toBe(200)
    await server.services.accounts.deactivate(person.id, 'left')
    expect(await callAs(access, id)).toBe(401)
    expect(api.seen).toHaveLength(1)
  })
})

describe('an error says whose it is', () => {
  test('the provider’s own comes as it is', async () => {
    api.answer((_request, answer) => answer.writeHead(500).end('theirs'))
    const answer = await call('/x')
    expect([answer.status, answer.headers.get('x-otesse-upstream')]).toEqual([500, '500'])
    expect(await answer.text()).toBe('theirs')
  })

  test('a provider that hangs up cannot be reached', async () => {
    api.answer((request) => request.socket.destroy())
    expect(await errorOf(await call('/x'))).toEqual({
      status: 502,
      error: 'provider_unreachable',
      upstream: null,
    })
  })
})

test('each answer is counted for the app, and none is an event with a row', async () => {
  await call('/x')
  const lines = server.log.join('\n')
  for (const secret of [TOKEN, FRESH, connection.callerToken]) expect(lines).not.toContain(secret)
})
