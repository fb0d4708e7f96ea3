// The short-lived store of embedded mode: maps in this process, journalled to the database before a
// change is answered, so that a restart forgets nothing that anyone was told. Invariants: a commit
// checks and changes the maps in one synchronous step, so it is atomic; one that cannot be
// journalled has not happened, but for what ends.
import { sql } from 'kysely'
import type { Clock } from '../shared/clock.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import {
  type Expectation,
  type FamilyChange,
  type IndexPlace,
  isEnding,
  type ShortLivedStore,
} from './family-store.ts'

interface Entry {
  value: string
  expiresAt: number
}

const SWEEP_MILLIS = 60_000
const INDEX_PREFIX = 'x:'

/** Opens the store and reads back what was journalled. */
export async function openEmbeddedStore(db: Database, clock: Clock): Promise<ShortLivedStore> {
  const entries = new Map<string, Entry>()
  const journal = createJournal(db, entries)
  await journal.load(clock())
  const maps = createMaps(entries, journal, clock)
  const { inOrder, list, live, put, remove } = maps
  const sweeper = setInterval(() => {
    maps.removeExpired()
    // Nobody waits for this; what fails is noted again by the next sweep.
    journal.settle().catch(() => undefined)
  }, SWEEP_MILLIS).unref()

  return {
    read: (family, names) => Promise.resolve(names.map((name) => live(`${family}:${name}`)?.value)),
    commit: commit.bind(undefined, maps, journal),
    async takeBack(family, undo) {
      // Where it cannot be written now it is written later.
      await commit(maps, journal, family, undo).catch(() => undefined)
    },
    settled: () => undefined,
    skewMillis: () => 0,
    findRecord: (key) => Promise.resolve(live(key)?.value),
    async putRecord(key, value, ttlMillis) {
      put(key, value, clock() + ttlMillis)
      await journal.settle()
    },
    async removeRecord(key) {
      remove(key)
      await journal.settle()
    },
    async addToIndex(index, member, endsAtMillis) {
      list(index, member, endsAtMillis)
      await journal.settle()
    },
    async removeFromIndex(index, members) {
      for (const member of members) maps.unlist(index, member)
      await journal.settle()
    },
    async raiseInIndex(index, places, { onlyListed = false }) {
      for (const { member, endsAtMillis } of places)
        if (!onlyListed || maps.endOf(index, member) !== undefined)
          list(index, member, endsAtMillis)
      await journal.settle()
    },
    countIndex: (index, nowMillis) => Promise.resolve(inOrder(index, nowMillis).length),
    endsInIndex: (index, members) =>
      Promise.resolve(members.map((member) => maps.endOf(index, member))),
    listIndex(index, nowMillis, offset, limit) {
      const places = inOrder(index, nowMillis).slice(offset, offset + limit)
      return Promise.resolve(places.map(({ member }) => member))
    },
    walkIndex: (index, nowMillis, behind, limit) =>
      Promise.resolve(
        inOrder(index, nowMillis)
          .filter((place) => behind === undefined || byEnd(behind, place) < 0)
          .slice(0, limit),
      ),
    async ping() {
      await withDatabase(() => sql`select 1`.execute(db))
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sweeper)
      await journal.settle()
    },
  }
}

/** Carries a change out, if its expectations hold, and waits until it is on disk. */
async function commit(
  { apply, holds }: Pick<ReturnType<typeof createMaps>, 'apply' | 'holds'>,
  journal: Journal,
  family: string,
  change: FamilyChange,
): Promise<boolean> {
  if (!change.expect.every((expectation) => holds(family, expectation))) return false
  await journal.settle(apply(family, change))
  return true
}

/** Values and indexes in memory; each change of a value is noted in the journal. */
function createMaps(entries: Map<string, Entry>, journal: Pick<Journal, 'change'>, clock: Clock) {
  // index → member → end
  const indexes = new Map<string, Map<string, number>>()
  for (const [key, { expiresAt }] of entries) {
    const separator = key.indexOf(' ')
    if (key.startsWith(INDEX_PREFIX) && separator > 0)
      membersOf(key.slice(INDEX_PREFIX.length, separator)).set(key.slice(separator + 1), expiresAt)
  }

  function membersOf(index: string): Map<string, number> {
    let members = indexes.get(index)
    if (members === undefined) indexes.set(index, (members = new Map<string, number>()))
    return members
  }
  const inOrder = (index: string, nowMillis: number): IndexPlace[] =>
    [...(indexes.get(index) ?? [])]
      .filter(([, endsAtMillis]) => endsAtMillis > nowMillis)
      .map(([member, endsAtMillis]) => ({ member, endsAtMillis }))
      .sort(byEnd)
  const indexEntry = (index: string, member: string): string => `${INDEX_PREFIX}${index} ${member}`
  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key)
    return entry !== undefined && entry.expiresAt > clock() ? entry : undefined
  }
  const put = (key: string, value: string, expiresAt: number): void =>
    journal.change(key, { value, expiresAt })
  const remove = (key: string): void => {
    if (entries.has(key)) journal.change(key, undefined)
  }
  const list = (index: string, member: string, endsAtMillis: number): void => {
    const members = membersOf(index)
    const endsAt = Math.max(endsAtMillis, members.get(member) ?? 0)
    members.set(member, endsAt)
    put(indexEntry(index, member), '', endsAt)
  }
  const holds = (family: string, expectation: Expectation): boolean => {
    const entry = live(`${family}:${expectation.name}`)
    if (expectation.state === 'equals') return entry?.value === expectation.value
    if (expectation.state === 'below') return Number(entry?.value ?? 0) < expectation.limit
    return (entry !== undefined) === (expectation.state === 'present')
  }

  /**
   * Changes the maps; returns what was there before, where the change is one that can be undone.
   */
  function apply(family: string, change: FamilyChange): Changed[] | undefined {
    const now = clock()
    const keys = [...(change.put ?? []), ...(change.extend ?? []), ...(change.increment ?? [])].map(
      ({ name }) => name,
    )
    const before = [...new Set([...keys, ...(change.remove ?? [])])].map((name) => {
      const key = `${family}:${name}`
      return { key, before: entries.get(key) }
    })
    for (const { name, value, ttlMillis } of change.put ?? [])
      put(`${family}:${name}`, value, now + ttlMillis)
    for (const { name, ttlMillis } of change.extend ?? []) {
      const entry = live(`${family}:${name}`)
      if (entry !== undefined && entry.expiresAt < now + ttlMillis)
        put(`${family}:${name}`, entry.value, now + ttlMillis)
    }
    for (const { name, ttlMillis } of change.increment ?? []) {
      const key = `${family}:${name}`
      put(key, String(Number(live(key)?.value ?? 0) + 1), now + ttlMillis)
    }
    for (const name of change.remove ?? []) remove(`${family}:${name}`)
    for (const { index, member, endsAtMillis } of change.list?.entries ?? [])
      list(index, member, endsAtMillis)
    // An end counts from the moment that it was tried.
    if (isEnding(change)) return undefined
    return before
      .map((of) => ({ ...of, after: entries.get(of.key) }))
      .filter((of) => of.before !== of.after)
  }

  const endOf = (index: string, member: string): number | undefined =>
    indexes.get(index)?.get(member)

  function unlist(index: string, member: string): void {
    indexes.get(index)?.delete(member)
    remove(indexEntry(index, member))
  }

  function removeExpired(): void {
    const now = clock()
    for (const [key, { expiresAt }] of entries) if (expiresAt <= now) remove(key)
    for (const [index, members] of indexes) {
      for (const [member, endsAt] of members) if (endsAt <= now) members.delete(member)
      if (members.size === 0) indexes.delete(index)
    }
  }

  return { apply, endOf, holds, inOrder, list, live, put, remove, removeExpired, unlist }
}

