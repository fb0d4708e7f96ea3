// Deliveries in the database. Invariants: one is held by one process at a time, for as long as its
// lease; a process that dies gives it back by itself, and the next one tries it under the same id.
import { type Selectable, sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import type { DeliveryRow } from '../storage/schema.ts'
import type { Delivery, DeliveryState, DropReason, HeldDelivery } from './delivery.ts'

/** What to list. */
export interface DeliveryQuery {
  state?: DeliveryState | undefined
  accountId?: string | undefined
  /** A whole address. */
  recipient?: string | undefined
  /** The `next` of the page before. */
  cursor?: string | undefined
  /** 50 by default, 200 at most. */
  limit?: number | undefined
}

/** Keeps deliveries. */
export interface DeliveryStore {
  /** Takes up to `limit` that are due and holds them until `leaseEnd`. */
  claim(now: Date, leaseEnd: Date, limit: number): Promise<HeldDelivery[]>
  /** Ends one. @param reason of one that was not delivered */
  end(id: string, at: Date, answer: string | undefined, reason?: DropReason): Promise<void>
  /** Gives one back that failed. */
  postpone(id: string, dueAt: Date, answer: string): Promise<void>
  /** Sends one that has ended once more; `false` where nothing is left to send. */
  resend(id: string, at: Date): Promise<boolean>
  /** Lists the newest first. @throws {AppError} `parameter_invalid` about `cursor` */
  list(query: DeliveryQuery, now: Date): Promise<{ deliveries: Delivery[]; next?: string }>
  /** @throws {AppError} `not_found` */
  get(id: string, now: Date): Promise<Delivery>
  /** Marks an account, if that still is its address, whose mail is refused, or taken again. */
  markAddress(accountId: string, email: string, refusedAt: Date | null): Promise<void>
  /** Removes bodies that are of no use any more, and deliveries that ended before. */
  removeOld(now: Date, endedBefore: Date): Promise<number>
}

const PAGE = 50
const MOST = 200
const BATCH = 1000

/** Creates the store. */
export const createDeliveryStore = (db: Database): DeliveryStore => ({
  claim: (now, leaseEnd, limit) => withDatabase(() => claim(db, now, leaseEnd, limit)),
  end: (id, at, answer, reason) =>
    withDatabase(async () => {
      await db
        .updateTable('deliveries')
        .set({
          due_at: null,
          ended_at: at,
          last_answer: answer ?? null,
          outcome: reason === undefined ? 'sent' : 'dropped',
          drop_reason: reason ?? null,
          // Anybody may type any address where a new password is asked for: it is not kept.
          recipient: sql`case when kind = 'reset_request' then null else recipient end`,
        })
        .where('id', '=', id)
        .execute()
    }),
  postpone: (id, dueAt, answer) =>
    withDatabase(async () => {
      await db
        .updateTable('deliveries')
        .set({ due_at: dueAt, last_answer: answer })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .execute()
    }),
  resend: (id, at) =>
    withDatabase(async () => {
      const { numUpdatedRows } = await db
        .updateTable('deliveries')
        .set({ due_at: at, attempts: 0, ended_at: null, outcome: null, drop_reason: null })
        .where('id', '=', id)
        .where('kind', '=', 'mail')
        .where('ended_at', 'is not', null)
        .where('encrypted_body', 'is not', null)
        .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', at)]))
        .executeTakeFirst()
      return numUpdatedRows > 0n
    }),
  list: (query, now) => list(db, query, now),
  get: (id, now) =>
    withDatabase(async () => {
      const row = await db
        .selectFrom('deliveries')
        .selectAll()
        .where('id', '=', id.replaceAll('\0', ''))
        .executeTakeFirst()
      if (row === undefined) throw new AppError('not_found', { detail: 'message' })
      return toDelivery(row, now)
    }),
  markAddress: (accountId, email, refusedAt) =>
    withDatabase(async () => {
      const isMarked = refusedAt === null ? 'is not' : 'is'
      await db
        .updateTable('accounts')
        .set({ mail_refused_at: refusedAt })
        .where('id', '=', accountId)
        .where('email', '=', email)
        .where('mail_refused_at', isMarked, null)
        .execute()
    }),
  removeOld: (now, endedBefore) =>
    withDatabase(async () => {
      await db
        .updateTable('deliveries')
        .set({ encrypted_body: null })
        .where('expires_at', '<=', now)
        .where('due_at', 'is', null)
        .where('encrypted_body', 'is not', null)
        .execute()
      const old = db
        .selectFrom('deliveries')
        .select('id')
        .where('ended_at', '<', endedBefore)
        .limit(BATCH)
      const { numDeletedRows } = await db
        .deleteFrom('deliveries')
        .where('id', 'in', old)
        .executeTakeFirst()
      return Number(numDeletedRows)
    }),
})

async function claim(
  db: Database,
  now: Date,
  leaseEnd: Date,
  limit: number,
): Promise<HeldDelivery[]> {
  const rows = await db
    .updateTable('deliveries')
    .set({ due_at: leaseEnd, attempts: sql`attempts + 1` })
    .where('id', 'in', (query) =>
      query
        .selectFrom('deliveries')
        .select('id')
        .where('due_at', '<=', now)
        .orderBy('due_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute()
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    purpose: row.purpose,
    recipient: row.recipient ?? undefined,
    accountId: row.account_id ?? undefined,
    attempts: row.attempts,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    encryptedBody: row.encrypted_body ?? undefined,
  }))
}

