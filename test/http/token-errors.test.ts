// Malformed requests to the back channel and their answers (RFC 6749 §3.2, §5.2).
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp, type TestClient } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient, send } from '../support/oauth-client.ts'

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'
const LIMIT_BYTES = 64 * 1024

let server: TestApp
let client: TestClient
let machine: OAuthClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  client = await registerApp(server, { type: 'machine' })
  machine = createOAuthClient(server, client)
})
afterAll(() => server[Symbol.asyncDispose]())

const post = (body: string | Buffer, type?: string, headers: Record<string, string> = {}) =>
  send(`${server.url}/oauth/token`, {
    method: 'POST',
    headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  })

/** A request that is right but for what the test adds. */
const goodJson = (extra: object = {}): string =>
  JSON.stringify({
    grant_type: 'client_credentials',
    client_id: client.id,
    client_secret: client.secret,
    ...extra,
  })
const goodForm = (): string =>
  `grant_type=client_credentials&client_id=${client.id}&client_secret=${client.secret ?? ''}`
const before = (json: string, addition: string): string => `{${addition},${json.slice(1)}`

const invalidRequest = (description: RegExp | string) => ({
  status: 400,
  body: { error: 'invalid_request', error_description: expect.stringMatching(description) },
})

describe('RFC 6749 §3.2 — bodies that are understood', () => {
  it.each([
    ['JSON', () => goodJson(), JSON_TYPE],
    ['JSON with a charset', () => goodJson(), 'application/json; charset=utf-8'],
    ['JSON with a quoted charset', () => goodJson(), 'Application/JSON;charset="UTF-8"'],
    ['JSON with white space', () => JSON.stringify(JSON.parse(goodJson()), null, 2), JSON_TYPE],
    [
      'JSON with a name in escapes',
      () => goodJson().replace('"grant', String.raw`"gr\u0061nt`),
      JSON_TYPE,
    ],
    [
      'JSON with null for what is not set',
      () => goodJson({ audience: null, scope: null }),
      JSON_TYPE,
    ],
    ['JSON with an empty text', () => goodJson({ scope: '' }), JSON_TYPE],
    ['JSON with unknown members', () => goodJson({ header_prefix: 'Bearer' }), JSON_TYPE],
    ['JSON with quotes and colons in a value', () => goodJson({ x: '"a": \\"b\\": {' }), JSON_TYPE],
    ['a form', () => goodForm(), FORM_TYPE],
    ['a form with a charset', () => goodForm(), 'application/x-www-form-urlencoded; charset=UTF-8'],
    ['a form that names another charset', () => goodForm(), `${FORM_TYPE}; charset=ISO-8859-1`],
    ['JSON that names another charset', () => goodJson(), `${JSON_TYPE};charset=x`],
    ['a form with empty parameters', () => `${goodForm()}&scope=&&audience`, FORM_TYPE],
    [
      'a form with encoded names',
      () => goodForm().replace('grant_type', 'grant%5Ftype'),
      FORM_TYPE,
    ],
    [
      'a form with plus signs',
      () => `${goodForm()}&scope=bookings%3Aread+customers%3Aread`,
      FORM_TYPE,
    ],
  ])('%s', async (_, body, type) => {
    expect(await post(body(), type)).toMatchObject({ status: 200 })
  })
})

