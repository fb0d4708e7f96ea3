// The operations on what is recorded: events, and daily sums.
import type { EventStore, RecordedEvent } from '../../audit/event.store.ts'
import type { UsageCount, UsageStore } from '../../audit/usage.store.ts'
import { AppError } from '../../shared/errors.ts'
import { pageParameters } from './lists.ts'
import { wireName } from './members.ts'
import { type ApiResource, type Call, createResource, pageOf, type Reply } from './operation.ts'
import { parseMoment } from './query.ts'
import { answer, timestamp, orNull, pageSchema, ref, type Schema, text, whole } from './schema.ts'

const MAX_PAGE = 500
const MAX_USAGE_PAGE = 1000

const EVENT: Schema = answer({
  id: text('The event ID.'),
  at: timestamp('When it happened.'),
  name: text('What happened, like `app.registered`.'),
  reason: orNull(text('The reason, as a stable code.')),
  app_id: orNull(text('The app concerned.')),
  account_id: orNull(text('The account concerned.')),
  grant_id: orNull(text('The authorization concerned.')),
  actor: orNull(text('Who did it: an account id, a client id, or the name of a command.')),
  address: orNull(text('Where the request came from.')),
  request_id: orNull(text('The X-Request-Id of the request.')),
  data: orNull({
    type: 'object',
    additionalProperties: true,
    description:
      'Further details, depending on the event; `diff` has each setting as [before, after].',
  }),
})

/** Returns the data with the wire's names; values are as they were recorded. */
function toWire(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [wireName(name), toWire(value)]),
  )
}

const showEvent = (event: RecordedEvent) => ({
  id: event.id,
  at: event.at,
  name: event.name,
  reason: event.reason ?? null,
  app_id: event.appId ?? null,
  account_id: event.accountId ?? null,
  grant_id: event.grantId ?? null,
  actor: event.actor ?? null,
  address: event.address ?? null,
  request_id: event.requestId ?? null,
  data: toWire(event.data ?? null),
})

const USAGE: Schema = answer({
  day: text('The UTC day.', { format: 'date' }),
  app_id: orNull(text('The app; null if none is concerned.')),
  name: text('What happened, like `token.issued`.'),
  reason: orNull(text('The reason, as a stable code.')),
  count: whole('The count.'),
})

const showUsage = ({ day, appId, name, reason, count }: UsageCount) => ({
  day,
  app_id: appId === '' ? null : appId,
  name,
  reason: reason === '' ? null : reason,
  count,
})

type UsageKey = Omit<UsageCount, 'count'>

const toCursor = ({ day, appId, name, reason }: UsageKey): string =>
  Buffer.from(JSON.stringify([day, appId, name, reason])).toString('base64url')

function parseCursor(cursor: string | undefined): UsageKey | undefined {
  if (cursor === undefined) return undefined
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(key) && key.length === 4 && key.every((part) => typeof part === 'string')) {
      const [day = '', appId = '', name = '', reason = ''] = key
      if (!key.join('').includes('\0')) return { day, appId, name, reason }
    }
  } catch {
    // Told below.
  }
  throw new AppError('parameter_invalid', { about: 'cursor' })
}

interface Deps {
  events: Pick<EventStore, 'list'>
  usage: Pick<UsageStore, 'list'>
}

const timeOf = (call: Call, name: string): Date | undefined => {
  const given = call.text(name)
  return given === undefined ? undefined : parseMoment(given, name)
}

async function listEvents({ events }: Deps, call: Call): Promise<Reply> {
  const found = await events.list({
    appId: call.text('app_id'),
    accountId: call.text('account_id'),
    name: call.text('name'),
    reason: call.text('reason'),
    actor: call.text('actor'),
    requestId: call.text('request_id'),
    from: timeOf(call, 'from'),
    to: timeOf(call, 'to'),
    cursor: call.text('cursor'),
    limit: call.number('limit'),
  })
  return pageOf(found.events.map(showEvent), found.nextCursor)
}

async function listUsage({ usage }: Deps, call: Call): Promise<Reply> {
  const limit = call.number('limit') ?? MAX_USAGE_PAGE
  const found = await usage.list({
    from: call.text('from') ?? '',
    to: call.text('to') ?? '',
    appId: call.text('app_id'),
    name: call.text('name'),
    after: parseCursor(call.text('cursor')),
    // One more than asked for tells whether there is a next page.
    limit: limit + 1,
  })
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const hasMore = found.length > limit && last !== undefined
  return pageOf(shown.map(showUsage), hasMore ? toCursor(last) : undefined)
}

/** Creates the operations. */
export const auditOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Audit',
    description: 'What happened, who did it, and why requests were refused.',
    schemas: { Event: EVENT, Usage: USAGE },
    operations: [
      {
        id: 'listEvents',
        method: 'GET',
        path: '/events',
        summary: 'List events, newest first',
        description: 'Events appear within a few seconds.',
        scope: 'admin:audit:read',
        query: [
          { name: 'app_id', schema: text('Events of this app.') },
          { name: 'account_id', schema: text('Events of this account.') },
          { name: 'name', schema: text('Only those with this name.') },
          { name: 'reason', schema: text('Only those with this reason.') },
          { name: 'actor', schema: text('Only what this account, client or command did.') },
          { name: 'request_id', schema: text('Only events of this request.') },
          { name: 'from', schema: timestamp('The start of the period, included.') },
          { name: 'to', schema: timestamp('The first moment that counts no more.') },
          ...pageParameters(MAX_PAGE),
        ],
        answers: { 200: { description: 'A page of events.', schema: pageSchema(ref('Event')) } },
        handle: listEvents,
      },
      {
        id: 'listUsage',
        method: 'GET',
        path: '/usage',
        summary: 'List daily totals by day, app, name and reason',
        description: 'Totals are updated within a few seconds.',
        scope: 'admin:audit:read',
        query: [
          {
            name: 'from',
            required: true,
            schema: text('The first UTC day.', { format: 'date' }),
          },
          {
            name: 'to',
            required: true,
            schema: text('The last UTC day, included.', { format: 'date' }),
          },
          { name: 'app_id', schema: text('Only those of this app.') },
          { name: 'name', schema: text('Only those with this name.') },
          ...pageParameters(MAX_USAGE_PAGE),
        ],
        answers: { 200: { description: 'A page of totals.', schema: pageSchema(ref('Usage')) } },
        handle: listUsage,
      },
    ],
  })