const byEnd = (a: IndexPlace, b: IndexPlace): number =>
  a.endsAtMillis - b.endsAtMillis || (a.member === b.member ? 0 : a.member < b.member ? -1 : 1)

/** What one change did to one key. */
interface Changed {
  key: string
  before: Entry | undefined
  after: Entry | undefined
}

interface Journal {
  load(now: number): Promise<void>
  /** Sets or removes an entry and notes that it is to be written. */
  change(key: string, entry: Entry | undefined): void
  /**
   * Resolves when everything noted is written.
   *
   * @param changed is undone where it cannot be written; the rest is written with the next batch
   * @throws {AppError} `temporarily_unavailable`
   */
  settle(changed?: readonly Changed[]): Promise<void>
}

/** Writes noted keys in batches: while one batch is written the next one gathers, so that a crowd shares one write. */
function createJournal(db: Database, entries: Map<string, Entry>): Journal {
  let noted = new Set<string>()
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  // What is not written yet, in the order of time.
  let unwritten: Changed[] = []
  let failure: { error: unknown } | undefined

  function change(key: string, entry: Entry | undefined): void {
    if (entry === undefined) entries.delete(key)
    else entries.set(key, entry)
    noted.add(key)
  }

  /**
   * Brings back what was there, but for what was ended meanwhile. Changes that came later may rest
   * on what failed, so they have not happened either.
   */
  function undo(changes: readonly Changed[]): void {
    for (const { key, before, after } of changes.toReversed())
      if (entries.get(key) === after) change(key, before)
  }

  async function write(): Promise<void> {
    next = undefined
    const batch = noted
    const changes = unwritten
    noted = new Set()
    unwritten = []
    const puts: { key: string; value: string; expires_at: number }[] = []
    const removals: string[] = []
    for (const key of batch) {
      const entry = entries.get(key)
      if (entry === undefined) removals.push(key)
      else puts.push({ key, value: entry.value, expires_at: entry.expiresAt })
    }
    try {
      await withDatabase(() => writeBatch(db, puts, removals))
    } catch (error) {
      // Nothing may be forgotten: what could not be written is tried again with the next batch.
      for (const key of batch) noted.add(key)
      undo([...changes, ...unwritten])
      unwritten = []
      failure = { error }
      throw error
    }
  }

  return {
    async load(now) {
      await db.deleteFrom('grant_journal').where('expires_at', '<=', String(now)).execute()
      const rows = await db.selectFrom('grant_journal').selectAll().execute()
      for (const { key, value, expires_at } of rows)
        entries.set(key, { value, expiresAt: expires_at === null ? Infinity : Number(expires_at) })
    },
    change,
    async settle(changed) {
      if (changed !== undefined) unwritten.push(...changed)
      if (noted.size > 0 && next === undefined) {
        next = writing.catch(() => undefined).then(write)
        writing = next
      }
      const lastFailure = failure
      await (noted.size > 0 ? next : writing)
      // The batch before its own failed, and took it along.
      if (changed !== undefined && failure !== undefined && failure !== lastFailure)
        throw failure.error
    },
  }
}

async function writeBatch(
  db: Database,
  puts: { key: string; value: string; expires_at: number }[],
  removals: string[],
): Promise<void> {
  if (puts.length > 0)
    await sql`
      insert into grant_journal (key, value, expires_at)
      select key, value, expires_at from jsonb_to_recordset(${JSON.stringify(puts)}::jsonb) as row(key text, value text, expires_at bigint)
      on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at`.execute(
      db,
    )
  if (removals.length > 0)
    await sql`
      delete from grant_journal where key in (select jsonb_array_elements_text(${JSON.stringify(removals)}::jsonb))`.execute(
      db,
    )
}
