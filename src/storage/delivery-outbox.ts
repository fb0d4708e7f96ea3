// The outbox: deliveries are written in the transaction of what causes them. This is their one
// insert; deliveries/ carries them out. Invariant: what happened and what is told of it are saved
// together, or neither is; the body is encrypted and bound to its row.
import type { Kysely } from 'kysely'
import type { Encryption } from '../shared/encryption.ts'
import { newDeliveryId } from '../shared/ids.ts'
import type { DeliveryRow, Tables } from './schema.ts'

/** A transaction, or the database itself where nothing else is written. */
export type OutboxWriter = Kysely<Tables>

/** What is to be delivered. */
export interface NewDelivery {
  kind: DeliveryRow['kind']
  /** What it is about, for the log: `reset`, `invitation`. */
  purpose: string
  /** Whom it goes to: a mail address. */
  recipient: string | undefined
  /** The account that it is about. */
  accountId?: string | undefined
  /** JSON; what `kind` needs to carry it out. */
  body: string
  /** After which it is of no use, such as when its link has expired. */
  expiresAt?: Date | undefined
}

/** Where the body of a delivery is. */
export const bodyPlace = (id: string) => ({
  table: 'deliveries',
  column: 'encrypted_body',
  rowId: id,
})

/**
 * Writes a delivery and returns its id.
 *
 * @param db the transaction of what causes it
 */
export async function writeDelivery(
  db: OutboxWriter,
  encryption: Encryption,
  delivery: NewDelivery,
  at: Date,
): Promise<string> {
  const id = newDeliveryId()
  await db
    .insertInto('deliveries')
    .values({
      id,
      kind: delivery.kind,
      purpose: delivery.purpose,
      recipient: delivery.recipient ?? null,
      account_id: delivery.accountId ?? null,
      encrypted_body: encryption.encrypt(delivery.body, bodyPlace(id)),
      created_at: at,
      expires_at: delivery.expiresAt ?? null,
      due_at: at,
    })
    .execute()
  return id
}
