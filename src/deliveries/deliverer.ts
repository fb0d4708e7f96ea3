// Carries deliveries out. Invariants: what is written down is tried until it is delivered or of no
// use any more, also when the process that held it died; a retry has the id of the try before; and
// a receiver that is away holds up nobody but those who wait for it.
import type { Mail, MailTransport } from '../mail/mail.ts'
import { type Clock, dateNow, MINUTE, SECOND } from '../shared/clock.ts'
import type { Encryption } from '../shared/encryption.ts'
import type { Logger } from '../shared/logger.ts'
import { bodyPlace } from '../storage/delivery-outbox.ts'
import { type HeldDelivery, nextTry, type TryOutcome } from './delivery.ts'
import type { DeliveryStore } from './delivery.store.ts'

/** How a delivery of one kind is carried out; `body` is what was written. Rejecting is failing. */
export type Carry = (delivery: HeldDelivery, body: string) => Promise<TryOutcome>

/** Carries out deliveries; disposing waits for those under way. */
export interface Deliverer extends AsyncDisposable {
  /** Carries out what is due; never rejects. */
  deliver(): Promise<void>
}

interface DelivererDeps {
  store: DeliveryStore
  kinds: Readonly<Record<HeldDelivery['kind'], Carry>>
  encryption: Encryption
  events: {
    deliverySent(facts: DeliveryFacts): void
    deliveryFailed(facts: DeliveryFacts & { reason: string }): void
  }
  clock: Clock
  logger: Logger
}

interface DeliveryFacts {
  accountId: string | undefined
  kind: string
  purpose: string
  delivery: string
}

const AT_ONCE = 5
// Longer than a try may take (mail/smtp.ts).
const LEASE_MILLIS = 3 * MINUTE
const POLL_MILLIS = 2 * SECOND

/** Creates the deliverer; it does nothing before it is asked. */
export function createDeliverer(deps: DelivererDeps): Deliverer {
  let isClosing = false
  let running: Promise<void> | undefined
  let following: Promise<void> | undefined

  async function round(): Promise<void> {
    try {
      while (!isClosing) {
        const now = deps.clock()
        const lease = new Date(now + LEASE_MILLIS)
        const held = await deps.store.claim(new Date(now), lease, AT_ONCE)
        if (held.length === 0) return
        await Promise.all(held.map((delivery) => carry(deps, delivery)))
      }
    } catch (error) {
      deps.logger.warn({ err: error }, 'deliveries could not be read')
    }
  }

  // What was written while a round is under way may have been missed by it.
  function deliver(): Promise<void> {
    if (isClosing) return Promise.resolve()
    if (running === undefined)
      return (running = round().finally(() => {
        running = undefined
      }))
    return (following ??= running.then(() => {
      following = undefined
      return deliver()
    }))
  }

  return {
    deliver,
    async [Symbol.asyncDispose]() {
      isClosing = true
      await running
    },
  }
}

/** Carries deliveries out every few seconds, until it is disposed. */
export function deliverRegularly({ deliver }: Pick<Deliverer, 'deliver'>): Disposable {
  const timer = setInterval(() => void deliver(), POLL_MILLIS).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function carry(deps: DelivererDeps, delivery: HeldDelivery): Promise<void> {
  const { store, clock, events, logger } = deps
  const { id, accountId, kind, purpose, attempts, createdAt } = delivery
  const facts = { accountId, kind, purpose, delivery: id }
  try {
    const outcome = await tryOne(deps, delivery)
    if (outcome.kind === 'settled') return
    const { answer } = outcome
    if (outcome.kind === 'sent') {
      await store.end(id, dateNow(clock), answer)
      events.deliverySent(facts)
      return
    }
    if (outcome.kind === 'dropped') {
      await store.end(id, dateNow(clock), answer, outcome.reason)
      if (outcome.reason !== 'not_needed')
        events.deliveryFailed({ ...facts, reason: outcome.reason })
      return
    }
    logger.warn({ delivery: id, kind, purpose, attempts, answer }, 'a delivery failed')
    const dueAt = nextTry(attempts, createdAt, clock())
    if (dueAt !== undefined) {
      await store.postpone(id, dueAt, outcome.answer)
      return
    }
    await store.end(id, dateNow(clock), answer, 'gave_up')
    events.deliveryFailed({ ...facts, reason: 'gave_up' })
  } catch (error) {
    // Its lease ends by itself, and then it is tried again.
    logger.warn({ err: error, delivery: id }, 'what became of a delivery could not be written down')
  }
}

async function tryOne(deps: DelivererDeps, delivery: HeldDelivery): Promise<TryOutcome> {
  const { id, expiresAt, encryptedBody, kind } = delivery
  if (encryptedBody === undefined || (expiresAt !== undefined && expiresAt <= dateNow(deps.clock)))
    return { kind: 'dropped', reason: 'expired' }
  let body: string
  try {
    body = deps.encryption.decrypt(encryptedBody, bodyPlace(id))
  } catch {
    return { kind: 'dropped', reason: 'unreadable' }
  }
  try {
    return await deps.kinds[kind](delivery, body)
  } catch (error) {
    deps.logger.warn({ err: error, delivery: id }, 'a delivery could not be carried out')
    return { kind: 'failed', answer: 'could not be carried out: see the log' }
  }
}

/** Creates what hands mails over, and marks the addresses that are refused. */
export const createCarryMail =
  (transport: MailTransport, store: Pick<DeliveryStore, 'markAddress'>, clock: Clock): Carry =>
  async ({ id, recipient = '', accountId, createdAt }, body) => {
    const mail: Mail = { ...(JSON.parse(body) as Omit<Mail, 'to'>), to: recipient }
    const { kind, answer } = await transport.send(mail, id, createdAt)
    if (kind === 'failed') return { kind, answer }
    if (accountId !== undefined)
      await store.markAddress(accountId, recipient, kind === 'refused' ? dateNow(clock) : null)
    return kind === 'sent' ? { kind, answer } : { kind: 'dropped', reason: 'refused', answer }
  }
