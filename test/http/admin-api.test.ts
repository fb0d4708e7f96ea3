// What admins change through the admin API: concurrent changes, merges, lists page by page, files
// of accounts. What all operations share is in admin-api-walk, permissions in admin-api-auth,
// refusals in admin-api-input.
import {
  ADMIN_API,
  type AdminAnswer,
  type AdminClient,
  callAdminApi,
  createAdminClient,
} from '../support/admin-client.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, purged, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { type ApiDocument, createAnswerCheck } from '../support/openapi.ts'

let server: TestApp
let admin: AdminClient
let assertDescribed: ReturnType<typeof createAnswerCheck>
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  admin = await createAdminClient(server)
  const { body } = await callAdminApi(server, undefined, 'GET', '/openapi.json')
  assertDescribed = createAnswerCheck(body as ApiDocument)
})
afterAll(() => server[Symbol.asyncDispose]())

const pathOf = ({ id }: { id: string }): string => `/apps/${id}`
const etagOf = ({ headers }: AdminAnswer): string => headers.get('etag') ?? ''

describe('RFC 9110 §13.1.1 — If-Match', () => {
  const things: [string, () => Promise<string>, (at: number) => object][] = [
    ['an app', async () => pathOf(await registerApp(server)), (at) => ({ name: `Name ${at}` })],
    [
      'a scope',
      async () => {
        await createScopes(server, ['race:read'])
        return '/scopes/race:read'
      },
      (at) => ({ sentence: `See ${at}` }),
    ],
    [
      'an account',
      async () => `/accounts/${(await createAccount(server)).id}`,
      (at) => ({ name: `Name ${at}` }),
    ],
  ]

  it.each(things)(
    'lets one of many who change %s at the same moment win',
    async (_, make, change) => {
      const path = await make()
      const before = await admin.get(path)
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_unused, at) => admin.patch(path, change(at), etagOf(before))),
      )
      const won = answers.filter(({ status }) => status === 200)
      const lost = answers.filter(({ status }) => status === 412)
      expect([won.length, lost.length]).toEqual([1, 7])
      const now = await admin.get(path)
      expect(now.text).toBe(won[0]?.text)
      for (const answer of lost) {
        expect(answer.body.code).toBe('precondition_failed')
        expect(etagOf(answer)).toBe(etagOf(now))
        expect(etagOf(answer)).not.toBe(etagOf(before))
      }
    },
  )

  it.each(things.map(([name, make, change]) => [name, make, change] as const))(
    'must be sent to change %s, and be right',
    async (_, make, change) => {
      const path = await make().catch(() => '/scopes/race:read')
      const { text } = await admin.get(path)
      const missing = await admin.call('PATCH', path, { json: change(1) })
      expect([missing.status, missing.body.code]).toEqual([428, 'precondition_missing'])
      const stale = ['"0"', '"999"', 'W/"1"', '"x"', '"1000", W/"1"']
      for (const tag of stale) expect((await admin.patch(path, change(1), tag)).status).toBe(412)
      // nginx and others weaken the tag of what they compress.
      expect((await admin.patch(path, change(1), 'W/"1"')).body.code).toBe('precondition_weak')
      expect((await admin.patch(path, change(1), 'nonsense')).status).toBe(400)
      expect((await admin.get(path)).text).toBe(text)
    },
  )

  it('takes one of several tags, and * for whatever is there', async () => {
    const path = pathOf(await registerApp(server))
    const { headers } = await admin.get(path)
    const tags = `"77", ${headers.get('etag') ?? ''}`
    expect((await admin.patch(path, { name: 'One' }, tags)).body.name).toBe('One')
    expect((await admin.patch(path, { name: 'Two' }, '*')).body.name).toBe('Two')
  })

  it('is refused where it would do nothing', async () => {
    const path = pathOf(await registerApp(server))
    const answer = await admin.call('DELETE', `${path}?reason=Test`, {
      headers: { 'if-match': '"1"' },
    })
    expect([answer.status, answer.body.code]).toEqual([400, 'parameter_unknown'])
    expect(answer.body.problems).toMatchObject([{ field: 'If-Match' }])
    expect((await admin.get(path)).body.status).toBe('active')
  })

  it('RFC 9110 §13.1.2 — If-None-Match spares a client what it has', async () => {
    const path = pathOf(await registerApp(server))
    const first = await admin.get(path)
    for (const tag of [etagOf(first), `W/${etagOf(first)}`, `"0", ${etagOf(first)}`, '*']) {
      const { status, text } = await admin.get(path, { headers: { 'if-none-match': tag } })
      expect({ tag, status, text }).toEqual({ tag, status: 304, text: '' })
    }
    await admin.patch(path, { name: 'Other' })
    const headers = { 'if-none-match': etagOf(first) }
    expect((await admin.get(path, { headers })).body.name).toBe('Other')
  })
})

