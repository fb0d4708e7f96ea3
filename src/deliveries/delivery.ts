// A delivery: something that is to reach somebody, tried until it does or is of no use any more.
import { DAY, HOUR, MINUTE } from '../shared/clock.ts'
import type { DeliveryRow } from '../storage/schema.ts'

/** Why one ended without being delivered. */
export type DropReason =
  /** What it holds, such as a link, is of no use any more. */
  | 'expired'
  /** The receiver refused it for good. */
  | 'refused'
  /** It failed for a whole day. */
  | 'gave_up'
  /** It cannot be decrypted: its key is not configured any more. */
  | 'unreadable'
  /** There was nothing to do, such as for an address that has no account. */
  | 'not_needed'

export type DeliveryState = 'waiting' | 'sent' | 'dropped'

/** A delivery as its log shows it, without its body. */
export interface Delivery {
  id: string
  kind: DeliveryRow['kind']
  purpose: string
  recipient: string | undefined
  accountId: string | undefined
  state: DeliveryState
  attempts: number
  /** What was answered to the last try. */
  lastAnswer: string | undefined
  dropReason: DropReason | undefined
  createdAt: Date
  /** When it is tried next. */
  dueAt: Date | undefined
  endedAt: Date | undefined
  /** Whether it may be sent once more. */
  canResend: boolean
}

/** A delivery that this process holds and carries out. */
export interface HeldDelivery {
  id: string
  kind: DeliveryRow['kind']
  purpose: string
  recipient: string | undefined
  accountId: string | undefined
  /** How often it was begun, this time included. */
  attempts: number
  createdAt: Date
  expiresAt: Date | undefined
  encryptedBody: string | undefined
}

/** How a try went. */
export type TryOutcome =
  | { kind: 'sent'; answer: string }
  | { kind: 'failed'; answer: string }
  /** It was ended already, in the transaction that did what it was for. */
  | { kind: 'settled' }
  | { kind: 'dropped'; reason: DropReason; answer?: string }

const RETRIES_MILLIS = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR]
const TRIED_MILLIS = DAY

/** Returns when a delivery that failed is tried again; none once it was tried for a whole day. */
export function nextTry(attempts: number, createdAt: Date, now: number): Date | undefined {
  const wait = RETRIES_MILLIS[Math.min(attempts, RETRIES_MILLIS.length) - 1] ?? MINUTE
  return now + wait > createdAt.getTime() + TRIED_MILLIS ? undefined : new Date(now + wait)
}
