// otesse delivery: mails, how they went, and sending one again. Invariant: no command shows what a
// mail says.
import { type Command, Option } from 'commander'
import type { Delivery, DeliveryState } from '../deliveries/delivery.ts'
import type { Does } from './command.ts'
import { facts, table, timeText } from './layout.ts'
import { OPERATOR, type Outcome, parseLimit } from './session.ts'

interface ListFlags {
  state?: DeliveryState
  to?: string
  limit: string
  cursor?: string
}

const MOST = 200
const STATES: readonly DeliveryState[] = ['waiting', 'sent', 'dropped']

/** Adds `otesse delivery …`. */
export function addDeliveryCommands(program: Command, does: Does): void {
  const delivery = program.command('delivery').description('mails that the server sends')
  addList(delivery, does)
  addShow(delivery, does)
  addResend(delivery, does)
}

function addList(delivery: Command, does: Does): void {
  const list = delivery
    .command('list')
    .description('list mails, newest first')
    .addOption(new Option('--state <state>').choices(STATES))
    .option('--to <address>', 'to this whole address')
    .option('--limit <count>', `mails on one page, up to ${MOST}`, '50')
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText('after', '\nExample:\n  $ otesse delivery list --state dropped')
  does(list, (session) => {
    const { state, to, limit, cursor } = list.opts<ListFlags>()
    const query = { state, recipient: to, limit: parseLimit(limit, MOST), cursor }
    return session.withAdminServices(async ({ deliveries }) => {
      const { deliveries: found, next } = await deliveries.list(query, OPERATOR)
      const rows = found.map((one) => [
        one.id,
        one.recipient ?? '',
        one.purpose,
        stateText(one),
        String(one.attempts),
        timeText(one.createdAt),
      ])
      const more = next === undefined ? '' : `More: --cursor ${next}\n`
      return {
        json: { deliveries: found, next: next ?? null },
        text: table(['ID', 'TO', 'ABOUT', 'STATE', 'TRIES', 'CREATED'], rows) + more,
      }
    })
  })
}

function addShow(delivery: Command, does: Does): void {
  const show = delivery
    .command('show <id>')
    .description('show one mail')
    .addHelpText('after', '\nExample:\n  $ otesse delivery show msg_…')
  does(show, (session, id = '') =>
    session.withAdminServices(async ({ deliveries }) => shown(await deliveries.get(id, OPERATOR))),
  )
}

function addResend(delivery: Command, does: Does): void {
  const resend = delivery
    .command('resend <id>')
    .description('send one mail again')
    .addHelpText(
      'after',
      '\nA running server sends it within seconds. Example:\n  $ otesse delivery resend msg_…',
    )
  does(resend, (session, id = '') =>
    session.withAdminServices(async ({ deliveries }) =>
      shown(await deliveries.resend(id, OPERATOR)),
    ),
  )
}

const stateText = ({ state, dropReason }: Delivery): string =>
  dropReason === undefined ? state : `${state} (${dropReason})`

const shown = (delivery: Delivery): Outcome => ({
  json: { delivery },
  text: `${delivery.id}\n${facts([
    ['To', delivery.recipient],
    ['About', delivery.purpose],
    ['State', stateText(delivery)],
    ['Tries', String(delivery.attempts)],
    ['Answer', delivery.lastAnswer],
    ['Created', timeText(delivery.createdAt)],
    ['Next try', delivery.dueAt && timeText(delivery.dueAt)],
    ['Ended', delivery.endedAt && timeText(delivery.endedAt)],
  ])}`,
})
