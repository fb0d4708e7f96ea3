// What the embedded store keeps over a restart and a kill, and what happens if its journal cannot
// be written.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { jest } from '@jest/globals'
import { sql } from 'kysely'
import { openEmbeddedStore } from '../../src/grants/embedded-family.store.ts'
import { IN_MEMORY, openDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'
import { createMovableClock, quiet } from './short-lived-stores.ts'

const MINUTE = 60_000

// Each test opens PGlite on the disk several times.
jest.setTimeout(90_000)

let directory: string
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'otesse-test-embedded-')), 'data')
})
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

async function openIn(where: string, clock = createMovableClock()) {
  const { db, ...database } = await openDatabase({ kind: 'pglite', directory: where }, quiet)
  await migrate(db)
  const store = await openEmbeddedStore(db, clock)
  return {
    db,
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

it('keeps families, records and indexes over a restart, with the time that each had left', async () => {
  const clock = createMovableClock()
  {
    await using before = await openIn(directory, clock)
    const { store } = before
    await store.commit('family', {
      expect: [],
      put: [
        { name: 'g', value: 'grant', ttlMillis: MINUTE },
        { name: 'c:1', value: 'code', ttlMillis: MINUTE },
        { name: 'a:1', value: 'short', ttlMillis: MINUTE },
      ],
      extend: [{ name: 'g', ttlMillis: 10 * MINUTE }],
    })
    await store.commit('family', { expect: [{ name: 'c:1', state: 'present' }], remove: ['c:1'] })
    await store.putRecord('s:1', 'session', 10 * MINUTE)
    await store.putRecord('s:2', 'signed out', 10 * MINUTE)
    await store.removeRecord('s:2')
    await store.addToIndex('u:acc', 'g1 app_1', clock() + 10 * MINUTE, clock())
    await store.addToIndex('u:acc', 'g2 app_1', clock() + MINUTE, clock())
    await store.addToIndex('u:acc', 'g3 app_1', clock() + 10 * MINUTE, clock())
    await store.removeFromIndex('u:acc', ['g3 app_1'])
  }
  clock.move(2 * MINUTE)
  {
    await using after = await openIn(directory, clock)
    const { store } = after
    expect(await store.read('family', ['g', 'c:1', 'a:1'])).toEqual(['grant', undefined, undefined])
    expect(await store.findRecord('s:1')).toBe('session')
    expect(await store.findRecord('s:2')).toBeUndefined()
    expect(await store.listIndex('u:acc', clock(), 0, 10)).toEqual(['g1 app_1'])
    // What has ended is gone from the disk as well.
    const rows = await after.db.selectFrom('grant_journal').select('key').orderBy('key').execute()
    expect(rows.map(({ key }) => key)).toEqual(['family:g', 's:1', 'x:u:acc g1 app_1'])
    clock.move(9 * MINUTE)
    expect(await store.read('family', ['g'])).toEqual([undefined])
  }
})

it('keeps every answer that was given when the process is killed', async () => {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'embedded-store-writer.ts'), directory],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const answers: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    answers.push(line)
    if (answers.length === 150) child.kill('SIGKILL')
  })
  const [, signal] = (await once(child, 'exit')) as [unknown, string]
  if (!child.stdout.readableEnded) await once(lines, 'close')
  expect(signal).toBe('SIGKILL')
  expect(answers.length).toBeGreaterThanOrEqual(150)

  await using after = await openIn(directory)
  const removed = new Set(
    answers.filter((line) => line.startsWith('removed ')).map((line) => line.slice(8)),
  )
  const put = answers.filter((line) => line.startsWith('put ')).map((line) => line.slice(4))
  expect(removed.size).toBeGreaterThan(10)
  const found = await Promise.all(
    put.map(async (family) => (await after.store.read(family, ['g']))[0]),
  )
  for (const [at, family] of put.entries()) {
    if (removed.has(family)) expect(found[at]).toBeUndefined()
  }
  // The last grant of each writer may have been removed without an answer. All others that were not
  // removed are there.
  const missing = put.filter((family, at) => !removed.has(family) && found[at] !== family)
  expect(missing.length).toBeLessThanOrEqual(5)
  expect(put.filter((family, at) => found[at] === family).length).toBeGreaterThan(0)
})

it('answers a commit only when it is written: what cannot be written has not happened, but for what ends', async () => {
  await using opened = await openIn(directory)
  const { db, store, clock } = opened
  const present = (name: string) => ({ name, state: 'present' }) as const
  const put = (name: string) => ({ name, value: 'x', ttlMillis: MINUTE })
  await store.commit('old', { expect: [], put: [{ name: 'g', value: 'grant', ttlMillis: MINUTE }] })
  await store.commit('other', { expect: [], put: [put('g'), put('c:1')] })
  await sql`alter table grant_journal rename to grant_journal_away`.execute(db)
  await expect(store.commit('new', { expect: [], put: [put('g')] })).rejects.toThrow()
  await expect(store.commit('old', { expect: [], remove: ['g'] })).rejects.toThrow()
  // A revocation counts from the moment that it was tried.
  expect(await store.read('old', ['g'])).toEqual([undefined])
  expect(await store.read('new', ['g'])).toEqual([undefined])
  // What rests on something that could not be written falls with it, in whichever batch it is.
  const racing = await Promise.allSettled([
    store.commit('other', { expect: [present('c:1')], put: [put('r')], remove: ['c:1'] }),
    store.commit('other', {
      expect: [present('r')],
      put: [put('a:2')],
      increment: [{ name: 'n', ttlMillis: MINUTE }],
    }),
    Promise.resolve().then(() =>
      store.commit('other', { expect: [present('r')], put: [put('a:1')] }),
    ),
  ])
  expect(racing.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  const untouched = ['x', 'x', ...Array<undefined>(4).fill(undefined)]
  expect(await store.read('other', ['g', 'c:1', 'r', 'n', 'a:1', 'a:2'])).toEqual(untouched)
  await sql`alter table grant_journal_away rename to grant_journal`.execute(db)
  await store.putRecord('s:1', 'session', MINUTE)
  const again = await openEmbeddedStore(db, clock)
  expect(await again.read('old', ['g'])).toEqual([undefined])
  expect(await again.read('new', ['g'])).toEqual([undefined])
  expect(await again.read('other', ['g', 'c:1', 'r', 'n', 'a:1', 'a:2'])).toEqual(untouched)
  expect(await again.findRecord('s:1')).toBe('session')
  await again[Symbol.asyncDispose]()
})

it('forgets nothing of a crowd that shares one write', async () => {
  await using opened = await openIn(IN_MEMORY)
  const { db, store, clock } = opened
  const families = Array.from({ length: 500 }, (_, at) => `f${at}`)
  await Promise.all(
    families.map(async (family, at) => {
      await store.commit(family, {
        expect: [],
        put: [{ name: 'g', value: family, ttlMillis: MINUTE }],
      })
      if (at % 2 === 0) await store.commit(family, { expect: [], remove: ['g'] })
    }),
  )
  const again = await openEmbeddedStore(db, clock)
  const found = await Promise.all(families.map((family) => again.read(family, ['g'])))
  expect(found.flat()).toEqual(families.map((family, at) => (at % 2 === 0 ? undefined : family)))
  await again[Symbol.asyncDispose]()
})
