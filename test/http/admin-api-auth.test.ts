// Who may use the admin API: the token and the scope of every operation of the served document, who
// is refused, the limits; and that no client can grant an admin scope that it lacks.
import { ADMIN_SCOPE_NAMES } from '../../src/apps/scope.ts'
import {
  ADMIN_API,
  type AdminAnswer,
  type AdminClient,
  callAdminApi,
  createAdminClient,
  everything,
  tokenOf,
} from '../support/admin-client.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, registerApp } from '../support/builders.ts'
import { WITH_CONNECTIONS } from '../support/connections.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import {
  type ApiDocument,
  at,
  createAnswerCheck,
  type DescribedOperation,
  operationsOf,
} from '../support/openapi.ts'

let server: TestApp
let admin: AdminClient
let document: ApiDocument
let guarded: DescribedOperation[]
let assertDescribed: ReturnType<typeof createAnswerCheck>
beforeAll(async () => {
  server = await startTestApp({
    backend: 'embedded',
    // Hundreds of refusals come from this one address.
    overrides: { ...WITH_CONNECTIONS, OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '100000/60' },
  })
  await createScopes(server)
  admin = await createAdminClient(server)
  document = (await callAdminApi(server, undefined, 'GET', '/openapi.json')).body
  guarded = operationsOf(document).filter(({ id }) => id !== 'getDocument')
  assertDescribed = createAnswerCheck(document)
})
afterAll(() => server[Symbol.asyncDispose]())

/** Calls every operation that needs a scope, with things that are not there. */
async function onEachOperation(
  token: string | undefined,
  check: (answer: AdminAnswer, operation: DescribedOperation) => void,
  operations = guarded,
): Promise<number> {
  for (const operation of operations) {
    const path = operation.path.replace(/\{\w+\}/g, 'nothing')
    const answer = await callAdminApi(server, token, operation.method, path)
    assertDescribed(operation.id, answer)
    check(answer, operation)
  }
  return operations.length
}

function expectProblem(answer: AdminAnswer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code })
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(answer.body.status).toBe(status)
  expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'))
  const [url, pointer = ''] = String(answer.body.type).split('#')
  expect(url).toBe(`${server.issuer}${ADMIN_API}/openapi.json`)
  expect(at(document, pointer)).toMatchObject({ status, title: answer.body.title })
}

describe('every operation', () => {
  it('needs a scope that the document names', () => {
    expect(guarded.length).toBeGreaterThan(30)
    for (const { scope } of guarded) expect(ADMIN_SCOPE_NAMES).toContain(scope)
    const used = new Set(guarded.map(({ scope }) => scope))
    // Whoever may decide about admins shows it in the operations on accounts.
    used.add('admin:roles:write')
    expect([...used].sort()).toEqual([...ADMIN_SCOPE_NAMES].sort())
  })

  it('RFC 6750 §3.1 — answers 401 without an error code where there is no token', async () => {
    await onEachOperation(undefined, (answer) => {
      expectProblem(answer, 401, 'token_missing')
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="otesse"')
    })
  })

  // Who may decide about admins is asked within operations: see below.
  it.each(ADMIN_SCOPE_NAMES.filter((name) => name !== 'admin:roles:write'))(
    'RFC 6750 §3.1 — answers 403 where only %s is missing',
    async (scope) => {
      const others = ADMIN_SCOPE_NAMES.filter((name) => name !== scope)
      const { token } = await createAdminClient(server, others)
      const before = await everything(admin)
      const concerned = guarded.filter((operation) => operation.scope === scope)
      const check = (answer: AdminAnswer) => {
        expectProblem(answer, 403, 'power_missing')
        expect(answer.headers.get('www-authenticate')).toBe(
          `Bearer realm="otesse", error="insufficient_scope", error_description="The scope ${scope} is required.", scope="${scope}"`,
        )
      }
      expect(await onEachOperation(token, check, concerned)).toBeGreaterThan(0)
      expect(await everything(admin)).toBe(before)
    },
  )

  it('answers 401 to the tokens of people, to refresh tokens and to what was never a token', async () => {
    const people = await createOAuthClient(server, await registerApp(server)).authorize()
    const own = await tokenOf(server, await registerApp(server))
    const tokens = [people.access, people.refresh, own, 'nonsense', `${admin.token}x`]
    for (const token of tokens)
      await onEachOperation(token, (answer) => {
        expectProblem(answer, 401, 'token_invalid')
        expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
      })
  })
})

