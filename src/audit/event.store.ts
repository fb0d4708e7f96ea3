// Events in the database, append-only. Invariants: writing a batch twice writes it once (a
// connection may break after the commit), and no event can make its batch unwritable. Called by the
// event queue, the admin's pages and API, and the sweeper.
import { type Selectable, sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { TOKEN_PATTERN } from '../shared/token-format.ts'
import { withDatabase, type Database } from '../storage/database.ts'
import type { EventRow } from '../storage/schema.ts'
import { isStorable, nearestStorable } from '../storage/timestamps.ts'

const PAGE = 50
const MAX_PAGE = 500

/** One event as it is written; the members are the columns. */
export interface NewEvent {
  id: string
  /** Milliseconds since the epoch. */
  at: number
  name: string
  reason: string | undefined
  app_id: string | undefined
  account_id: string | undefined
  grant_id: string | undefined
  actor: string | undefined
  address: string | undefined
  request_id: string | undefined
  data: Record<string, unknown> | undefined
}

/** One event as it is read. */
export interface RecordedEvent {
  id: string
  at: Date
  name: string
  reason: string | undefined
  appId: string | undefined
  accountId: string | undefined
  grantId: string | undefined
  actor: string | undefined
  address: string | undefined
  requestId: string | undefined
  data: Record<string, unknown> | undefined
}

export interface EventQuery {
  appId?: string | undefined
  accountId?: string | undefined
  name?: string | undefined
  reason?: string | undefined
  /** Who did it: an account id, a client id, or `cli`. */
  actor?: string | undefined
  /** The X-Request-Id of the request. */
  requestId?: string | undefined
  /** The first moment that counts. */
  from?: Date | undefined
  /** The first moment that counts no more. */
  to?: Date | undefined
  /** Where the page before ended: its `nextCursor`. */
  cursor?: string | undefined
  /** 50 by default, 500 at most. */
  limit?: number | undefined
}

export interface EventPage {
  events: RecordedEvent[]
  /** `undefined` on the last page. */
  nextCursor: string | undefined
}

/** Keeps events. */
export interface EventStore {
  /** Writes the events in one statement; those that are there already stay as they are. */
  insert(events: readonly NewEvent[]): Promise<void>
  /** Lists events, newest first, that fit every member of the query. @throws {AppError} `parameter_invalid` about `cursor` */
  list(query: EventQuery): Promise<EventPage>
  /** Removes up to `limit` of the oldest events of before that time and returns how many it removed; the sweeper repeats it. */
  removeOlderThan(before: Date, limit?: number): Promise<number>
}

// JSON.stringify escapes NUL and lone halves of surrogate pairs, and Postgres refuses both in
// jsonb: one of them would block the queue.
const UNSTORABLE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g

/** Writes the batch as JSON that Postgres takes, without anything that looks like a token of ours. */
function toJson(events: readonly NewEvent[]): string {
  let json = JSON.stringify(events)
  if (json.includes('\\u')) json = json.replace(UNSTORABLE, '$1\\ufffd')
  if (json.includes('otesse_')) json = json.replace(TOKEN_PATTERN, 'otesse_$1_[redacted]')
  return json
}

const CURSOR = /^(\d{1,15})\.([\w-]{1,64})$/

function parseCursor(cursor: string): { at: Date; id: string } {
  const [, millis, id] = CURSOR.exec(cursor) ?? []
  const at = new Date(Number(millis))
  if (id === undefined || !isStorable(at))
    throw new AppError('parameter_invalid', { about: 'cursor' })
  return { at, id }
}

const readRow = (row: Selectable<EventRow>): RecordedEvent => ({
  id: row.id,
  at: row.at,
  name: row.name,
  reason: row.reason ?? undefined,
  appId: row.app_id ?? undefined,
  accountId: row.account_id ?? undefined,
  grantId: row.grant_id ?? undefined,
  actor: row.actor ?? undefined,
  address: row.address ?? undefined,
  requestId: row.request_id ?? undefined,
  data: row.data ?? undefined,
})

/** Creates the store. */
export function createEventStore(db: Database): EventStore {
  return {
    insert: (events) =>
      withDatabase(async () => {
        await sql`
          insert into events
            (id, at, name, reason, app_id, account_id, grant_id, actor, address, request_id, data)
          select
            id, to_timestamp(at / 1000.0), name, reason, app_id, account_id, grant_id, actor, address, request_id, data
          from jsonb_to_recordset(${toJson(events)}::jsonb) as batch
            (id text, at bigint, name text, reason text, app_id text, account_id text, grant_id text,
             actor text, address text, request_id text, data jsonb)
          on conflict (id) do nothing`.execute(db)
      }),

    list(query) {
      const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
      const limit = Math.min(Math.max(query.limit ?? PAGE, 1), MAX_PAGE)
      // A NUL is the one character that Postgres takes in no text, so that no event has one.
      const texts = [query.appId, query.accountId, query.name, query.reason, query.actor]
      texts.push(query.requestId)
      if (texts.some((text) => text?.includes('\0') === true))
        return Promise.resolve({ events: [], nextCursor: undefined })
      return withDatabase(async () => {
        let select = db
          .selectFrom('events')
          .selectAll()
          .orderBy('at', 'desc')
          .orderBy('id', 'desc')
          .limit(limit + 1)
        if (query.appId !== undefined) select = select.where('app_id', '=', query.appId)
        if (query.accountId !== undefined) select = select.where('account_id', '=', query.accountId)
        if (query.name !== undefined) select = select.where('name', '=', query.name)
        if (query.reason !== undefined) select = select.where('reason', '=', query.reason)
        if (query.actor !== undefined) select = select.where('actor', '=', query.actor)
        if (query.requestId !== undefined) select = select.where('request_id', '=', query.requestId)
        if (query.from !== undefined) select = select.where('at', '>=', nearestStorable(query.from))
        if (query.to !== undefined) select = select.where('at', '<', nearestStorable(query.to))
        if (after !== undefined)
          select = select.where(sql<boolean>`(at, id) < (${after.at}::timestamptz, ${after.id})`)
        const rows = await select.execute()
        const events = rows.slice(0, limit).map(readRow)
        const last = events.at(-1)
        const hasMore = rows.length > limit
        return {
          events,
          nextCursor: hasMore && last ? `${last.at.getTime()}.${last.id}` : undefined,
        }
      })
    },

    removeOlderThan: (before, limit = 5000) =>
      withDatabase(async () => {
        const oldest = db
          .selectFrom('events')
          .select('id')
          .where('at', '<', before)
          .orderBy('at')
          .limit(limit)
        const result = await db.deleteFrom('events').where('id', 'in', oldest).executeTakeFirst()
        return Number(result.numDeletedRows)
      }),
  }
}