describe('RFC 6749 §5.2 — invalid_request', () => {
  it.each([
    ['nothing', () => '', JSON_TYPE, /JSON object/],
    ['half of it', () => goodJson().slice(0, -1), JSON_TYPE, /JSON object/],
    ['a form called JSON', () => goodForm(), JSON_TYPE, /JSON object/],
    ['an array', () => `[${goodJson()}]`, JSON_TYPE, /JSON object/],
    ['null', () => 'null', JSON_TYPE, /JSON object/],
    ['a text', () => '"grant_type"', JSON_TYPE, /JSON object/],
    ['a number', () => '1', JSON_TYPE, /JSON object/],
    [
      'a member that is a number',
      () => goodJson({ scope: 1 }),
      JSON_TYPE,
      /scope must be a string/,
    ],
    ['a member that is true', () => goodJson({ scope: true }), JSON_TYPE, /scope must be a string/],
    [
      'a member that is an array',
      () => goodJson({ scope: ['bookings:read'] }),
      JSON_TYPE,
      /scope must be a string/,
    ],
    [
      'a member that is an object',
      () => goodJson({ scope: { a: 'b' } }),
      JSON_TYPE,
      /scope must be a string/,
    ],
    [
      'a nested grant type',
      () => goodJson({ grant_type: { $ne: '' } }),
      JSON_TYPE,
      /grant_type must be a string/,
    ],
    [
      'a member twice',
      () => before(goodJson(), '"grant_type":"password"'),
      JSON_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a member twice with one value',
      () => before(goodJson(), '"grant_type":"client_credentials"'),
      JSON_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a member twice, once in escapes',
      () => before(goodJson(), String.raw`"gr\u0061nt_type":"password"`),
      JSON_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a member twice, once null',
      () => before(goodJson(), '"grant_type":null'),
      JSON_TYPE,
      /must not be sent more/,
    ],
    [
      'a member twice, once an object',
      () => before(goodJson(), '"grant_type":{}'),
      JSON_TYPE,
      /must not be sent more|must be a string/,
    ],
    [
      'an unknown member twice',
      () => before(before(goodJson(), '"x":"1"'), '"x":"2"'),
      JSON_TYPE,
      /must not be sent more/,
    ],
    [
      'no grant type',
      () => goodJson({ grant_type: undefined }),
      JSON_TYPE,
      /grant_type is missing/,
    ],
    ['an empty grant type', () => goodJson({ grant_type: '' }), JSON_TYPE, /grant_type is missing/],
    ['nothing', () => '', FORM_TYPE, /grant_type is missing/],
    [
      'a parameter twice',
      () => `${goodForm()}&grant_type=password`,
      FORM_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a parameter twice, once empty',
      () => `${goodForm()}&grant_type=`,
      FORM_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a parameter twice, once encoded',
      () => `${goodForm()}&grant%5Ftype=password`,
      FORM_TYPE,
      /grant_type must not be sent more/,
    ],
    [
      'a parameter with brackets',
      () => goodForm().replace('grant_type', 'grant_type[]'),
      FORM_TYPE,
      /grant_type is missing/,
    ],
    [
      'JSON that says it is a form',
      () => ' {"grant_type":"x"}',
      FORM_TYPE,
      /Content-Type: application/,
    ],
    ['a percent sign alone', () => `${goodForm()}&scope=%`, FORM_TYPE, /percent-encoding/],
    ['a wrong percent-encoding', () => `${goodForm()}&scope=%zz`, FORM_TYPE, /percent-encoding/],
    [
      'percent-encoded bytes that are no UTF-8',
      () => `${goodForm()}&scope=%ff`,
      FORM_TYPE,
      /percent-encoding/,
    ],
    ['JSON as text', () => goodJson(), 'text/plain', /application\/json or application/],
    [
      'a multipart form',
      () => goodForm(),
      'multipart/form-data; boundary=x',
      /application\/json or application/,
    ],
    ['another JSON', () => goodJson(), 'application/jwt', /application\/json or application/],
  ])('%s (%#)', async (_, body, type, description) => {
    expect(await post(body(), type)).toMatchObject(invalidRequest(description))
  })

  it('a body without a type', async () => {
    expect(await post(Buffer.from(goodJson()))).toMatchObject(invalidRequest(/application\/json/))
  })

  it('no body at all', async () => {
    expect(await send(`${server.url}/oauth/token`, { method: 'POST' })).toMatchObject(
      invalidRequest(/application\/json/),
    )
  })

  it.each([JSON_TYPE, FORM_TYPE])('bytes that are no UTF-8, %s', async (type) => {
    const body = Buffer.concat([
      Buffer.from('{"grant_type":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}'),
    ])
    expect(await post(body, type)).toMatchObject(invalidRequest(/UTF-8/))
  })

  it.each(['code', 'redirect_uri'])('a code grant without its %s', async (missing) => {
    const web = createOAuthClient(server, await registerApp(server))
    const params = { code: 'x', redirect_uri: 'https://yourapp.com/callback', [missing]: undefined }
    expect(await web.token({ grant_type: 'authorization_code', ...params })).toMatchObject(
      invalidRequest(new RegExp(`${missing} is missing`)),
    )
  })

  it('nothing that was sent is repeated, unless it has the letters of a scope', async () => {
    const { text } = await post(goodJson({ scope: '<script>alert(1)</script>\\' }), JSON_TYPE)
    expect(text).not.toContain('alert')
    const twice = before(before(goodJson(), String.raw`"\"><b\\":"1"`), String.raw`"\"><b\\":"2"`)
    expect((await post(twice, JSON_TYPE)).text).not.toContain('<b')
  })
})

