// The admin API is what its OpenAPI document says: every operation is called on a real server,
// succeeds, and answers what the document describes, no member more or less. The server has no
// other addresses.
import { Validator } from '@seriousme/openapi-schema-validator'
import {
  ADMIN_API,
  type AdminAnswer,
  type AdminClient,
  type AdminRequest,
  callAdminApi,
  createAdminClient,
} from '../support/admin-client.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, registerApp } from '../support/builders.ts'
import { type MailSink, startMailSink } from '../support/mail-sink.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { type ApiDocument, createAnswerCheck, operationsOf } from '../support/openapi.ts'

const LOGO = '<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>'

describe.each(BACKENDS)('the admin API, %s', (backend) => {
  let server: TestApp
  let admin: AdminClient
  let document: ApiDocument
  let sink: MailSink
  beforeAll(async () => {
    sink = await startMailSink()
    server = await startTestApp({ backend, overrides: sink.settings })
    await createScopes(server)
    admin = await createAdminClient(server)
    document = (await callAdminApi(server, undefined, 'GET', '/openapi.json')).body
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await sink[Symbol.asyncDispose]()
  })

  const newApp = async () => `/apps/${(await registerApp(server)).id}`
  const newAccount = async () => `/accounts/${(await createAccount(server)).id}`
  async function newDelivery(): Promise<string> {
    const address = email()
    await admin.post('/invitations', { email: address, send_mail: true })
    const { body } = await admin.get(`/deliveries?recipient=${encodeURIComponent(address)}`)
    return `/deliveries/${body.items[0].id}`
  }
  const reason = { reason: 'It misbehaves' }
  const today = () => new Date().toISOString().slice(0, 10)
  let lastScope = 0
  async function newScope(): Promise<string> {
    const name = `walk:${(lastScope += 1)}`
    await createScopes(server, [name])
    return `/scopes/${name}`
  }
  async function newTokens() {
    return createOAuthClient(server, await registerApp(server)).authorize()
  }
  const svg: AdminRequest = { raw: LOGO, type: 'image/svg+xml' }
  const email = () => `walk-${Math.random().toString(36).slice(2)}@example.com`

  /** One call of each operation that shall succeed, with the status that it shall have. */
  const CALLS: Readonly<Record<string, [number, () => Promise<AdminAnswer>]>> = {
    listApps: [200, () => admin.get('/apps?limit=2&search=App&status=active&scope=bookings:read')],
    registerApp: [
      201,
      () =>
        admin.post('/apps', {
          name: 'Bookings Dashboard',
          type: 'web',
          handle: `walk-${backend}`,
          description: 'Shows your bookings',
          redirect_uris: ['https://dashboard.example.com/callback'],
          scopes: ['bookings:read'],
          homepage_url: 'https://dashboard.example.com',
          client_credentials: true,
          require_pkce: true,
          access_ttl_seconds: 600,
        }),
    ],
    getApp: [200, async () => admin.get(await newApp())],
    updateApp: [200, async () => admin.patch(await newApp(), { name: 'Other', description: null })],
    suspendApp: [200, async () => admin.post(`${await newApp()}/suspend`, reason)],
    activateApp: [200, async () => admin.post(`${await newApp()}/activate`)],
    deleteApp: [200, async () => admin.delete(`${await newApp()}?reason=Retired`)],
    putAppLogo: [200, async () => admin.call('PUT', `${await newApp()}/logo`, svg)],
    deleteAppLogo: [200, async () => admin.delete(`${await newApp()}/logo`)],
    createSecret: [
      201,
      async () => admin.post(`${await newApp()}/secrets`, { expires_at: '2090-01-31T12:00:00Z' }),
    ],
    revokeSecret: [
      200,
      async () => {
        const path = await newApp()
        const { body } = await admin.post(`${path}/secrets`)
        return admin.delete(`${path}/secrets/${body.secret.id}`)
      },
    ],
    listScopes: [200, () => admin.get('/scopes')],
    createScope: [
      201,
      () =>
        admin.post('/scopes', {
          name: 'rooms:read',
          group: 'Rooms',
          sentence: 'See your rooms',
          audience: 'https://api.example.com',
        }),
    ],
    getScope: [200, async () => admin.get(await newScope())],
    getScopeUse: [200, async () => admin.get(`${await newScope()}/use`)],
    updateScope: [200, async () => admin.patch(await newScope(), { sensitive: true })],
    deleteScope: [204, async () => admin.delete(await newScope())],
    listAccounts: [200, () => admin.get('/accounts?limit=3&status=active&role=member')],
    createAccount: [
      201,
      () => admin.post('/accounts', { email: email(), name: 'Ada', role: 'admin' }),
    ],
    inviteAccount: [201, () => admin.post('/invitations', { email: email() })],
    getAccount: [200, async () => admin.get(await newAccount())],
    updateAccount: [200, async () => admin.patch(await newAccount(), { name: 'Grace' })],
    resetAccount: [201, async () => admin.post(`${await newAccount()}/reset`)],
    deactivateAccount: [200, async () => admin.post(`${await newAccount()}/deactivate`, reason)],
    reactivateAccount: [200, async () => admin.post(`${await newAccount()}/reactivate`)],
    endSessionsOfAccount: [200, async () => admin.post(`${await newAccount()}/end-sessions`)],
    importAccounts: [
      200,
      () =>
        admin.call('POST', '/account-imports?dry_run=true', {
          raw: `email,name\n${email()},Ada\nnobody,\n`,
          type: 'text/csv',
        }),
    ],
    inspectToken: [
      200,
      async () => admin.post('/tokens/inspect', { token: (await newTokens()).access }),
    ],
    revokeToken: [
      200,
      async () => admin.post('/tokens/revoke', { token: (await newTokens()).refresh }),
    ],
    reportLeak: [
      200,
      async () => admin.post('/tokens/report', { token: (await registerApp(server)).secret }),
    ],
    revokeGrant: [200, async () => admin.post(`/grants/${(await newTokens()).grantId}/revoke`)],
    revokeTokensOfApp: [202, async () => admin.post(`${await newApp()}/revoke-tokens`)],
    revokeTokensOfAccount: [202, async () => admin.post(`${await newAccount()}/revoke-tokens`)],
    getUsageSummary: [200, () => admin.get('/usage/summary?range=7d')],
    listUsageSeries: [
      200,
      () => admin.get('/usage/series?from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&step=hour'),
    ],
    listConnectionsOfAccount: [
      200,
      async () => admin.get(`/accounts/${(await newTokens()).accountId}/connections`),
    ],
    listDeliveries: [200, () => admin.get('/deliveries?state=waiting&limit=3')],
    getDelivery: [200, async () => admin.get(await newDelivery())],
    resendDelivery: [
      200,
      async () => {
        const path = await newDelivery()
        await server.services.deliveries.deliverer.deliver()
        return admin.post(`${path}/resend`)
      },
    ],
    listKeys: [200, () => admin.get('/keys')],
    rotateKeys: [200, () => admin.post('/keys/rotate', { force: true })],
    resealKeys: [200, () => admin.post('/keys/reseal')],
    listEvents: [
      200,
      async () => {
        await server.services.audit.flush()
        return admin.get(`/events?limit=5&from=2020-01-01T00:00:00Z&name=app.registered`)
      },
    ],
    listUsage: [
      200,
      async () => {
        await server.services.audit.flush()
        return admin.get(`/usage?from=2020-01-01&to=${today()}&limit=5`)
      },
    ],
    listRules: [200, () => admin.get('/rules')],
    getDocument: [200, () => callAdminApi(server, undefined, 'GET', '/openapi.json')],
  }

  it('has a document that is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined })
    expect(document['openapi']).toMatch(/^3\.1\./)
  })

  it('does what its document says, operation by operation', async () => {
    const assertDescribed = createAnswerCheck(document)
    const described = operationsOf(document).map(({ id }) => id)
    expect(Object.keys(CALLS).sort()).toEqual([...described].sort())
    expect(new Set(described).size).toBe(described.length)
    for (const [id, [status, call]] of Object.entries(CALLS)) {
      const answer = await call()
      expect({ id, status: answer.status, text: answer.text }).toEqual({
        id,
        status,
        text: answer.text,
      })
      assertDescribed(id, answer)
      expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      if (id !== 'getDocument') expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
  })

  it('has no address beyond those of the document', async () => {
    const known = new Set(operationsOf(document).map(({ method, path }) => `${method} ${path}`))
    for (const path of Object.keys(document.paths))
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (known.has(`${method} ${path}`)) continue
        const { status, headers, body } = await admin.call(method, path)
        expect({ method, path, status, code: body.code }).toEqual({
          method,
          path,
          status: 405,
          code: 'method_not_allowed',
        })
        const allowed = [...known].flatMap((one) =>
          one.endsWith(` ${path}`) ? [one.split(' ')[0]] : [],
        )
        expect(
          headers
            .get('allow')
            ?.split(', ')
            .filter((one) => one !== 'HEAD'),
        ).toEqual(allowed.sort())
      }
    for (const path of ['', '/', '/Apps', '/apps/', '/apps/x/y', '/nothing', '/openapi.json/'])
      expect([path, (await admin.get(path)).body.code]).toEqual([path, 'not_found'])
  })

  it('never shows the hash of a secret or of a password', async () => {
    const { app } = await registerApp(server)
    const shown = (await admin.get(`/apps/${app.id}`)).text + (await admin.get('/apps')).text
    expect(shown).toContain(app.id)
    for (const { hash } of app.secrets) expect(shown).not.toContain(hash)
    expect(shown + (await admin.get('/accounts')).text).not.toMatch(/"[a-z_]*hash/)
  })

  it('serves the document to everybody, and 304 to whoever has it', async () => {
    const first = await callAdminApi(server, undefined, 'GET', '/openapi.json')
    expect(first.headers.get('cache-control')).toBe('public, max-age=300')
    const etag = first.headers.get('etag') ?? ''
    const headers = { 'if-none-match': etag }
    const second = await callAdminApi(server, undefined, 'GET', '/openapi.json', { headers })
    expect({ status: second.status, text: second.text }).toEqual({ status: 304, text: '' })
    expect(first.body.servers).toEqual([{ url: server.issuer + ADMIN_API }])
  })
})