describe('RFC 7396 — a change', () => {
  it('keeps what is absent and empties what is null', async () => {
    const app = {
      name: 'Merge',
      type: 'web',
      description: 'Before',
      homepage_url: 'https://example.com/',
      redirect_uris: ['https://example.com/callback'],
      scopes: ['bookings:read'],
      access_ttl_seconds: 600,
    }
    const { body: made, headers } = await admin.post('/apps', app)
    const path = (headers.get('location') ?? '').replace(server.issuer + ADMIN_API, '')
    expect(path).toBe(`/apps/${made.app.id}`)
    const type = 'application/merge-patch+json'
    const { body } = await admin.call('PATCH', path, {
      json: { description: null, access_ttl_seconds: null, scopes: null, name: 'Merged' },
      type,
      headers: { 'if-match': headers.get('etag') ?? '' },
    })
    expect(body).toMatchObject({
      name: 'Merged',
      description: null,
      access_ttl_seconds: null,
      scopes: [],
      homepage_url: 'https://example.com/',
      redirect_uris: app.redirect_uris,
      version: Number(made.app.version) + 1,
    })
  })

  it('takes effect at once: a secret, a suspension, the tokens of an app', async () => {
    const client = await registerApp(server)
    const oauth = createOAuthClient(server, client)
    const { access } = await oauth.authorize()
    const { body } = await admin.post(`${pathOf(client)}/secrets`)
    const changed = createOAuthClient(server, { ...client, secret: body.client_secret as string })
    expect(await changed.isActive(access)).toBe(true)
    await admin.delete(`${pathOf(client)}/secrets/${client.app.secrets[0]?.id ?? ''}`)
    expect((await oauth.introspect(access)).status).toBe(401)
    await admin.post(`${pathOf(client)}/revoke-tokens`)
    await purged(server)
    expect(await changed.isActive(access)).toBe(false)
    await admin.post(`${pathOf(client)}/suspend`, { reason: 'Enough' })
    expect((await changed.introspect(access)).status).toBe(401)
    const deleted = await admin.delete(`${pathOf(client)}?reason=Over`)
    expect(deleted.body).toMatchObject({ status: 'deleted', status_reason: 'Over' })
    expect((await admin.patch(pathOf(client), { name: 'Back' })).body.code).toBe('not_found')
  })
})

