// Idempotency-Key: a creation happens once, however often and whenever it is requested, also by two
// servers. What is stored for that is useless to a reader of the database.
import { sql } from 'kysely'
import { createIdempotency } from '../../src/admin/api/idempotency.ts'
import { createIdempotencyRecordStore } from '../../src/admin/api/idempotency-record.store.ts'
import { done, type Reply } from '../../src/admin/api/operation.ts'
import { AppError } from '../../src/shared/errors.ts'
import { startBackgroundJobs } from '../../src/background-jobs.ts'
import {
  type AdminAnswer,
  type AdminClient,
  callAdminApi,
  createAdminClient,
  tokenOf,
} from '../support/admin-client.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, registerApp } from '../support/builders.ts'

const APP = { name: 'Nightly export', type: 'machine' }
const MINUTE = 60_000
const HOUR = 60 * MINUTE

let lastKey = 0
const newKey = (): string => `test-key-${(lastKey += 1)}`
const withKey = (key: string) => ({ headers: { 'idempotency-key': key } })

describe.each(BACKENDS)('the same request again, %s', (backend) => {
  let server: TestApp
  let admin: AdminClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    admin = await createAdminClient(server)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const register = (key: string, name: string) =>
    admin.post('/apps', { ...APP, name }, withKey(key))
  async function countOf(name: string): Promise<number> {
    const { body } = await admin.get(`/apps?search=${encodeURIComponent(name)}`)
    return body.items.length as number
  }
  const keptRows = () => server.infrastructure.db.selectFrom('kept_answers').selectAll().execute()
  /** Makes the server look as if it had died while it answered the first request of a key. */
  const abandon = () =>
    server.infrastructure.db
      .updateTable('kept_answers')
      .set({ status: null, sealed_answer: null })
      .execute()

  it('gets the same answer, with the same secret', async () => {
    const key = newKey()
    const first = await register(key, 'Once')
    const second = await register(key, 'Once')
    expect(first.status).toBe(201)
    expect({ ...second.body, status: second.status }).toEqual({ ...first.body, status: 201 })
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(first.headers.get('idempotency-replayed')).toBeNull()
    for (const name of ['etag', 'location'])
      expect(second.headers.get(name)).toBe(first.headers.get(name))
    expect(await countOf('Once')).toBe(1)
    // Whoever reads the database learns no secret.
    const dump = JSON.stringify(await keptRows())
    expect(dump).not.toContain('otesse_cs_')
    expect(dump).not.toContain(key)
  })

  it('registers one app for 20 requests at the same moment', async () => {
    const key = newKey()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => register(key, 'Race for one')),
    )
    const made = answers.filter(({ status }) => status === 201)
    const busy = answers.filter(({ status }) => status === 409)
    expect(made.length).toBeGreaterThan(0)
    expect(made.length + busy.length).toBe(20)
    expect(new Set(made.map(({ text }) => text)).size).toBe(1)
    for (const { body, headers } of busy) {
      expect(body.code).toBe('idempotency_key_busy')
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(await countOf('Race for one')).toBe(1)
    expect((await register(key, 'Race for one')).text).toBe(made[0]?.text)
  })

  it('is refused with another body, and belongs to its client alone', async () => {
    const key = newKey()
    const { body } = await register(key, 'Mine')
    const reused = await register(key, 'Another')
    expect({ status: reused.status, code: reused.body.code }).toEqual({
      status: 422,
      code: 'idempotency_key_reused',
    })
    const elsewhere = await admin.post('/scopes', { ...APP, name: 'Mine' }, withKey(key))
    expect(elsewhere.body.code).toBe('idempotency_key_reused')
    expect(await countOf('Another')).toBe(0)
    const other = await createAdminClient(server)
    const theirs = await other.post('/apps', { ...APP, name: 'Mine' }, withKey(key))
    expect(theirs.status).toBe(201)
    expect(theirs.body.app.id).not.toBe(body.app.id)
  })

  it('can be mended where it was refused', async () => {
    const key = newKey()
    const before = (await keptRows()).length
    expect((await register(key, '')).status).toBe(422)
    expect((await keptRows()).length).toBe(before)
    expect((await register(key, 'Mended')).status).toBe(201)
  })

  it('waits for a minute where the first was never answered, and is then done anew', async () => {
    const key = newKey()
    await register(key, 'Abandoned')
    await abandon()
    const busy = await register(key, 'Abandoned')
    expect(busy.body.code).toBe('idempotency_key_busy')
    // Another body is no way around the wait.
    expect((await register(key, 'Other')).body.code).toBe('idempotency_key_reused')
    server.clock.move(61_000)
    expect((await register(key, 'Abandoned')).status).toBe(201)
    expect(await countOf('Abandoned')).toBe(2)
  })

  it('is kept for a day, and then swept away', async () => {
    const key = newKey()
    const { body } = await register(key, 'Daily')
    server.clock.move(23 * HOUR)
    const token = await tokenOf(server, admin.client)
    const again = () =>
      callAdminApi(server, token, 'POST', '/apps', {
        json: { ...APP, name: 'Daily' },
        ...withKey(key),
      })
    expect((await again()).body.app.id).toBe(body.app.id)
    await using jobs = startBackgroundJobs(server.infrastructure, server.services)
    await jobs.sweep()
    expect(await keptRows()).not.toEqual([])
    server.clock.move(2 * HOUR)
    await jobs.sweep()
    expect(await keptRows()).toEqual([])
    admin = await createAdminClient(server)
  })

  it.each<[string, () => Promise<[string, unknown]>]>([
    [
      'a secret',
      async () => [`/apps/${(await registerApp(server, { scopes: [] })).id}/secrets`, {}],
    ],
    [
      'a scope',
      () => Promise.resolve(['/scopes', { name: 'once:read', group: 'Once', sentence: 'Once' }]),
    ],
    ['an account', () => Promise.resolve(['/accounts', { email: 'once@example.com' }])],
    ['an invitation', () => Promise.resolve(['/invitations', { email: 'invited@example.com' }])],
    ['a link', async () => [`/accounts/${(await createAccount(server)).id}/reset`, undefined]],
  ])('makes %s once', async (_, prepare) => {
    const [path, json] = await prepare()
    const key = newKey()
    const answers: AdminAnswer[] = []
    for (let count = 0; count < 3; count += 1)
      answers.push(await admin.post(path, json, withKey(key)))
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })

  it.each<[string, string, object]>([
    ['a scope', '/scopes', { name: 'whole:read', group: 'Once', sentence: 'Once' }],
    ['an account', '/accounts', { email: 'whole@example.com' }],
    ['an invitation', '/invitations', { email: 'whole-guest@example.com' }],
    ['an app', '/apps', { ...APP, name: 'Whole' }],
  ])('makes %s with its answer, or neither', async (_, path, json) => {
    const { db } = server.infrastructure
    await sql`
      create function refuse_answers() returns trigger language plpgsql as
      $$ begin raise exception 'no answer is kept' using errcode = '57014'; end $$`.execute(db)
    await sql`
      create trigger refuse_answers before update on kept_answers
      for each row execute function refuse_answers()`.execute(db)
    const key = newKey()
    const failed = await admin.post(path, json, withKey(key))
    await sql`drop trigger refuse_answers on kept_answers`.execute(db)
    await sql`drop function refuse_answers`.execute(db)
    expect(failed.status).toBeGreaterThanOrEqual(500)
    // Nothing was made: neither a conflict nor a busy key.
    expect((await admin.post(path, json, withKey(key))).status).toBe(201)
  })

  it.each(['a b', 'ü', '', 'x'.repeat(201)])('refuses the key %j', async (key) => {
    const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') }
    const { status, body } = await admin.post('/apps', APP, { headers })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'idempotency_key_invalid' })
  })

  it('frees the key where the work failed, unless it may have been done all the same', async () => {
    const { db, sealedBox: box, serverKeys, logger } = server.infrastructure
    const idempotency = createIdempotency({
      store: createIdempotencyRecordStore(db),
      box,
      mac: serverKeys.current('idempotency'),
      clock: server.clock,
      logger,
    })
    const asked = ['POST', '/apps', '{}']
    const keyOf = (isWhole: boolean) => ({ clientId: 'app', header: newKey(), asked, isWhole })
    const key = keyOf(true)
    const failing = () => Promise.reject<Reply>(new AppError('temporarily_unavailable'))
    await expect(idempotency.once(key, failing)).rejects.toThrow('temporarily_unavailable')
    const working = () => Promise.resolve(done({ worked: true }))
    expect(await idempotency.once(key, working)).toMatchObject({ isRepeated: false })
    expect(await idempotency.once(key, failing)).toMatchObject({
      reply: { body: { worked: true } },
      isRepeated: true,
    })
    const inDoubt = keyOf(false)
    await expect(idempotency.once(inDoubt, failing)).rejects.toThrow('temporarily_unavailable')
    await expect(idempotency.once(inDoubt, working)).rejects.toThrow('idempotency_key_busy')
    const refused = keyOf(false)
    const refusing = () => Promise.reject<Reply>(new AppError('not_found'))
    await expect(idempotency.once(refused, refusing)).rejects.toThrow('not_found')
    expect(await idempotency.once(refused, working)).toMatchObject({ isRepeated: false })
  })
})

it('is one request for two servers', async () => {
  await using first = await startTestApp({ backend: 'redis' })
  await using second = await startTestApp({
    backend: 'redis',
    stores: first.stores,
    issuer: first.issuer,
  })
  const admin = await createAdminClient(first)
  const ask = (server: TestApp) =>
    callAdminApi(server, admin.token, 'POST', '/apps', { json: APP, ...withKey('shared') })
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => ask(at % 2 === 0 ? first : second)),
  )
  const made = answers.filter(({ status }) => status === 201)
  expect(made.length).toBeGreaterThan(0)
  expect(
    answers.map(({ status }) => status).filter((status) => status !== 201 && status !== 409),
  ).toEqual([])
  expect(new Set(made.map(({ text }) => text)).size).toBe(1)
  expect((await ask(second)).text).toBe(made[0]?.text)
  expect((await admin.get('/apps?search=Nightly')).body.items).toHaveLength(1)
})
