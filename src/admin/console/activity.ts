// What happened: everywhere, and at one app, with why each request was refused; and the same as a
// file.
import { Readable } from 'node:stream'
import { EVENTS } from '../../audit/event-names.ts'
import type { EventQuery, RecordedEvent } from '../../audit/event.store.ts'
import { DAY } from '../../shared/clock.ts'
import { may, type Operator } from '../operator.ts'
import { page, type Row } from './action.ts'
import { appFrame, appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { eventTitle, shownEvent } from './event-messages.ts'
import { EXPORT_FORMATS, exportEvents, type ExportFormat } from './export.ts'
import { narrowingOf } from './filters.ts'
import type { NamedEvent } from './page-models.ts'
import { linkWith, pagerOf, type Query } from './paging.ts'
import { period, summaryOf } from './usage-summary.ts'
import { numberInWords } from './labels.ts'

const PAGE = 50
// No event is older, and Postgres knows no year 0.
const DAY_FORM = /^(?:19|2\d)\d{2}-\d{2}-\d{2}$/
/** What a person may filter by; `from` and `to` are days, both included. */
const FILTERS = ['event', 'app', 'account', 'actor', 'reason', 'request', 'from', 'to'] as const

const FILTER_LABELS: Readonly<Record<(typeof FILTERS)[number], string>> = {
  event: 'Event',
  app: 'App',
  account: 'Account',
  actor: 'Actor',
  reason: 'Reason',
  request: 'Request',
  from: 'From',
  to: 'To',
}

const KINDS = Object.keys(EVENTS)
  .map((name) => ({ value: name, label: eventTitle(name) }))
  .sort((left, right) => left.label.localeCompare(right.label, 'en'))

/** Reads a day; `undefined` for what is none. */
function startOf(day: string | undefined): Date | undefined {
  const at = day !== undefined && DAY_FORM.test(day) ? new Date(`${day}T00:00:00Z`) : undefined
  return at === undefined || Number.isNaN(at.getTime()) ? undefined : at
}

function eventQuery(query: Query): EventQuery {
  const to = startOf(query.get('to'))
  return {
    name: query.get('event'),
    appId: query.get('app'),
    accountId: query.get('account'),
    actor: query.get('actor'),
    reason: query.get('reason'),
    requestId: query.get('request'),
    from: startOf(query.get('from')),
    to: to === undefined ? undefined : new Date(to.getTime() + DAY),
  }
}

/** Writes what is filtered by; days that are none filter nothing. */
function shownValue(name: (typeof FILTERS)[number], query: Query): string | undefined {
  const value = query.get(name)
  if (name === 'from' || name === 'to') return startOf(value) && value
  return name === 'event' ? (KINDS.find((kind) => kind.value === value)?.label ?? value) : value
}

/** Returns the rows. */
export const activityRows = (deps: ConsoleDeps): Row[] => [
  everywhere(deps),
  download(deps),
  ofApp(deps),
]

/** For roles that see no accounts: who and from where is left out. */
const withoutPeople = (event: RecordedEvent): RecordedEvent => ({
  ...event,
  accountId: undefined,
  address: undefined,
  actor: event.actor?.startsWith('acc_') === true ? undefined : event.actor,
})

/** Puts names beside the ids; what is gone keeps its id alone. */
async function named(
  { accounts, apps }: ConsoleDeps,
  recorded: readonly RecordedEvent[],
  by: Operator,
): Promise<NamedEvent[]> {
  const events = may(by, 'admin:accounts:read') ? recorded : recorded.map(withoutPeople)
  const names: Record<string, string> = {}
  const accountIds = events.flatMap(({ accountId, actor }) => [accountId, actor])
  const appIds = events.flatMap(({ appId, actor }) => [appId, actor])
  await Promise.all([
    ...[...new Set(accountIds)].map(async (id) => {
      const account = id?.startsWith('acc_') === true ? await accounts.find(id) : undefined
      if (account !== undefined) names[account.id] = account.email
    }),
    ...[...new Set(appIds)].map(async (id) => {
      const app = id === undefined ? undefined : await apps.find(id)
      if (app !== undefined) names[app.id] = app.name
    }),
  ])
  return events.map((event) => ({ ...shownEvent(event), names }))
}

const everywhere = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/activity',
    scope: 'admin:audit:read',
    async show({ query, admin }) {
      const { events, nextCursor } = await deps.eventStore.list({
        ...eventQuery(query),
        cursor: query.get('cursor'),
        limit: PAGE,
      })
      const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']))
      const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]))
      const narrowing = narrowingOf(
        '/admin/activity',
        query,
        FILTERS.map((name) => ({
          name,
          label: FILTER_LABELS[name],
          value: shownValue(name, query),
        })),
      )
      return {
        template: 'activity',
        frame: { title: 'Activity', narrowedTo: narrowing.text, section: 'activity', crumbs: [] },
        events: await named(deps, events, admin.by),
        filter: filter as Record<(typeof FILTERS)[number], string>,
        kinds: KINDS,
        narrowing,
        csvUrl: linkWith('/admin/activity/export', { ...asked, format: 'csv' }),
        ndjsonUrl: linkWith('/admin/activity/export', { ...asked, format: 'ndjson' }),
        pager: pagerOf('/admin/activity', query, nextCursor),
      }
    },
  })

const download = ({ eventStore }: ConsoleDeps): Row =>
  page({
    path: '/admin/activity/export',
    scope: 'admin:audit:read',
    show({ query }) {
      const format: ExportFormat = query.get('format') === 'ndjson' ? 'ndjson' : 'csv'
      const { contentType, extension } = EXPORT_FORMATS[format]
      const list = (each: EventQuery) => eventStore.list(each)
      return {
        filename: `activity.${extension}`,
        contentType,
        content: Readable.from(exportEvents(list, eventQuery(query), format)),
      }
    },
  })

const ofApp = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id/activity',
    scope: 'admin:apps:read',
    async show({ params, query, admin }) {
      const app = await deps.apps.get(params.id)
      const now = deps.clock()
      const isRefusals = query.get('only') === 'refused'
      const [found, counts, grants] = await Promise.all([
        deps.eventStore.list({
          appId: app.id,
          name: isRefusals ? 'request.refused' : undefined,
          requestId: query.get('request'),
          cursor: query.get('cursor'),
          limit: PAGE,
        }),
        deps.usage.list({ ...period(now), appId: app.id }),
        deps.countGrants(app.id),
      ])
      const summary = summaryOf(counts, now)
      const path = appPath(app.id, '/activity')
      return {
        template: 'app-activity',
        frame: appFrame(app, 'activity'),
        events: await named(deps, found.events, admin.by),
        isRefusals,
        requestId: query.get('request') ?? '',
        allUrl: path,
        refusedUrl: linkWith(path, { only: 'refused' }),
        summary,
        figures: [
          { label: 'Tokens issued', value: numberInWords(summary.tokensIssued) },
          { label: 'Tokens refreshed', value: numberInWords(summary.refreshes) },
          { label: 'Failed authentications', value: numberInWords(summary.failedAuthentications) },
          {
            label: 'Active authorizations',
            value: `${numberInWords(grants.count)}${grants.isMore ? '+' : ''}`,
          },
        ],
        pager: pagerOf(path, query, found.nextCursor),
      }
    },
  })
