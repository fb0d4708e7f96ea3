// The audit trail on each real database: nothing is lost or written twice, nothing blocks the
// queue, pages have no gaps, counters are exact.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { openAudit } from '../../src/audit/audit.ts'
import { createEventStore, type NewEvent } from '../../src/audit/event.store.ts'
import { createGaugeStore } from '../../src/audit/gauge.store.ts'
import { createUsageStore } from '../../src/audit/usage.store.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { newAccessToken, newGrantId } from '../../src/shared/token-format.ts'
import type { Database, OpenDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'
import { startPostgres } from '../support/backends.ts'
import { DATABASES, openPostgres } from '../support/migrated-database.ts'

const NOW = Date.UTC(2026, 0, 5, 12)
const pause = (millis: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, millis))

function anEvent(overrides: Partial<NewEvent> = {}): NewEvent {
  return {
    id: `evt_${Math.random().toString(36).slice(2)}`,
    at: NOW,
    name: 'token.issued',
    reason: undefined,
    app_id: undefined,
    account_id: undefined,
    grant_id: undefined,
    actor: undefined,
    address: undefined,
    request_id: undefined,
    data: undefined,
    ...overrides,
  }
}

function openAuditOn(db: Database, queueSize?: number) {
  const metrics = createMetrics({ processMetrics: false })
  const audit = openAudit({
    store: createEventStore(db),
    usageStore: createUsageStore(db),
    metrics,
    logger: createLogger('silent'),
    clock: () => NOW,
    ...(queueSize !== undefined && { queueSize }),
  })
  const valueOf = async (name: 'eventsDropped' | 'eventQueue'): Promise<number> =>
    (await metrics[name].get()).values[0]?.value ?? 0
  return { audit, valueOf }
}

