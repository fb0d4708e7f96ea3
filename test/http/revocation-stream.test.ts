// GET /oauth/events/revocations: what resource servers receive, in which order, and who is refused.
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createEventReader,
  type StreamEvent,
} from '../../packages/resource-server/src/event-stream.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import {
  createAccount,
  createScopes,
  purged,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { basicHeader, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const PATH = '/oauth/events/revocations'
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

interface OpenStream extends AsyncDisposable {
  status: number
  headers: Headers
  events: StreamEvent[]
  text: () => string
  isEnded: () => boolean
  until(what: string, check: (events: StreamEvent[]) => boolean): Promise<number>
}

async function openStream(
  server: TestApp,
  { id, secret }: TestClient,
  lastEventId?: string,
): Promise<OpenStream> {
  const controller = new AbortController()
  const answer = await fetch(server.url + PATH, {
    headers: {
      authorization: basicHeader(id, secret ?? ''),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: controller.signal,
  })
  const events: StreamEvent[] = []
  let text = ''
  let isEnded = false
  const read = createEventReader()
  const reading = (async () => {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      const piece = new TextDecoder().decode(chunk)
      text += piece
      events.push(...read(piece))
    }
  })()
    .catch(() => undefined)
    .finally(() => (isEnded = true))
  return {
    status: answer.status,
    headers: answer.headers,
    events,
    text: () => text,
    isEnded: () => isEnded,
    async until(what, check) {
      const start = performance.now()
      while (!check(events)) {
        if (performance.now() - start > 8000)
          throw new Error(`not in time: ${what}; heard ${text.slice(-2000)}`)
        await sleep(5)
      }
      return performance.now() - start
    },
    async [Symbol.asyncDispose]() {
      controller.abort()
      await reading
    },
  }
}

const hasType = (type: string) => (events: StreamEvent[]) =>
  events.some((event) => event.type === type)
const hasRevoked = (kind: string, key: string) => (events: StreamEvent[]) =>
  events.some(({ type, data }) => type === 'revoked' && data === JSON.stringify({ kind, key }))
const revokedKeys = (events: StreamEvent[]) =>
  events.flatMap(({ type, data }) =>
    type === 'revoked' ? [(JSON.parse(data) as { key: string }).key] : [],
  )

describe.each(BACKENDS)('the stream of revocations, %s', (backend) => {
  let server: TestApp
  let web: OAuthClient
  let api: TestClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = createOAuthClient(server, await registerApp(server))
    api = await registerApp(server, { type: 'resource_server' })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('says hello with its place, and is an event stream that nobody keeps or gathers', async () => {
    await using stream = await openStream(server, api)
    await stream.until('live', hasType('live'))
    expect(stream.status).toBe(200)
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    expect(stream.headers.get('cache-control')).toBe('no-store')
    expect(stream.headers.get('x-accel-buffering')).toBe('no')
    const [hello, live] = stream.events
    expect(hello?.type).toBe('hello')
    expect(hello?.id).toMatch(/^\d+-\d+$/)
    expect(JSON.parse(hello!.data)).toEqual({ position: hello!.id, resumed: false })
    expect(live?.type).toBe('live')
  })

  it('tells of tokens by hash and of families, apps and accounts by id, before the answer or soon after', async () => {
    await using stream = await openStream(server, api)
    const { access, refresh, grantId, accountId } = await web.authorize()
    await web.revoke(access)
    await stream.until('the token', hasRevoked('token', sha256(access)))
    await web.revoke(refresh)
    await stream.until('the family', hasRevoked('grant', grantId))

    const other = await web.authorize()
    await server.services.accounts.deactivate(other.accountId, 'left')
    await stream.until('the account', hasRevoked('account', other.accountId))
    await stream.until('its family', hasRevoked('grant', other.grantId))

    const machine = await registerApp(server, { type: 'machine' })
    await server.services.apps.suspend(machine.id, 'abuse')
    await stream.until('the app', hasRevoked('app', machine.id))
    await purged(server)
    for (const secret of [access, refresh, access.slice(10, 53), refresh.slice(26, 60)])
      expect(stream.text()).not.toContain(secret)
    expect(stream.text()).not.toContain(accountId)
  })

  it('tells of what a replayed code takes along', async () => {
    await using stream = await openStream(server, api)
    const { code, grantId } = await web.authorize()
    await web.exchange(code)
    await stream.until('the family', hasRevoked('grant', grantId))
  })

  it('tells again when a dead token is revoked once more: the first time may have failed half-way', async () => {
    const { access, refresh, grantId } = await web.authorize()
    await web.revoke(access)
    await web.revoke(refresh)
    await using stream = await openStream(server, api)
    await web.revoke(access)
    await web.revoke(refresh)
    await stream.until('both', hasRevoked('token', sha256(access)))
    await stream.until('both', hasRevoked('grant', grantId))
  })

  it('asks to forget everything when scopes change', async () => {
    await using stream = await openStream(server, api)
    await stream.until('live', hasType('live'))
    await createScopes(server, ['reports:read'])
    await stream.until('the flush', hasType('flush'))
  })

  it('goes on after the last event id, without a gap and without repeating', async () => {
    const first = await openStream(server, api)
    const one = await web.authorize()
    await web.revoke(one.refresh)
    await first.until('the first', hasRevoked('grant', one.grantId))
    const lastId = first.events.findLast(({ id }) => id !== undefined)?.id
    await first[Symbol.asyncDispose]()
    const missed = []
    for (let count = 0; count < 3; count += 1) {
      const { refresh, grantId } = await web.authorize()
      await web.revoke(refresh)
      missed.push(grantId)
    }
    await using second = await openStream(server, api, lastId)
    await second.until('live', hasType('live'))
    expect(JSON.parse(second.events[0]!.data)).toMatchObject({ resumed: true })
    expect(revokedKeys(second.events)).toEqual(missed)
    const last = await web.authorize()
    await web.revoke(last.refresh)
    await second.until('what comes after', hasRevoked('grant', last.grantId))
    expect(second.events.some(({ type }) => type === 'flush')).toBe(false)
  })

  it.each(['1-1', 'nonsense', '0-0', '9'.repeat(14) + '-0'])(
    'asks to forget everything when it cannot go on after %s',
    async (lastId) => {
      await using stream = await openStream(server, api, lastId)
      await stream.until('live', hasType('live'))
      expect(stream.events.map(({ type }) => type)).toEqual(['hello', 'flush', 'live'])
    },
  )

  it('speaks at least every six seconds, so that silence means something', async () => {
    await using stream = await openStream(server, api)
    await stream.until('live', hasType('live'))
    expect(await stream.until('a comment', hasType(''))).toBeLessThan(6500)
  })

  it('RFC 9110 §11.6.1 — is for resource servers that prove themselves, and a 401 says how', async () => {
    const ask = async (headers: Record<string, string>) => {
      const answer = await fetch(server.url + PATH, { headers })
      const { error } = (await answer.json()) as { error: string }
      return { status: answer.status, error, challenge: answer.headers.get('www-authenticate') }
    }
    const refused = { status: 401, error: 'invalid_client', challenge: 'Basic realm="otesse"' }
    expect(await ask({})).toEqual(refused)
    expect(await ask({ authorization: basicHeader(api.id, 'wrong') })).toEqual(refused)
    expect(await ask({ authorization: 'Bearer x' })).toEqual(refused)
    expect(
      await ask({ authorization: basicHeader(web.client.id, web.client.secret ?? '') }),
    ).toMatchObject({ status: 403, error: 'unauthorized_client' })
    const post = await fetch(server.url + PATH, { method: 'POST' })
    expect(post.status).toBe(405)
  })

  it('ends within a second when the client is suspended, and does not begin again', async () => {
    const client = await registerApp(server, { type: 'resource_server' })
    await using stream = await openStream(server, client)
    await stream.until('live', hasType('live'))
    const start = performance.now()
    await server.services.apps.suspend(client.id, 'abuse')
    await stream.until('the end', () => stream.isEnded())
    expect(performance.now() - start).toBeLessThan(1000)
    expect(stream.events.at(-1)).toMatchObject({ type: 'end' })
    await using again = await openStream(server, client)
    expect(again.status).toBe(401)
  })

  it('has room for so many streams of one client and no more', async () => {
    const client = await registerApp(server, { type: 'resource_server' })
    await using stack = new AsyncDisposableStack()
    for (let count = 0; count < 200; count += 1)
      expect(stack.use(await openStream(server, client)).status).toBe(200)
    const more = stack.use(await openStream(server, client))
    expect(more.status).toBe(429)
    expect(more.headers.get('retry-after')).toBe('30')
    await using other = await openStream(server, api)
    expect(other.status).toBe(200)
  })

  it('cuts off who does not read, and gives the place back', async () => {
    const client = await registerApp(server, { type: 'resource_server' })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    const authorization = basicHeader(client.id, client.secret ?? '')
    socket.write(
      `GET ${PATH} HTTP/1.1\r\nHost: ${new URL(server.issuer).host}\r\nAuthorization: ${authorization}\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    await using reader = await openStream(server, api)
    // More than the buffers of two sockets hold.
    const { revocations } = server.infrastructure
    const key = 'x'.repeat(8000)
    for (let round = 0; round < 70; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, () => revocations.append({ kind: 'grant', key })),
      )
      await sleep(2)
    }
    await revocations.append({ kind: 'grant', key: 'last' })
    await reader.until('all of it', hasRevoked('grant', 'last'))
    socket.resume()
    const deadline = performance.now() + 5000
    while (!socket.closed && performance.now() < deadline) await sleep(10)
    expect(socket.closed).toBe(true)
    expect(socket.bytesRead).toBeLessThan(70 * 20 * 8000)
  })
})

it('ends with a reason when the process drains, and takes no new ones', async () => {
  await using server = await startTestApp({ backend: 'embedded' })
  const api = await registerApp(server, { type: 'resource_server' })
  await using stream = await openStream(server, api)
  await stream.until('live', hasType('live'))
  server.startDraining()
  await stream.until('the end', () => stream.isEnded())
  expect(stream.events.at(-1)).toMatchObject({ type: 'end', data: '{"reason":"draining"}' })
  await using again = await openStream(server, api)
  expect(again.status).toBe(503)
})

it('an account that is made active again is told of as well', async () => {
  await using server = await startTestApp({ backend: 'embedded' })
  const api = await registerApp(server, { type: 'resource_server' })
  const { id } = await createAccount(server)
  await using stream = await openStream(server, api)
  await server.services.accounts.reactivate(id)
  await stream.until('the account', hasRevoked('account', id))
})
