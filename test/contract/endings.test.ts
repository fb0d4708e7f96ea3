// What was ended is in the database before it is answered: the order of the rows, their end, and
// what happens while the database is away.
import {
  createEndedStore,
  type EndedStore,
  type Ending,
} from '../../src/revocations/ended.store.ts'
import { createEndings } from '../../src/revocations/endings.ts'
import type { Revocation } from '../../src/revocations/revocation-log.ts'
import { AppError } from '../../src/shared/errors.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { quiet } from './short-lived-stores.ts'

const HOUR = 3_600_000

const ending = (family: string, more: Partial<Ending> = {}): Ending => ({
  family,
  reason: 'client',
  endedAt: Date.now(),
  keepUntil: Date.now() + HOUR,
  ...more,
})

describe.each(DATABASES)('on $name', ({ open }) => {
  let database: OpenDatabase
  let store: EndedStore
  beforeEach(async () => {
    database = await open()
    store = createEndedStore(database.db)
  })
  afterEach(() => database[Symbol.asyncDispose]())
  const after = async (seq: number, limit = 1000) =>
    (await store.listAfter(seq, new Date(), limit)).map((row) => `${row.seq} ${row.family}`)

  it('numbers endings without gaps, in the order in which they were written down', async () => {
    expect(await store.last()).toBe(0)
    expect(await store.add([ending('a'), ending('b')])).toBe(2)
    expect(await store.add([ending('c', { token: 'hash', epoch: 'e1' })])).toBe(3)
    expect(await after(0)).toEqual(['1 a', '2 b', '3 c'])
    expect(await after(1, 1)).toEqual(['2 b'])
    expect(await store.listAfter(2, new Date(), 10)).toEqual([
      expect.objectContaining({ family: 'c', token: 'hash', epoch: 'e1', reason: 'client' }),
    ])
    expect(await store.last()).toBe(3)
  })

  it('lets whoever sees a number see every row below it, however many write at once', async () => {
    const writers = Array.from({ length: 40 }, (_, writer) =>
      store.add(Array.from({ length: (writer % 3) + 1 }, () => ending(`w${writer}`))),
    )
    const progress = { isOver: false }
    const all = Promise.all(writers).then(() => (progress.isOver = true))
    while (!progress.isOver) {
      const last = await store.last()
      const rows = await store.listAfter(0, new Date(), 1000)
      expect(rows.filter(({ seq }) => seq <= last)).toHaveLength(last)
    }
    await all
    expect(await store.last()).toBe(await after(0).then((rows) => rows.length))
  })

  it('forgets what no copy of the store can know any more, and never gives a number twice', async () => {
    await store.add([ending('a', { keepUntil: Date.now() - 1 }), ending('b')])
    expect(await after(0)).toEqual(['2 b'])
    expect(await store.removeExpired(new Date())).toBe(1)
    expect(await store.removeExpired(new Date(Date.now() + 2 * HOUR))).toBe(1)
    expect(await after(0)).toEqual([])
    expect(await store.add([ending('c')])).toBe(3)
  })

  it('shares a statement among the endings of one moment', async () => {
    const told: Revocation[] = []
    let statements = 0
    await using endings = createEndings({
      store: {
        add(batch) {
          statements += 1
          return store.add(batch)
        },
      },
      log: {
        append(revocation) {
          told.push(revocation)
          return Promise.resolve()
        },
      },
      logger: quiet,
    })
    await Promise.all(Array.from({ length: 1200 }, (_, at) => endings.record(ending(`g${at}`))))
    expect(await after(0, 2000)).toHaveLength(1200)
    expect(told).toHaveLength(1200)
    expect(statements).toBeLessThanOrEqual(5)
  })
})

it('says 503 while the database is away, and writes down what it owes when it is back', async () => {
  const written: string[] = []
  let isAway = true
  const endings = createEndings({
    store: {
      add(batch) {
        if (isAway) return Promise.reject(new AppError('temporarily_unavailable'))
        written.push(...batch.map(({ family }) => family))
        return Promise.resolve(written.length)
      },
    },
    log: { append: () => Promise.resolve() },
    logger: quiet,
  })
  const outcomes = await Promise.allSettled([
    endings.record(ending('a')),
    endings.record(ending('b')),
  ])
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ reason: { code: 'temporarily_unavailable' } })
  isAway = false
  await endings[Symbol.asyncDispose]()
  expect(written.sort()).toEqual(['a', 'b'])
})

it('is not answered before it is written down, whatever the log says', async () => {
  let finish = (): void => undefined
  const gate = new Promise<void>((resolve) => (finish = resolve))
  await using endings = createEndings({
    store: { add: () => gate.then(() => 1) },
    log: { append: () => Promise.resolve() },
    logger: quiet,
  })
  let isAnswered = false
  const answered = endings.record(ending('a')).then(() => (isAnswered = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(isAnswered).toBe(false)
  finish()
  await answered
})
