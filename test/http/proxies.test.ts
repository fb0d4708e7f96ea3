// The configurations of examples/proxies/, run for real before a real server: what browsers, apps,
// resource servers and admins do must work through each of them. And what `otesse doctor` says of
// them, and of nginx as it comes.
import { request } from 'node:http'
import { createEventReader } from '../../packages/resource-server/src/event-stream.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type AdminClient, createAdminClient } from '../support/admin-client.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { runCli } from '../support/cli-process.ts'
import { basicHeader, createOAuthClient } from '../support/oauth-client.ts'
import { findFreePort } from '../support/ports.ts'
import { PROXIES, type ProxyName, startProxy } from '../support/proxies.ts'
import { type Disturbable, waitUntil } from '../support/server-process.ts'

interface Proxied extends AsyncDisposable {
  /** The server; its address is that of the proxy. */
  server: TestApp
  web: TestClient
  /** The settings that the command line needs to look at the same server. */
  settings: Record<string, string>
}

/** Starts a server that is public through the proxy. */
async function startBehind(name: ProxyName, trusted = '127.0.0.1'): Promise<Proxied> {
  await using stack = new AsyncDisposableStack()
  const port = await findFreePort()
  const issuer = `http://127.0.0.1:${port}`
  const secrets = {
    OTESSE_SECRET_KEY: 'behind-a-proxy-signs-with-this-key-0123456789',
    OTESSE_ENCRYPTION_KEY: 'behind-a-proxy-seals-with-this-key-9876543210',
  }
  const overrides = { ...secrets, OTESSE_TRUSTED_PROXIES: trusted }
  const direct = stack.use(await startTestApp({ backend: 'redis', issuer, overrides }))
  const proxy: Disturbable = await startProxy(name, port, new URL(direct.url).host)
  stack.defer(() => proxy.stop())
  await createScopes(direct)
  const web = await registerApp(direct)
  const settings = { ...overrides, ...direct.stores.settings, OTESSE_ISSUER: issuer }
  const open = stack.move()
  const server = { ...direct, url: issuer }
  return { server, web, settings, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
function authorizationUrl(
  { issuer }: TestApp,
  { id, redirectUri }: TestClient,
  more: Record<string, string>,
): string {
  const query = new URLSearchParams({
    client_id: id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...more,
  })
  return `${issuer}/oauth/authorize?${query.toString()}`
}

// Written as three characters each.
const LONG_STATE = '%'.repeat(1800)

describe.each(PROXIES)('behind %s', (name) => {
  let proxied: Proxied
  let server: TestApp
  let admin: AdminClient
  beforeAll(async () => {
    proxied = await startBehind(name)
    server = proxied.server
    admin = await createAdminClient(server)
  })
  afterAll(() => proxied[Symbol.asyncDispose]())

  it('a user signs in and allows, and a long state comes back', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const url = authorizationUrl(server, proxied.web, { state: LONG_STATE })
    const back = await approveInBrowser(server, url, { email, password: PASSWORD })
    expect(back.searchParams.get('code')).toMatch(/./)
    expect(back.searchParams.get('state')).toBe(LONG_STATE)
  })

  it('headers of 15 kB pass', async () => {
    const browser = createBrowser(server)
    const page = await browser.request(
      authorizationUrl(server, proxied.web, { state: 'x', prompt: 'none' }),
      { headers: { 'x-large': 'x'.repeat(15_000) } },
    )
    expect(page.status).toBe(302)
    expect(page.headers.get('location')).toContain('error=login_required')
  })

  it('an event stream tells at once what is revoked', async () => {
    const api = await registerApp(server, { type: 'resource_server' })
    const controller = new AbortController()
    const answer = await fetch(`${server.url}/oauth/events/revocations`, {
      headers: { authorization: basicHeader(api.id, api.secret ?? '') },
      signal: controller.signal,
    })
    expect(answer.status).toBe(200)
    const types: string[] = []
    const read = createEventReader()
    const reading = (async () => {
      for await (const piece of answer.body as AsyncIterable<Uint8Array>)
        types.push(...read(new TextDecoder().decode(piece)).map(({ type }) => type))
    })().catch(() => undefined)
    await waitUntil('the stream to be live', () => Promise.resolve(types.includes('live')))
    const client = createOAuthClient(server, proxied.web)
    const { refresh } = await client.authorize()
    const since = performance.now()
    await client.revoke(refresh)
    await waitUntil('the revocation', () => Promise.resolve(types.includes('revoked')))
    // Heartbeats come every 5 s and would push a full buffer on.
    expect(performance.now() - since).toBeLessThan(4000)
    controller.abort()
    await reading
  })

  it('an event has the address of the client, whatever it says of itself', async () => {
    const requestId = await refusedFrom('127.0.0.2', server.url, '203.0.113.9')
    let addresses: unknown[] = []
    await waitUntil('the event', async () => {
      const { body } = await admin.get(`/events?request_id=${requestId}`)
      addresses = (body.items as { address: unknown }[]).map(({ address }) => address)
      return addresses.length > 0
    })
    expect(addresses).toEqual(['127.0.0.2'])
  })

  it('a change is made with the ETag that came with what was read', async () => {
    const path = `/apps/${proxied.web.id}`
    const { headers } = await admin.get(path, { headers: { 'accept-encoding': 'gzip, br' } })
    const tag = headers.get('etag') ?? ''
    expect(tag).toMatch(/^"/)
    expect((await admin.patch(path, { name: 'Another' }, tag)).status).toBe(200)
  })
})

/** Calls from that address with that X-Forwarded-For; returns the id of the refused request. */
function refusedFrom(localAddress: string, url: string, claimed: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-for': claimed,
    }
    const sent = request(
      `${url}/oauth/token`,
      { method: 'POST', headers, localAddress, agent: false },
      (answer) => {
        answer.resume()
        answer.once('end', () => resolve(String(answer.headers['x-request-id'])))
      },
    )
    sent.once('error', reject)
    sent.end('grant_type=client_credentials&client_id=nobody&client_secret=nothing')
  })
}

describe('otesse doctor', () => {
  const CHECKS = ['trusted proxies', 'large requests', 'long answers', 'etags', 'issuer clock']
  async function examine({ settings }: Proxied): Promise<Map<string, [string, string]>> {
    const { checks } = (await runCli(['doctor', '--json'], settings)).json() as {
      checks: { check: string; status: string; sentence: string }[]
    }
    return new Map(checks.map(({ check, status, sentence }) => [check, [status, sentence]]))
  }

  it.each(PROXIES)('finds nothing wrong with the configuration of %s', async (name) => {
    await using proxied = await startBehind(name)
    const found = await examine(proxied)
    expect(CHECKS.map((check) => [check, found.get(check)?.[0]])).toEqual(
      CHECKS.map((check) => [check, 'ok']),
    )
  })

  it('says what nginx as it comes does to large headers, redirects and tags', async () => {
    await using proxied = await startBehind('nginx as it comes')
    const found = await examine(proxied)
    expect(found.get('large requests')).toEqual([
      'warn',
      expect.stringMatching(/do not pass the proxy \(400\): raise .*large_client_header_buffers/),
    ])
    expect(found.get('long answers')).toEqual([
      'warn',
      expect.stringMatching(/does not pass the proxy \(502\): raise .*proxy_buffer_size/),
    ])
    expect(found.get('etags')).toEqual(['warn', expect.stringContaining('turn that off for')])
  })
})
