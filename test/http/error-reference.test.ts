// What a refusal carries, and the pages that its error_uri leads to.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ERROR_GUIDES } from '../../src/model/error-guides.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { send } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

let server: TestApp
let machine: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  machine = await registerApp(server, { type: 'machine' })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const post = (endpoint: string, body: Record<string, string>) =>
  send(`${server.url}/oauth/${endpoint}`, { method: 'POST', body: new URLSearchParams(body) })

describe('RFC 6749 §5.2 — a refusal carries error_uri and request_id', () => {
  const SECRET = 'hunter2-hunter2'
  it.each(['token', 'revoke', 'introspect'])('of %s', async (endpoint) => {
    const { body, headers, text } = await post(endpoint, {
      grant_type: 'client_credentials',
      token: SECRET,
      client_id: machine.id,
      client_secret: SECRET,
    })
    expect(body).toMatchObject({
      error: 'invalid_client',
      error_uri: `${server.issuer}/errors/client_authentication_failed`,
      request_id: headers.get('x-request-id'),
    })
    expect(text).not.toContain(SECRET)
    const page = await fetch(String(body['error_uri']))
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('client_secret_expired')
  })

  it('whose id is that of its event', async () => {
    const { body } = await post('token', {
      grant_type: 'refresh_token',
      refresh_token: 'x',
      client_id: machine.id,
      client_secret: machine.secret ?? '',
    })
    const found = async () =>
      (await server.services.stores.events.list({ requestId: String(body['request_id']) })).events
    await waitUntil('the event', async () => (await found()).length > 0)
    expect(await found()).toMatchObject([
      { name: 'request.refused', reason: 'grant_not_allowed', appId: machine.id },
    ])
  })

  it('finds its event in the console: among all, and at the app', async () => {
    const secret = { client_id: machine.id, client_secret: machine.secret ?? '' }
    const { body } = await post('token', { grant_type: 'implicit', ...secret })
    const { body: other } = await post('token', { grant_type: 'refresh_token', ...secret })
    const id = String(other['request_id'])
    const list = () => server.services.stores.events.list({ requestId: id })
    await waitUntil('the event', async () => (await list()).events.length > 0)
    const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
    const browser = createBrowser(server)
    const page = await browser.open(`${server.issuer}/sign-in?to=/admin/apps`)
    await browser.submit(page, 'to=%2Fadmin%2Fapps', { email, password: PASSWORD })
    for (const path of ['/admin/activity', `/admin/apps/${machine.id}/activity`]) {
      const { html } = await browser.open(`${server.issuer}${path}?request=${id}`)
      expect(html).toContain(`<code>${id}</code>`)
      expect(html).not.toContain(String(body['request_id']))
      const none = await browser.open(`${server.issuer}${path}?request=req_none`)
      expect(none.html).not.toContain(id)
      expect(none.html).toMatch(/No matching events|no event of that request/)
    }
  })

  it.each([
    ['Bearer otesse_at_x', ' (it was Bearer).'],
    ['hunter2-hunter2 x', '.'],
    ['Basic !', '.'],
  ])('names the scheme of the header %s, and nothing that may be a secret', async (header, end) => {
    const { status, body, text } = await send(`${server.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: header },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect(status).toBe(401)
    expect(body.error_description).toBe(
      `The Authorization header is not a well-formed Basic header${end}`,
    )
    expect(text).not.toMatch(/hunter2|otesse_at/)
  })

  it('shows the grant type that came', async () => {
    const { body } = await post('token', { grant_type: 'implicit "', client_id: machine.id })
    expect(body.error_description).toBe(
      'The grant_type must be authorization_code, refresh_token or client_credentials (it was implicit%20%22).',
    )
  })
})

describe('the pages', () => {
  it('are one for each code, the same for everybody, and may be cached', async () => {
    const [name = ''] = [...ERROR_GUIDES.keys()]
    const first = await fetch(`${server.url}/errors/${name}`)
    expect(first.headers.get('cache-control')).toBe('public, max-age=3600')
    expect(first.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(first.headers.get('set-cookie')).toBeNull()
    const again = await fetch(`${server.url}/errors/${name}`, {
      headers: { 'if-none-match': first.headers.get('etag') ?? '', 'cache-control': 'max-age=0' },
    })
    expect(again.status).toBe(304)
    for (const [page, { reasons }] of ERROR_GUIDES) {
      const answer = await fetch(`${server.url}/errors/${page}`)
      expect([page, answer.status]).toEqual([page, 200])
      const html = await answer.text()
      for (const { code } of reasons) expect(html).toContain(`id="${code}"`)
    }
  })

  it.each([
    'nothing_like_this',
    'constructor',
    '__proto__',
    'code_used%00',
    'Code_Used',
    'x'.repeat(5000),
  ])('an unknown code is a page that is not there: %s', async (name) => {
    const answer = await fetch(`${server.url}/errors/${name}`)
    expect(answer.status).toBe(404)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.text()).toContain('Page not found')
  })
})
