// The outbox: where deliveries are written, and how each kind is carried out.
import { join } from 'node:path'
import type { AccountLinks } from '../accounts/account-links.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Events } from '../audit/events.ts'
import { createCarryMail, createDeliverer, type Deliverer } from '../deliveries/deliverer.ts'
import { createDeliveryStore, type DeliveryStore } from '../deliveries/delivery.store.ts'
import { createMailbox, type Mailbox } from '../deliveries/mailbox.ts'
import { compileTemplates, type Templates } from '../http/views.ts'
import type { Infrastructure } from '../infrastructure.ts'
import { createLetters } from '../mail/letters.ts'
import { dateNow } from '../shared/clock.ts'
import { createCarryResetRequest } from '../sign-in/reset-request.ts'

const VIEWS = join(import.meta.dirname, '../../views')

/** The outbox and what works on it. */
export interface Deliveries {
  mailbox: Mailbox
  deliverer: Deliverer
  store: DeliveryStore
}

/**
 * Creates them; the deliverer is to be disposed.
 *
 * @param people asked for with the first delivery: they are made with the mailbox
 */
export function createDeliveries(
  { config, db, sealedBox: encryption, clock, logger, mail }: Infrastructure,
  events: Pick<Events, 'deliverySent' | 'deliveryFailed'>,
  people: () => { accounts: Accounts; links: AccountLinks },
): Deliveries {
  const store = createDeliveryStore(db)
  // Compiled with the first mail: most commands of the command line write none.
  let templates: Templates | undefined
  const { serviceName } = config.pages
  const mailbox = createMailbox({
    isSetUp: mail !== undefined,
    letters: createLetters(serviceName, config.server.issuer),
    render(form, letter) {
      templates ??= compileTemplates(VIEWS, { serviceName })
      return templates.render(`mail/${form}`, { letter })
    },
    encryption,
    clock,
  })
  const deliverer = createDeliverer({
    store,
    kinds: {
      mail:
        mail === undefined
          ? () => Promise.resolve({ kind: 'failed', answer: 'no mail server is set up' })
          : createCarryMail(mail, store, clock),
      reset_request: (delivery, body) =>
        createCarryResetRequest({
          findAccount: (email) => people().accounts.findByEmail(email),
          links: people().links,
          mailbox,
          end: (transaction, id) =>
            createDeliveryStore(transaction).end(id, dateNow(clock), undefined),
          issuer: config.server.issuer,
        })(delivery, body),
    },
    encryption,
    events,
    clock,
    logger,
  })
  return { mailbox, deliverer, store }
}
