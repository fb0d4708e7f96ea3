// What people are told by mail about their account. Invariants: such notices cannot be switched
// off; that of a password is written with the change, in one transaction; no other fails or undoes
// what it tells of.
import type { TellPasswordChanged } from '../accounts/accounts.ts'
import type { TellAddress } from '../accounts/address-change.ts'
import type { EndedBySuspicion, ReconnectNeeded } from '../audit/events.ts'
import type { Mailbox } from '../deliveries/mailbox.ts'
import { networkKey } from '../http/client-address.ts'
import type { Letter } from '../mail/letter.ts'
import type { Account } from '../model/account.ts'
import { type Clock, dateNow, HOUR } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { TellConnected, TellNewPlace } from '../sign-in/ports.ts'
import type { OutboxWriter } from '../storage/delivery-outbox.ts'
import { withDatabase } from '../storage/database.ts'

/** Creates the notice of a password that was changed. */
export const createPasswordNotice =
  ({ post, letters }: Pick<Mailbox, 'post' | 'letters'>, clock: Clock): TellPasswordChanged =>
  (transaction, { id: accountId, email }, { address }) => {
    const network = address === undefined ? undefined : networkKey(address)
    const letter = letters.passwordChanged({ at: dateNow(clock), network })
    return post(transaction, { email, accountId }, letter)
  }

/** Creates the mails about an address that changes. */
export const createAddressMails = (
  { post, letters }: Pick<Mailbox, 'post' | 'letters'>,
  clock: Clock,
): TellAddress => ({
  asked: (transaction, { id: accountId }, email, link) =>
    post(transaction, { email, accountId }, letters.confirmAddress(link), link.expiresAt),
  async changed(transaction, { account: { id: accountId, email }, before }, undo) {
    const at = dateNow(clock)
    const to = undo === undefined ? email : before
    const letter =
      undo === undefined
        ? letters.addressRestored({ at })
        : letters.addressChanged({ email, undo, at })
    await post(transaction, { email: to, accountId }, letter)
  },
})

/** The notices that stand alone. */
export interface Notices {
  newPlace: TellNewPlace
  connected: TellConnected
  /** An app lost its access because something of it may have been stolen. Never throws. */
  suspicion: (ended: EndedBySuspicion) => void
  /** A connection to another system needs its owner. Never throws. */
  reconnect: (connection: ReconnectNeeded) => void
}

interface NoticeDeps {
  db: OutboxWriter
  mailbox: Pick<Mailbox, 'post' | 'letters' | 'isSetUp'>
  findAccount: (id: string) => Promise<Account | undefined>
  /** Returns the name of an app, also of one that was deleted. */
  nameOfApp: (id: string) => Promise<string | undefined>
  nameOfIntegration: (handle: string) => Promise<string | undefined>
  clock: Clock
  logger: Logger
}

/** Creates them. */
export function createNotices(deps: NoticeDeps): Notices {
  const { mailbox, clock } = deps
  const { letters } = mailbox
  const told = createOnce(clock)
  return {
    newPlace: (accountId, { address, device }) =>
      tell(deps, accountId, () =>
        letters.newSignIn({ at: dateNow(clock), network: networkKey(address), device }),
      ),
    connected: (accountId, { appName, permissions }) =>
      tell(deps, accountId, () =>
        letters.sensitiveApp({ at: dateNow(clock), app: appName, permissions }),
      ),
    suspicion({ accountId, appId, reason }) {
      // A theft often ends several authorizations of one app at once.
      if (!told(`${accountId} ${appId} ${reason}`)) return
      void tell(deps, accountId, async () =>
        letters.connectionEnded({
          at: dateNow(clock),
          app: (await deps.nameOfApp(appId)) ?? 'An app',
          reason,
        }),
      )
    },
    reconnect({ accountId, connection, integration, endsAt }) {
      // Several servers and checks may find the same.
      if (!told(`${connection} ${endsAt?.getTime() ?? 'ended'}`)) return
      void tell(deps, accountId, async () =>
        letters.reconnect({
          system: (await deps.nameOfIntegration(integration)) ?? integration,
          endsAt,
        }),
      )
    },
  }
}

async function tell(
  { db, mailbox, findAccount, logger }: NoticeDeps,
  accountId: string,
  write: () => Letter | Promise<Letter>,
): Promise<void> {
  if (!mailbox.isSetUp) return
  try {
    const account = await findAccount(accountId)
    if (account === undefined) return
    const letter = await write()
    await withDatabase(() => mailbox.post(db, { email: account.email, accountId }, letter))
  } catch (error) {
    logger.warn({ err: error, accountId }, 'a notice could not be written')
  }
}

const MOST_REMEMBERED = 10_000

/** Returns whether a key comes for the first time within an hour. */
function createOnce(clock: Clock): (key: string) => boolean {
  const seen = new Map<string, number>()
  return (key) => {
    const now = clock()
    if (now - (seen.get(key) ?? -HOUR) < HOUR) return false
    if (seen.size >= MOST_REMEMBERED) seen.clear()
    seen.set(key, now)
    return true
  }
}
