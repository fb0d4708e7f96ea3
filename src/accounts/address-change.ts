// The address of an account, changed by its owner: a link goes to the new address, and only whoever
// opens it there and presses the button changes anything; then a link goes to the old one, with
// which the change can be taken back for three days. Looking at either spends nothing.
import { type Clock, dateNow, DAY } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { isLinkToken, newLinkToken } from '../shared/token-format.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { Account } from '../model/account.ts'
import type { OpenTransaction } from '../storage/database.ts'
import type { AccountEvents, AccountInvalidation, ActContext } from './accounts.ts'
import type {
  AddressChangeStore,
  AddressChanged,
  AddressLink,
  AddressLinkKind,
} from './address-change.store.ts'

/** Where these links lead, below the issuer. */
export const ADDRESS_LINK_PATH = '/account/confirm'

const LIFE_MILLIS: Readonly<Record<AddressLinkKind, number>> = { change: DAY, undo: 3 * DAY }

/** A link, as the mail has it. */
export interface AddressLinkFacts {
  url: string
  expiresAt: Date
}

/** Tells by mail, in the transaction. */
export interface TellAddress {
  asked(
    transaction: OpenTransaction,
    account: Account,
    email: string,
    link: AddressLinkFacts,
  ): Promise<void>
  changed(
    transaction: OpenTransaction,
    changed: AddressChanged,
    undo: AddressLinkFacts | undefined,
  ): Promise<void>
}

export interface AddressChanges {
  /**
   * Sends a link to the new address.
   *
   * @throws {AppError} `not_found` where the account is not active
   */
  ask(account: Account, email: string): Promise<void>
  /** Returns what a link is for, without spending it. */
  find(token: string): Promise<{ kind: AddressLinkKind; email: string } | undefined>
  /**
   * Spends a link.
   *
   * @throws {AppError} `link_invalid`; `already_exists`, which leaves it as it is
   */
  confirm(token: string, context: ActContext): Promise<AddressChanged>
}

/** Creates them. */
export function createAddressChanges(deps: {
  store: AddressChangeStore
  tell: TellAddress
  issuer: string
  clock: Clock
  invalidation: Pick<AccountInvalidation, 'publish'>
  events: Pick<AccountEvents, 'accountChanged'>
}): AddressChanges {
  const { store, tell, clock, issuer } = deps
  const publisher = createChangePublisher(deps.invalidation, 'account')
  const make = (kind: AddressLinkKind, accountId: string, email: string) => {
    const token = newLinkToken()
    const createdAt = dateNow(clock)
    const expiresAt = new Date(createdAt.getTime() + LIFE_MILLIS[kind])
    const kept: AddressLink = { hash: sha256(token), kind, accountId, email, createdAt, expiresAt }
    return { kept, link: { url: `${issuer}${ADDRESS_LINK_PATH}/${token}`, expiresAt } }
  }
  return {
    async ask(account, email) {
      const { kept, link } = make('change', account.id, email)
      const isWritten = await store.insert(kept, (transaction) =>
        tell.asked(transaction, account, email, link),
      )
      if (!isWritten) throw new AppError('not_found', { detail: 'active account' })
    },

    async find(token) {
      if (!isLinkToken(token)) return undefined
      const link = await store.find(sha256(token), dateNow(clock))
      return link && { kind: link.kind, email: link.email }
    },

    async confirm(token, context) {
      if (!isLinkToken(token)) throw new AppError('link_invalid')
      let undo: AddressLinkFacts | undefined
      const changed = await store.spend(
        sha256(token),
        dateNow(clock),
        ({ id, email }) => {
          const made = make('undo', id, email)
          undo = made.link
          return made.kept
        },
        (transaction, done) => tell.changed(transaction, done, undo),
      )
      if (changed === undefined) throw new AppError('link_invalid')
      const { id } = changed.account
      const diff = { email: changed.kind === 'undo' ? 'changed back' : 'changed' }
      deps.events.accountChanged({ accountId: id, diff }, { ...context, actor: id })
      await publisher.publish(id)
      return changed
    },
  }
}
