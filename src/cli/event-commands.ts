// otesse event: what happened, newest first; by the request_id of a refusal, why it was refused.
import type { Command } from 'commander'
import { reasonMessage } from '../admin/console/reason-messages.ts'
import type { RecordedEvent } from '../audit/event.store.ts'
import { getNamedApp } from './app-commands.ts'
import type { Does } from './command.ts'
import { facts } from './layout.ts'
import { parseLimit } from './session.ts'

interface ListFlags {
  request?: string
  app?: string
  reason?: string
  limit: string
  cursor?: string
}

const MOST = 500

/** Adds `otesse event …`. */
export function addEventCommands(program: Command, does: Does): void {
  const event = program.command('event').description('show what happened')
  const list = event
    .command('list')
    .description('list events, newest first')
    .option('--request <id>', 'of this request: the request_id of an error')
    .option('--app <app>', 'of this app')
    .option('--reason <code>', 'with this reason code, such as code_used')
    .option('--limit <count>', `events on one page, up to ${MOST}`, '50')
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText('after', '\nExample:\n  $ otesse event list --request req_CycitapRspXWQVcb')
  does(list, (session) => {
    const { request, app, reason, limit, cursor } = list.opts<ListFlags>()
    const count = parseLimit(limit, MOST)
    return session.withServices(async ({ apps, stores }) => {
      const page = await stores.events.list({
        requestId: request,
        appId: app === undefined ? undefined : (await getNamedApp(apps, app)).id,
        reason,
        limit: count,
        cursor,
      })
      return {
        json: { events: page.events.map(eventJson), next: page.nextCursor ?? null },
        text: listText(page.events, page.nextCursor),
      }
    })
  })
}

const eventJson = (event: RecordedEvent) => ({
  id: event.id,
  at: event.at.toISOString(),
  name: event.name,
  reason: event.reason ?? null,
  appId: event.appId ?? null,
  accountId: event.accountId ?? null,
  grantId: event.grantId ?? null,
  actor: event.actor ?? null,
  address: event.address ?? null,
  requestId: event.requestId ?? null,
  data: event.data ?? null,
})

function listText(events: readonly RecordedEvent[], next: string | undefined): string {
  if (events.length === 0) return 'No matching events. New events appear within a few seconds.\n'
  const more = next === undefined ? '' : `More: --cursor ${next}\n`
  return events.map(eventText).join('\n') + more
}

function eventText({ at, name, reason, ...event }: RecordedEvent): string {
  const { what, todo } =
    reason === undefined ? { what: undefined, todo: undefined } : reasonMessage(name, reason)
  return `${at.toISOString()}  ${name}\n${facts([
    ['reason', reason],
    ['what', what === reason ? undefined : what],
    ['to do', todo],
    ['app', event.appId],
    ['account', event.accountId],
    ['actor', event.actor === event.accountId ? undefined : event.actor],
    ['address', event.address],
    ['request', event.requestId],
  ])}`
}