describe('a token', () => {
  it('loses a scope in the moment in which its app loses it', async () => {
    const client = await createAdminClient(server, ['admin:apps:read', 'admin:scopes:read'])
    expect((await client.get('/apps')).status).toBe(200)
    await admin.patch(`/apps/${client.client.id}`, { scopes: ['admin:scopes:read'] })
    expectProblem(await client.get('/apps'), 403, 'power_missing')
    expect((await client.get('/scopes')).status).toBe(200)
    // What the app gets afterwards is not in the token.
    await admin.patch(`/apps/${client.client.id}`, { scopes: ['admin:keys:read'] })
    expectProblem(await client.get('/keys'), 403, 'power_missing')
  })

  it('has only the scopes that were asked for', async () => {
    const { client } = await createAdminClient(server)
    const token = await tokenOf(server, client, { scope: 'admin:keys:read' })
    expect((await callAdminApi(server, token, 'GET', '/keys')).status).toBe(200)
    expectProblem(await callAdminApi(server, token, 'GET', '/apps'), 403, 'power_missing')
  })

  it('is worth nothing once its app is suspended', async () => {
    const client = await createAdminClient(server)
    await admin.post(`/apps/${client.client.id}/suspend`, { reason: 'Test' })
    expectProblem(await client.get('/apps'), 401, 'token_invalid')
  })

  it('RFC 8707 §2 — with an audience must name this API', async () => {
    const here = server.issuer + ADMIN_API
    const elsewhere = 'https://api.example.com'
    const audiences = [here, elsewhere]
    const scopes = ['admin:apps:read']
    const client = await registerApp(server, { type: 'machine', scopes, audiences })
    const mine = await tokenOf(server, client, { resource: here })
    const theirs = await tokenOf(server, client, { resource: elsewhere })
    expect((await callAdminApi(server, mine, 'GET', '/apps')).status).toBe(200)
    expectProblem(await callAdminApi(server, theirs, 'GET', '/apps'), 401, 'token_invalid')
  })

  it('RFC 6750 §2 — is read from the Authorization header alone', async () => {
    const inQuery = `/apps?access_token=${admin.token}`
    expectProblem(await callAdminApi(server, undefined, 'GET', inQuery), 401, 'token_missing')
    expectProblem(await admin.get(inQuery), 400, 'token_sent_twice')
    const headers = { cookie: `token=${admin.token}` }
    expectProblem(
      await callAdminApi(server, undefined, 'GET', '/apps', { headers }),
      401,
      'token_missing',
    )
    const basic = { authorization: 'Basic YTpi' }
    expectProblem(
      await callAdminApi(server, undefined, 'GET', '/apps', { headers: basic }),
      401,
      'token_missing',
    )
    const empty = { authorization: 'Bearer' }
    expectProblem(
      await callAdminApi(server, undefined, 'GET', '/apps', { headers: empty }),
      400,
      'token_malformed',
    )
  })
})

it('what one server takes away is refused by another within a second', async () => {
  await using one = await startTestApp({ backend: 'redis' })
  await using other = await startTestApp({
    backend: 'redis',
    stores: one.stores,
    issuer: one.issuer,
  })
  const boss = await createAdminClient(one)
  const taken = await createAdminClient(one, ['admin:apps:read', 'admin:scopes:read'])
  const suspended = await createAdminClient(one, ['admin:apps:read'])
  const onOther = async ({ token }: AdminClient) =>
    (await callAdminApi(other, token, 'GET', '/apps')).status
  // Both apps are in the other server's memory now.
  expect([await onOther(taken), await onOther(suspended)]).toEqual([200, 200])
  await boss.patch(`/apps/${taken.client.id}`, { scopes: ['admin:scopes:read'] })
  await boss.post(`/apps/${suspended.client.id}/suspend`, { reason: 'Test' })
  const begun = performance.now()
  let seen: number[] = []
  while (performance.now() - begun < 1000) {
    seen = [await onOther(taken), await onOther(suspended)]
    if (!seen.includes(200)) break
  }
  expect(seen).toEqual([403, 401])
})