describe('lists', () => {
  async function walk(path: string, onPage?: () => Promise<void>): Promise<string[]> {
    const seen: string[] = []
    let next: string | undefined = path
    while (next !== undefined) {
      const answer: AdminAnswer = await admin.get(next)
      expect(answer.status).toBe(200)
      const items = answer.body.items as { id: string }[]
      seen.push(...items.map(({ id }) => id))
      const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
      expect(link === undefined).toBe(answer.body.next_cursor === null)
      if (link !== undefined)
        expect(new URL(link).searchParams.get('cursor')).toBe(answer.body.next_cursor)
      next = link?.replace(server.issuer + ADMIN_API, '')
      await onPage?.()
    }
    return seen
  }

  it('show every app once, while apps are being added', async () => {
    const there = await Promise.all(
      Array.from({ length: 60 }, (_, at) => registerApp(server, { name: `Paged ${at}` })),
    )
    let added = 0
    const seen = await walk('/apps?search=Paged&limit=7', async () => {
      await registerApp(server, { name: `Paged later ${(added += 1)}` })
    })
    expect(added).toBeGreaterThanOrEqual(9)
    expect(new Set(seen).size).toBe(seen.length)
    expect([...seen].sort()).toEqual(there.map(({ id }) => id).sort())
  })

  it('show every account once', async () => {
    const there = []
    for (let at = 0; at < 23; at += 1)
      there.push(await createAccount(server, { name: 'Paged Person' }))
    const seen = await walk('/accounts?search=Paged%20Person&limit=5')
    expect([...seen].sort()).toEqual(there.map(({ id }) => id).sort())
  })

  it('are filtered by the role of people and by the scope of apps, which is counted too', async () => {
    const scope = `filtered-${Math.random().toString(36).slice(2)}:read`
    await createScopes(server, [scope])
    const use = async (): Promise<unknown> => (await admin.get(`/scopes/${scope}/use`)).body
    expect(await use()).toEqual({ apps_count: 0 })
    const [one, gone] = [
      await registerApp(server, { scopes: [scope] }),
      await registerApp(server, { scopes: [scope] }),
    ]
    await registerApp(server, { scopes: [] })
    await server.services.apps.remove(gone.id, 'Retired')
    expect(await walk(`/apps?scope=${scope}&limit=1`)).toEqual([one.id])
    expect(await use()).toEqual({ apps_count: 1 })
    const [chief, member] = [
      await createAccount(server, { name: 'Filtered Person', role: 'admin' }),
      await createAccount(server, { name: 'Filtered Person' }),
    ]
    expect(await walk('/accounts?search=Filtered%20Person&role=admin')).toEqual([chief.id])
    expect(await walk('/accounts?search=Filtered%20Person&role=member')).toEqual([member.id])
    expect((await admin.get('/accounts?role=chief')).status).toBe(400)
    expect((await admin.get('/scopes/no:such/use')).status).toBe(404)
  })

  it('show every event of a filter once', async () => {
    await server.services.audit.flush()
    const all = await walk('/events?name=app.registered&limit=20')
    const { length } = await server.infrastructure.db
      .selectFrom('events')
      .select('id')
      .where('name', '=', 'app.registered')
      .execute()
    expect(all.length).toBe(new Set(all).size)
    expect(all.length).toBe(length)
  })

  it('show every sum of a period once', async () => {
    await server.services.audit.flush()
    const day = new Date(server.clock()).toISOString().slice(0, 10)
    const sums: unknown[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body }: AdminAnswer = await admin.get(
        `/usage?from=2020-01-01&to=${day}&limit=3&cursor=${cursor}`,
      )
      sums.push(...(body.items as unknown[]))
      cursor = body.next_cursor as string | null
    }
    const { body } = await admin.get(`/usage?from=2020-01-01&to=${day}&limit=1000`)
    expect(sums.length).toBeGreaterThan(3)
    expect(sums).toEqual(body.items)
  })

  it('ask the database as often for 50 apps as for one', async () => {
    const { db } = server.infrastructure
    const count = async (path: string): Promise<number> => {
      let queries = 0
      const executor = db.getExecutor()
      const execute = executor.executeQuery.bind(executor)
      executor.executeQuery = (...given) => {
        // What the server does in the background meanwhile reads and writes other tables.
        if (/^select .* from "(?:apps|app_secrets|accounts|events)"/s.test(given[0].sql))
          queries += 1
        return execute(...given)
      }
      await admin.get(path)
      executor.executeQuery = execute
      return queries
    }
    for (const list of ['/apps', '/accounts', '/events']) {
      const one = await count(`${list}?limit=1`)
      expect(await count(`${list}?limit=50`)).toBe(one)
      expect(one).toBeGreaterThan(0)
      expect(one).toBeLessThanOrEqual(2)
    }
  })
})

describe('an import', () => {
  const emails = (count: number, tag: string): string[] =>
    Array.from({ length: count }, (_, at) => `${tag}-${at}@example.com`)

  it('is read while it arrives, line by line, and told in numbers', async () => {
    const rows = emails(3000, 'bulk').map((email) => `${JSON.stringify({ email })}\n`)
    const stream = new ReadableStream({
      start(controller) {
        // Cut anywhere, also within a line.
        const text = `${rows.join('')}{"email":"nobody"}\n`
        for (let at = 0; at < text.length; at += 997)
          controller.enqueue(Buffer.from(text.slice(at, at + 997)))
        controller.close()
      },
    })
    const answer = await fetch(`${server.url}${ADMIN_API}/account-imports`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/x-ndjson' },
      body: stream,
      duplex: 'half',
    })
    expect(await answer.json()).toMatchObject({
      created: 3000,
      existing: 0,
      refused: 1,
      problems: [{ line: 3001, problems: [{ field: 'email' }] }],
    })
    const again = await admin.call('POST', '/account-imports?dry_run=true', {
      raw: `email\n${[...emails(10, 'bulk'), ...emails(5, 'dry')].join('\n')}\n`,
      type: 'text/csv',
    })
    expect(again.body).toMatchObject({ created: 5, existing: 10, refused: 0 })
    expect((await admin.get('/accounts?search=dry-1@')).body.items).toEqual([])
  })

  it.each([
    ['a line without end', 'x'.repeat(200_000), 'text/csv', 413, 'import_line_too_long'],
    ['another type', '{}', 'application/json', 415, 'media_type_unsupported'],
  ])('is refused: %s', async (_, raw, type, status, code) => {
    const answer = await admin.call('POST', '/account-imports', { raw, type })
    expect([answer.status, answer.body.code]).toEqual([status, code])
    assertDescribed('importAccounts', answer)
  })
})