const countEvents = async (db: Database, appId: string): Promise<number> => {
  const row = await db
    .selectFrom('events')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('app_id', '=', appId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

describe.each(DATABASES)('The audit trail on $name', ({ open }) => {
  let database: OpenDatabase
  let db: Database
  beforeAll(async () => {
    database = await open()
    db = database.db
  })
  afterAll(() => database[Symbol.asyncDispose]())

  describe('Events', () => {
    test('are read as they were recorded', async () => {
      const { audit } = openAuditOn(db)
      audit.events.requestRefused(
        {
          appId: 'app_read',
          accountId: 'acc_1',
          grantId: 'g1',
          reason: 'code_used',
          endpoint: 'token',
        },
        { requestId: 'req_1', address: '2001:db8::1', actor: 'acc_1' },
      )
      audit.events.consentGranted({ appId: 'app_read', accountId: 'acc_2', scopes: ['a', 'b'] })
      await audit[Symbol.asyncDispose]()
      const { events, nextCursor } = await createEventStore(db).list({ appId: 'app_read' })
      expect(nextCursor).toBeUndefined()
      expect(events).toEqual([
        {
          id: expect.any(String),
          at: new Date(NOW),
          name: 'consent.granted',
          reason: undefined,
          appId: 'app_read',
          accountId: 'acc_2',
          grantId: undefined,
          actor: undefined,
          address: undefined,
          requestId: undefined,
          data: { scopes: ['a', 'b'] },
        },
        {
          id: expect.any(String),
          at: new Date(NOW),
          name: 'request.refused',
          reason: 'code_used',
          appId: 'app_read',
          accountId: 'acc_1',
          grantId: 'g1',
          actor: 'acc_1',
          address: '2001:db8::1',
          requestId: 'req_1',
          data: { endpoint: 'token' },
        },
      ])
    })

    test('keep their millisecond', async () => {
      const store = createEventStore(db)
      const times = Array.from({ length: 1000 }, (_, at) => NOW + at * 7_919_123)
      await store.insert(times.map((at) => anEvent({ at, app_id: 'app_millis' })))
      const { events } = await store.list({ appId: 'app_millis', limit: 500 })
      expect(events.map(({ at }) => at.getTime())).toEqual(times.toReversed().slice(0, 500))
    })

    test('that were written already are not written twice', async () => {
      const store = createEventStore(db)
      const first = anEvent({ app_id: 'app_twice', name: 'first' })
      await store.insert([first])
      await store.insert([
        { ...first, name: 'changed' },
        anEvent({ app_id: 'app_twice', at: NOW + 1 }),
      ])
      const { events } = await store.list({ appId: 'app_twice' })
      expect(events.map(({ name }) => name)).toEqual(['token.issued', 'first'])
    })

    test('with characters that Postgres refuses do not block the queue', async () => {
      const store = createEventStore(db)
      await store.insert([
        anEvent({
          app_id: 'app_odd',
          actor: 'NUL \0\0 inside',
          data: { name: 'half \ud83d\udc04 cow' },
        }),
        anEvent({
          app_id: 'app_odd',
          at: NOW - 1,
          address: 'lone \ud800\udbff',
          data: { '\0': ['\udc00'] },
        }),
        anEvent({ app_id: 'app_odd', at: NOW - 2, actor: 'a backslash \\u0000 and \\\\ud800' }),
      ])
      const { events } = await store.list({ appId: 'app_odd' })
      expect(events.map(({ actor, address, data }) => ({ actor, address, data }))).toEqual([
        { actor: 'NUL \ufffd\ufffd inside', address: undefined, data: { name: 'half 🐄 cow' } },
        { actor: undefined, address: 'lone \ufffd\ufffd', data: { '\ufffd': ['\ufffd'] } },
        { actor: 'a backslash \\u0000 and \\\\ud800', address: undefined, data: undefined },
      ])
    })

    test('never hold a token, even one that got there by mistake', async () => {
      const token = newAccessToken(newGrantId())
      const store = createEventStore(db)
      await store.insert([anEvent({ app_id: 'app_leak', actor: token, data: { diff: [token] } })])
      const { events } = await store.list({ appId: 'app_leak' })
      expect(JSON.stringify(events)).not.toContain(token)
      expect(events[0]?.actor).toBe('otesse_at_[redacted]')
    })

    test('are listed page by page, newest first, without gaps, also among equal times and new arrivals', async () => {
      const store = createEventStore(db)
      const recorded = Array.from({ length: 95 }, (_, at) =>
        anEvent({ app_id: 'app_pages', at: NOW + Math.floor(at / 10), id: `evt_page${1000 + at}` }),
      )
      await store.insert(recorded)
      const seen: string[] = []
      let cursor: string | undefined
      let pages = 0
      do {
        const page = await store.list({ appId: 'app_pages', limit: 10, cursor })
        seen.push(...page.events.map(({ id }) => id))
        cursor = page.nextCursor
        pages += 1
        await store.insert([anEvent({ app_id: 'app_pages', at: NOW + 1_000_000 })])
      } while (cursor !== undefined)
      expect(seen).toEqual(recorded.map(({ id }) => id).toReversed())
      expect(pages).toBe(10)
    })

    test('are found by app, account and name, alone and together', async () => {
      const store = createEventStore(db)
      await store.insert([
        anEvent({ app_id: 'app_f', account_id: 'acc_f', name: 'login.failed' }),
        anEvent({ app_id: 'app_f', account_id: 'acc_g', name: 'login.failed' }),
        anEvent({ app_id: 'app_g', account_id: 'acc_f', name: 'login.failed' }),
        anEvent({ app_id: 'app_f', account_id: 'acc_f', name: 'code.issued' }),
      ])
      const count = async (query: Parameters<typeof store.list>[0]): Promise<number> =>
        (await store.list(query)).events.length
      expect(await count({ appId: 'app_f' })).toBe(3)
      expect(await count({ accountId: 'acc_f' })).toBe(3)
      expect(await count({ name: 'login.failed' })).toBe(3)
      expect(await count({ appId: 'app_f', accountId: 'acc_f', name: 'login.failed' })).toBe(1)
    })

    test('are found by reason, actor and time, the first moment included and the last not', async () => {
      const store = createEventStore(db)
      await store.insert([
        anEvent({ app_id: 'app_w', at: NOW, actor: 'acc_w', reason: 'code_used' }),
        anEvent({ app_id: 'app_w', at: NOW + 1, actor: 'cli', reason: 'code_used' }),
        anEvent({ app_id: 'app_w', at: NOW + 2, actor: 'acc_w', reason: 'pkce_mismatch' }),
      ])
      const times = async (query: Parameters<typeof store.list>[0]): Promise<number[]> =>
        (await store.list({ appId: 'app_w', ...query })).events.map(({ at }) => at.getTime() - NOW)
      expect(await times({ reason: 'code_used' })).toEqual([1, 0])
      expect(await times({ actor: 'acc_w' })).toEqual([2, 0])
      expect(await times({ from: new Date(NOW + 1) })).toEqual([2, 1])
      expect(await times({ to: new Date(NOW + 2) })).toEqual([1, 0])
      expect(await times({ from: new Date(NOW + 1), to: new Date(NOW + 2) })).toEqual([1])
      expect(await times({ reason: 'code_used', actor: 'acc_w', to: new Date(NOW) })).toEqual([])
    })

    test('are searched for with moments and texts that no database can hold', async () => {
      const store = createEventStore(db)
      await store.insert([anEvent({ app_id: 'app_far' })])
      const from = new Date('-000001-01-01T00:00:00Z')
      const to = new Date('+010000-01-02T00:00:00Z')
      expect((await store.list({ appId: 'app_far', from, to })).events).toHaveLength(1)
      expect((await store.list({ appId: 'app_far', from: to })).events).toEqual([])
      for (const field of ['appId', 'accountId', 'name', 'reason', 'actor'] as const)
        expect((await store.list({ [field]: 'app_far\0' })).events).toEqual([])
    })

    test.each([
      '',
      'x',
      '1',
      '1.',
      '99999999999999999999.evt',
      '253402300800000.evt',
      "1.evt'; drop table events",
    ])('are not listed from the cursor %j', async (cursor) => {
      const listing = async () => createEventStore(db).list({ cursor })
      await expect(listing()).rejects.toMatchObject({
        code: 'parameter_invalid',
        about: 'cursor',
      })
    })

    test('older than the retention are removed in bounded batches, the oldest first', async () => {
      const store = createEventStore(db)
      const longAgo = Date.UTC(2001, 0, 1)
      await store.insert(
        Array.from({ length: 25 }, (_, at) => anEvent({ app_id: 'app_old', at: longAgo + at })),
      )
      await store.insert([anEvent({ app_id: 'app_old', at: longAgo + 1000 })])
      const before = new Date(longAgo + 1000)
      expect(await store.removeOlderThan(before, 10)).toBe(10)
      const { events } = await store.list({ appId: 'app_old' })
      expect(events.at(-1)?.at).toEqual(new Date(longAgo + 10))
      expect(await store.removeOlderThan(before, 10)).toBe(10)
      expect(await store.removeOlderThan(before, 10)).toBe(5)
      expect(await store.removeOlderThan(before, 10)).toBe(0)
      expect(await countEvents(db, 'app_old')).toBe(1)
    })
  })

  describe('A burst of 2 000 events', () => {
    test('arrives whole when the queue holds it', async () => {
      const { audit, valueOf } = openAuditOn(db)
      for (let count = 0; count < 2000; count += 1)
        audit.events.tokenIssued({ appId: 'app_burst', grantType: 'client_credentials' })
      expect(await audit.flush()).toBe(true)
      expect(await countEvents(db, 'app_burst')).toBe(2000)
      expect(await valueOf('eventsDropped')).toBe(0)
      await audit[Symbol.asyncDispose]()
    })

    test('while the table is locked stays bounded, counts what it drops, and delivers the newest later', async () => {
      const { audit, valueOf } = openAuditOn(db, 500)
      await holdingEvents(db, async () => {
        for (let count = 0; count < 2000; count += 1)
          audit.events.tokenIssued({
            appId: 'app_held',
            grantId: `g${count}`,
            grantType: 'client_credentials',
          })
        await pause(400)
        expect(await valueOf('eventsDropped')).toBe(1500)
      })
      await audit[Symbol.asyncDispose]()
      const { events } = await createEventStore(db).list({ appId: 'app_held', limit: 500 })
      expect(events.map(({ grantId }) => grantId)).toEqual(
        Array.from({ length: 500 }, (_, at) => `g${1999 - at}`),
      )
      expect(await countEvents(db, 'app_held')).toBe(500)
      expect(await valueOf('eventQueue')).toBe(0)
      const usage = await createUsageStore(db).list({
        from: '2026-01-05',
        to: '2026-01-05',
        appId: 'app_held',
      })
      expect(usage).toMatchObject([{ name: 'token.issued', count: 2000 }])
    })
  })

  describe('Usage', () => {
    test('adds up over several processes that write at once', async () => {
      const processes = Array.from({ length: 8 }, () => openAuditOn(db).audit)
      for (let round = 0; round < 5; round += 1) {
        for (const audit of processes) audit.count('token.introspected', 'app_sum', 'active')
        await Promise.all(processes.map((audit) => audit.flush()))
      }
      for (const audit of processes) await audit[Symbol.asyncDispose]()
      const today = { from: '2026-01-05', to: '2026-01-05' }
      expect(await createUsageStore(db).list({ ...today, appId: 'app_sum' })).toMatchObject([
        { name: 'token.introspected', reason: 'active', count: 40 },
      ])
    })

    test('of processes that count the same apps in opposite orders does not deadlock', async () => {
      const store = createUsageStore(db)
      const row = { hour: '2023-01-01T05:00:00Z', name: 'token.issued', reason: '', count: 1 }
      const forwards = Array.from({ length: 2000 }, (_, at) => ({ ...row, appId: `app_${at}` }))
      const backwards = forwards.toReversed()
      await store.add(forwards)
      await Promise.all([1, 2, 3].flatMap(() => [store.add(forwards), store.add(backwards)]))
      const counts = await store.list({ from: '2023-01-01', to: '2023-01-01' })
      expect(counts.length).toBe(2000)
      expect(new Set(counts.map(({ count }) => count))).toEqual(new Set([7]))
    })

    test('is listed by app and period, both ends included', async () => {
      const store = createUsageStore(db)
      const row = { name: 'token.issued', reason: '', count: 3 }
      const days = ['2025-02-28', '2025-03-01', '2025-03-31', '2025-04-01']
      for (const appId of ['app_p', 'app_q'])
        await store.add(days.map((day) => ({ hour: `${day}T23:00:00Z`, appId, ...row })))
      await store.add([
        {
          ...row,
          hour: '2025-03-01T00:00:00Z',
          appId: 'app_p',
          name: 'request.refused',
          reason: 'code_used',
        },
      ])
      const march = { from: '2025-03-01', to: '2025-03-31' }
      expect(await store.list({ ...march, appId: 'app_p' })).toEqual([
        {
          day: '2025-03-01',
          appId: 'app_p',
          name: 'request.refused',
          reason: 'code_used',
          count: 3,
        },
        { day: '2025-03-01', appId: 'app_p', ...row },
        { day: '2025-03-31', appId: 'app_p', ...row },
      ])
      expect(await store.list(march)).toHaveLength(5)
      expect(await store.list({ ...march, name: 'request.refused' })).toHaveLength(1)
    })

    test('counts beyond 32 bits', async () => {
      const store = createUsageStore(db)
      const row = { appId: 'app_big', name: 'token.issued', reason: '' }
      const day = '2024-01-01'
      for (const hour of [`${day}T01:00:00Z`, `${day}T02:00:00Z`])
        await store.add([{ ...row, hour, count: 3_000_000_000 }])
      expect(await store.list({ from: day, to: day })).toEqual([
        { ...row, day, count: 6_000_000_000 },
      ])
    })

    test('has the same sums by hour and by day, over all apps and of each', async () => {
      const store = createUsageStore(db)
      const row = { name: 'token.refreshed', reason: '' }
      await store.add([
        { ...row, hour: '2022-05-01T22:00:00Z', appId: 'app_h', count: 1 },
        { ...row, hour: '2022-05-01T23:00:00Z', appId: 'app_h', count: 2 },
        { ...row, hour: '2022-05-02T00:00:00Z', appId: 'app_h', count: 4 },
        { ...row, hour: '2022-05-02T00:00:00Z', appId: 'app_i', count: 8 },
        { ...row, hour: '2022-05-02T00:00:00Z', appId: '', name: 'login.failed', count: 1 },
      ])
      const from = new Date('2022-05-01')
      const to = new Date('2022-05-03')
      const names = ['token.refreshed']
      const sums = async (step: 'hour' | 'day', appId?: string) =>
        (await store.sums({ step, from, to, appId, names })).map(({ at, count }) => [
          at.toISOString(),
          count,
        ])
      expect(await sums('hour')).toEqual([
        ['2022-05-01T22:00:00.000Z', 1],
        ['2022-05-01T23:00:00.000Z', 2],
        ['2022-05-02T00:00:00.000Z', 12],
      ])
      expect(await sums('day')).toEqual([
        ['2022-05-01T00:00:00.000Z', 3],
        ['2022-05-02T00:00:00.000Z', 12],
      ])
      expect(await sums('day', 'app_i')).toEqual([['2022-05-02T00:00:00.000Z', 8]])
      for (const step of ['hour', 'day'] as const)
        expect(await store.sumsByApp({ step, from, to, names })).toEqual(
          expect.arrayContaining([
            { appId: 'app_h', name: 'token.refreshed', reason: '', count: 7 },
            { appId: 'app_i', name: 'token.refreshed', reason: '', count: 8 },
          ]),
        )
      expect(await store.removeHoursBefore(new Date('2022-05-02'), 1)).toBe(1)
      expect(await store.removeHoursBefore(new Date('2022-05-02'))).toBe(1)
      expect(await sums('hour')).toEqual([['2022-05-02T00:00:00.000Z', 12]])
      expect(await sums('day')).toHaveLength(2)
    })

    test('gauges are sampled by one process an hour; of days long ago the last sample is kept', async () => {
      const gauges = createGaugeStore(db)
      const hour = (at: number) => new Date(Date.UTC(2022, 5, 1, at))
      expect(await gauges.claim(hour(1))).toBe(true)
      expect(await gauges.claim(hour(1))).toBe(false)
      await gauges.release(hour(1))
      expect(await gauges.claim(hour(1))).toBe(true)
      for (const at of [1, 2, 23, 25])
        await gauges.add(hour(at), [
          { appId: 'app_g', name: 'grants.live', value: at },
          { appId: '', name: 'grants.live', value: at },
        ])
      const valuesOf = async () =>
        (await gauges.list({ appId: 'app_g', from: hour(0), to: hour(48) })).map(
          ({ value }) => value,
        )
      expect(await valuesOf()).toEqual([1, 2, 23, 25])
      expect(await gauges.latest(hour(0))).toMatchObject([
        { appId: '', value: 25 },
        { appId: 'app_g', value: 25 },
      ])
      while ((await gauges.thinOut(hour(48), 2)) > 0);
      expect(await valuesOf()).toEqual([23, 25])
    })

    test.each(['', '2026-13-01', '2026-02-30', '2026-01-01x', 'yesterday', "2026-01-01'; --"])(
      'is not listed from the day %j',
      async (from) => {
        await expect(createUsageStore(db).list({ from, to: '2026-01-05' })).rejects.toMatchObject({
          code: 'parameter_invalid',
          about: 'from',
        })
      },
    )
  })
})

test('Events of a time when Postgres hung are delivered once, although the first attempt may have been carried out late', async () => {
  await using server = await startPostgres()
  await using database = await openPostgres(server.url, 500)
  await migrate(database.db)
  const { audit, valueOf } = openAuditOn(database.db)
  const issue = (count: number): void => {
    for (let left = count; left > 0; left -= 1)
      audit.events.tokenIssued({ appId: 'app_hung', grantType: 'client_credentials' })
  }
  issue(10)
  expect(await audit.flush()).toBe(true)
  issue(2000)
  server.pause()
  const start = performance.now()
  expect(await audit.flush()).toBe(false)
  expect(performance.now() - start).toBeLessThan(2000)
  issue(90)
  server.resume()
  await audit[Symbol.asyncDispose]()
  expect(await valueOf('eventsDropped')).toBe(0)
  expect(await countEvents(database.db, 'app_hung')).toBe(2100)
})

test('A process with waiting events and counts ends by itself', async () => {
  const path = (file: string): string => new URL(`../../src/audit/${file}`, import.meta.url).href
  const program = `
    const { openEventQueue } = await import(${JSON.stringify(path('event-queue.ts'))})
    const { openUsage } = await import(${JSON.stringify(path('usage.ts'))})
    const logger = { info() {}, warn() {}, error() {} }
    const queue = openEventQueue({
      write: () => Promise.reject(new Error('away')), logger, dropped: { inc() {} }, size: { set() {} },
      flushEveryMillis: 60_000,
    })
    const usage = openUsage({ store: { add: async () => {} }, logger, clock: () => 1, flushEveryMillis: 60_000 })
    queue.push(1)
    usage.count('token.issued')
    await queue.flush()
    queue.push(2)`
  const args = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program]
  await expect(
    promisify(execFile)(process.execPath, args, { timeout: 10_000 }),
  ).resolves.toMatchObject({ stderr: '' })
})

/** Does the work while nobody else can write events: PGlite has one connection, Postgres a lock. */
async function holdingEvents(db: Database, work: () => Promise<void>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`lock table events in exclusive mode`.execute(transaction)
    await work()
  })
}