describe('RFC 9110 §15.5.14 — a body over 64 KiB', () => {
  it('is taken up to its last allowed byte', async () => {
    const padding = 'x'.repeat(LIMIT_BYTES - goodForm().length - 3)
    expect(await post(`${goodForm()}&p=${padding}`, FORM_TYPE)).toMatchObject({ status: 200 })
  })

  it('is refused by its announced length, before it is sent', async () => {
    const status = await new Promise((resolve, reject) => {
      const sending = httpRequest(
        `${server.url}/oauth/token`,
        {
          method: 'POST',
          headers: { 'content-type': FORM_TYPE, 'content-length': LIMIT_BYTES + 1 },
        },
        (answer) => {
          resolve(answer.statusCode)
          sending.destroy()
        },
      )
      sending.on('error', reject)
      sending.flushHeaders()
    })
    expect(status).toBe(413)
  })

  it('is refused while it arrives in chunks without an announced length', async () => {
    const chunks = async function* () {
      for (let sent = 0; sent <= LIMIT_BYTES; sent += 8192) {
        yield new Uint8Array(8192).fill(120)
        await sleep(1)
      }
    }
    const answer = await fetch(`${server.url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': FORM_TYPE },
      body: ReadableStream.from(chunks()),
      duplex: 'half',
    })
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({ error: 'invalid_request' })
  })
})

it('survives a body that breaks off', async () => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(
    `POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: 100\r\n\r\ngrant_type=`,
  )
  await sleep(50)
  socket.destroy()
  await sleep(50)
  expect(server.log.filter((line) => line.includes('"level":"error"'))).toEqual([])
  expect(await machine.credentials()).toMatchObject({ status: 200 })
})

describe('RFC 6749 §5.2 — error response', () => {
  it('is JSON that nobody caches, with a request id, whatever Accept says', async () => {
    const { status, headers, body } = await machine.token(
      { grant_type: 'client_credentials', scope: 'nope' },
      { headers: { accept: 'text/html,application/xhtml+xml' } },
    )
    expect(status).toBe(400)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      error: 'invalid_scope',
      error_description: 'The scope nope does not exist.',
      error_uri: `${server.issuer}/errors/scope_unknown`,
      request_id: headers.get('x-request-id'),
    })
  })

  it.each(['text/html', 'application/xml', '*/*;q=0'])(
    'answers tokens as JSON for Accept: %s',
    async (accept) => {
      const { status, headers } = await machine.credentials({}, { headers: { accept } })
      expect(status).toBe(200)
      expect(headers.get('content-type')).toMatch(/^application\/json/)
    },
  )

  it('tells a connector that offers the password grant what to use instead (RFC 9700 §2.4)', async () => {
    const { status, body } = await machine.token({
      grant_type: 'password',
      username: 'a',
      password: 'b',
    })
    expect(status).toBe(400)
    expect(body.error).toBe('unsupported_grant_type')
    expect(body.error_description).toMatch(/authorization_code .* client_credentials/)
  })

  it.each([
    'implicit',
    'constructor',
    '__proto__',
    'toString',
    'urn:ietf:params:oauth:grant-type:device_code',
  ])('does not know the grant type %s', async (grant_type) => {
    expect(await machine.token({ grant_type })).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    })
  })
})

describe('RFC 9110 §15.5.6 — method not allowed', () => {
  it.each([
    ['GET', '/oauth/token', 'OPTIONS, POST'],
    ['PUT', '/oauth/token', 'OPTIONS, POST'],
    ['GET', '/oauth/revoke', 'OPTIONS, POST'],
    ['GET', '/oauth/introspect', 'POST'],
    ['DELETE', '/oauth/jwks', 'GET, HEAD, OPTIONS'],
  ])('%s %s', async (method, path, allow) => {
    const { status, headers, body } = await send(server.url + path, { method })
    expect({ status, allow: headers.get('allow'), error: body.error }).toEqual({
      status: 405,
      allow,
      error: 'invalid_request',
    })
  })

  it('leaves the credentials in a query alone', async () => {
    const { status } = await send(`${server.url}/oauth/token?${goodForm()}`, { method: 'POST' })
    expect(status).toBe(400)
  })
})

describe('paths that are not written as they are', () => {
  it.each([
    '/oauth/token/',
    '/OAuth/Token',
    '/oauth//token',
    '/oauth/./token/',
    '/oauth/%74oken',
    '/oauth/token%2F',
    '/oauth/authorize/',
    '/OAUTH/AUTHORIZE',
    '/.well-known/openid-configuration/',
    '/oauth/JWKS',
    '/token/',
  ])('%s is not there', async (path) => {
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const { port } = new URL(server.url)
      httpRequest(
        { port, host: '127.0.0.1', path, method: path.includes('well') ? 'GET' : 'POST' },
        (got) => {
          got.resume()
          resolve(got.statusCode)
        },
      )
        .once('error', reject)
        .end()
    })
    expect(answer).toBe(404)
  })
})

it('RFC 9112 §3.2 — two Host headers are refused, on the fast path and elsewhere', async () => {
  const { port } = new URL(server.url)
  const ask = (path: string, hosts: string) =>
    new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1')
      socket.setEncoding('utf8')
      socket.on('data', (part: string) => (text += part))
      socket.once('error', reject).once('end', () => resolve(text.slice(0, 12)))
      socket.write(`${path} HTTP/1.1\r\n${hosts}Content-Length: 0\r\nConnection: close\r\n\r\n`)
    })
  for (const path of ['GET /healthz', 'POST /oauth/token', 'GET /oauth/jwks'])
    expect(await ask(path, 'Host: a.example\r\nhOST: b.example\r\n')).toBe('HTTP/1.1 400')
  expect(await ask('GET /oauth/jwks', 'Host: a.example\r\n')).toBe('HTTP/1.1 200')
})