describe('nobody hands on an admin scope that they do not have', () => {
  const strong = ['admin:apps:write', 'admin:roles:write']
  let weak: AdminClient
  let target: string
  let strongSecretId: string
  beforeAll(async () => {
    weak = await createAdminClient(server, [
      'admin:apps:read',
      'admin:apps:write',
      'admin:accounts:read',
      'admin:accounts:write',
      'admin:tokens:write',
    ])
    const { app } = await registerApp(server, { type: 'machine', scopes: strong })
    target = `/apps/${app.id}`
    strongSecretId = app.secrets[0]?.id ?? ''
  })

  it('through an app', async () => {
    const before = await everything(admin)
    const machine = { name: 'Mine', type: 'machine' }
    const attempts: Promise<AdminAnswer>[] = [
      weak.post('/apps', { ...machine, scopes: strong }),
      weak.post('/apps', { ...machine, scopes: [['admin:roles:write']] }),
      weak.patch(`/apps/${weak.client.id}`, { scopes: strong }),
      weak.patch(target, { name: 'Mine' }),
      weak.patch(target, { scopes: [] }),
      weak.post(`${target}/secrets`),
      weak.delete(`${target}/secrets/${strongSecretId}`),
      weak.post(`${target}/suspend`, { reason: 'Mine' }),
      weak.post(`${target}/activate`),
      weak.delete(`${target}?reason=Mine`),
      weak.delete(`${target}/logo`),
    ]
    for (const attempt of attempts) {
      const answer = await attempt
      expectProblem(answer, 403, 'power_missing')
      expect(answer.headers.get('www-authenticate')).toContain('scope="admin:roles:write"')
    }
    expect(await everything(admin)).toBe(before)
  })

  it('through the account of an admin', async () => {
    const boss = await createAccount(server, { role: 'admin' })
    const member = await createAccount(server)
    const before = await everything(admin)
    const attempts: Promise<AdminAnswer>[] = [
      weak.post('/accounts', { email: 'new@example.com', role: 'admin' }),
      weak.post('/invitations', { email: 'new@example.com', role: 'admin' }),
      weak.patch(`/accounts/${member.id}`, { role: 'admin' }),
      weak.patch(`/accounts/${boss.id}`, { role: 'member' }),
      weak.patch(`/accounts/${boss.id}`, { name: 'Mine' }),
      weak.post(`/accounts/${boss.id}/reset`),
      weak.post(`/accounts/${boss.id}/deactivate`, { reason: 'Mine' }),
      weak.post(`/accounts/${boss.id}/reactivate`),
    ]
    for (const attempt of attempts) expectProblem(await attempt, 403, 'power_missing')
    expect(await everything(admin)).toBe(before)
  })

  it('and may do what needs no more than they have', async () => {
    const made = await weak.post('/apps', {
      name: 'Mine',
      type: 'machine',
      scopes: ['admin:apps:read'],
    })
    expect(made.status).toBe(201)
    const path = `/apps/${made.body.app.id}`
    expect((await weak.post(`${path}/secrets`)).status).toBe(201)
    expect((await weak.patch(path, { name: 'Still mine' })).status).toBe(200)
  })
})

it('keeps each refusal as an event of its client, and each act with its actor', async () => {
  const client = await createAdminClient(server, ['admin:apps:write'])
  const refused = await client.get('/keys')
  const { body } = await client.post('/apps', { name: 'Made', type: 'machine' })
  await server.services.audit.flush()
  const events = async (query: string) =>
    (await admin.get(`/events?${query}`)).body.items as Record<string, unknown>[]
  const [refusal] = await events(`app_id=${client.client.id}&name=request.refused`)
  expect(refusal).toMatchObject({
    reason: 'power_missing',
    request_id: refused.body.request_id,
    data: { endpoint: 'admin' },
  })
  const acts = await events(`actor=${client.client.id}`)
  expect(acts.map(({ name }) => name)).toEqual(['secret.created', 'app.registered'])
  expect(acts[0]?.['app_id']).toBe(body.app.id)
  // Names are the wire's in events, too.
  expect(acts[0]?.['data']).toEqual({ secret_id: body.app.secrets[0].id })
  await admin.patch(`/apps/${body.app.id}`, { owner_contact: 'Ada' })
  await server.services.audit.flush()
  const [change] = await events(`app_id=${body.app.id}&name=app.changed`)
  expect(change?.['data']).toEqual({ diff: { owner_contact: [null, 'Ada'] } })
})

describe('limits', () => {
  it('count each client, and strangers by their address without harm to the clients behind it', async () => {
    await using bounded = await startTestApp({
      backend: 'embedded',
      overrides: {
        OTESSE_LIMIT_ADMIN_PER_CLIENT: '4/60',
        OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '4/60',
      },
    })
    const [greedy, modest] = [await createAdminClient(bounded), await createAdminClient(bounded)]
    const stranger = () => callAdminApi(bounded, undefined, 'GET', '/apps')
    const seen: number[] = []
    for (let count = 0; count < 5; count += 1) seen.push((await stranger()).status)
    expect(seen).toEqual([401, 401, 401, 401, 429])
    const first = await greedy.get('/apps')
    expect(first.status).toBe(200)
    expect(first.headers.get('ratelimit-limit')).toBe('4')
    expect(first.headers.get('ratelimit-remaining')).toBe('3')
    for (let count = 0; count < 3; count += 1) await greedy.get('/apps')
    const refused = await greedy.get('/apps')
    expect({ status: refused.status, code: refused.body.code }).toEqual({
      status: 429,
      code: 'rate_limited',
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect(refused.headers.get('ratelimit-remaining')).toBe('0')
    expect((await modest.get('/apps')).status).toBe(200)
    bounded.clock.move(61_000)
    expect((await greedy.get('/apps')).status).toBe(200)
  })
})
