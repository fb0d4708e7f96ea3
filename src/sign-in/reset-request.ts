// What becomes of a request for a new password. Invariant: who asks learns nothing, not by the
// answer and not by its time: the request is written down alike for every address, and only later
// it is found out whether there is an account.
import type { AccountLinks } from '../accounts/account-links.ts'
import type { Carry } from '../deliveries/deliverer.ts'
import type { HeldDelivery, TryOutcome } from '../deliveries/delivery.ts'
import type { Mailbox } from '../deliveries/mailbox.ts'
import type { Account } from '../model/account.ts'
import { MINUTE } from '../shared/clock.ts'
import type { NewDelivery, OutboxWriter } from '../storage/delivery-outbox.ts'

/** Where a request came from. */
export interface ResetAsker {
  requestId: string
  address: string
}

/** As long as the link lives that it leads to: a mail that comes later is of no use. */
const USEFUL_MILLIS = 30 * MINUTE

/** Returns the delivery that a request is written down as. */
export const resetRequest = (email: string, asker: ResetAsker, now: number): NewDelivery => ({
  kind: 'reset_request',
  purpose: 'reset_request',
  recipient: email,
  body: JSON.stringify(asker),
  expiresAt: new Date(now + USEFUL_MILLIS),
})

/**
 * Creates what carries requests out: a link and the mail with it, in one transaction with the end
 * of the request, so that neither a crash nor a second process makes two.
 */
export const createCarryResetRequest =
  (deps: {
    findAccount: (email: string) => Promise<Account | undefined>
    links: Pick<AccountLinks, 'make'>
    mailbox: Pick<Mailbox, 'post' | 'letters'>
    /** Ends the delivery in a transaction. */
    end: (db: OutboxWriter, id: string) => Promise<void>
    issuer: string
  }): Carry =>
  async ({ id, recipient = '' }: HeldDelivery, body): Promise<TryOutcome> => {
    const account = await deps.findAccount(recipient)
    if (account?.status !== 'active') return { kind: 'dropped', reason: 'not_needed' }
    const { post, letters } = deps.mailbox
    const along: Parameters<AccountLinks['make']>[3] = async (transaction, link) => {
      const facts = { url: link.url.reveal(), expiresAt: link.expiresAt }
      const letter = account.hasPassword ? letters.recovery(facts) : letters.invitation(facts)
      const to = { email: account.email, accountId: account.id }
      await post(transaction, to, letter, link.expiresAt)
      await deps.end(transaction, id)
    }
    const asker = JSON.parse(body) as ResetAsker
    await deps.links.make(account, deps.issuer, asker, along, { isAskedFor: true })
    return { kind: 'settled' }
  }