const CURSOR = /^(\d{1,15})\.(msg_\w{1,40})$/

function list(db: Database, query: DeliveryQuery, now: Date): ReturnType<DeliveryStore['list']> {
  const limit = Math.min(Math.max(query.limit ?? PAGE, 1), MOST)
  const [, millis, afterId] = CURSOR.exec(query.cursor ?? '') ?? []
  if (query.cursor !== undefined && afterId === undefined)
    throw new AppError('parameter_invalid', { about: 'cursor' })
  return withDatabase(async () => {
    let select = db
      .selectFrom('deliveries')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
    if (query.state === 'waiting') select = select.where('ended_at', 'is', null)
    else if (query.state !== undefined) select = select.where('outcome', '=', query.state)
    if (query.accountId !== undefined)
      select = select.where('account_id', '=', query.accountId.replaceAll('\0', ''))
    if (query.recipient !== undefined)
      select = select.where('recipient', '=', query.recipient.replaceAll('\0', ''))
    if (afterId !== undefined)
      select = select.where(
        sql<boolean>`(created_at, id) < (${new Date(Number(millis))}::timestamptz, ${afterId})`,
      )
    const rows = await select.execute()
    const last = rows.length > limit ? rows[limit - 1] : undefined
    return {
      deliveries: rows.slice(0, limit).map((row) => toDelivery(row, now)),
      ...(last !== undefined && { next: `${last.created_at.getTime()}.${last.id}` }),
    }
  })
}

const toDelivery = (row: Selectable<DeliveryRow>, now: Date): Delivery => ({
  id: row.id,
  kind: row.kind,
  purpose: row.purpose,
  recipient: row.recipient ?? undefined,
  accountId: row.account_id ?? undefined,
  state: row.outcome ?? 'waiting',
  attempts: row.attempts,
  lastAnswer: row.last_answer ?? undefined,
  dropReason: (row.drop_reason ?? undefined) as DropReason | undefined,
  createdAt: row.created_at,
  dueAt: row.due_at ?? undefined,
  endedAt: row.ended_at ?? undefined,
  canResend:
    row.kind === 'mail' &&
    row.ended_at !== null &&
    row.encrypted_body !== null &&
    (row.expires_at === null || row.expires_at > now),
})
