// What happened: everywhere, and at one app, with why each request was refused; and the same as a
// file.
import { Readable } from 'node:stream'
import { EVENTS } from '../../audit/event-names.ts'
import type { EventQuery, RecordedEvent } from '../../audit/event.store.ts'
import { AppError } from '../../shared/errors.ts'
import { may, type Operator } from '../operator.ts'
import { page, type Row } from './action.ts'
import {
  ACTIVITY_FILTERS,
  type ActivityFilterName,
  type ActivitySearch,
  presetsOf,
  readActivityFilters,
  startOfPreset,
} from './activity-filter.ts'
import { appFrame, appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { eventTitle, shownEvent } from './event-messages.ts'
import { EXPORT_FORMATS, exportEvents, type ExportFormat } from './export.ts'
import { narrowingOf } from './filters.ts'
import type { NamedEvent } from './page-models.ts'
import { linkWith, pagerOf } from './paging.ts'

const PAGE = 50

const FILTER_LABELS: Readonly<Record<ActivityFilterName, string>> = {
  event: 'Event',
  app: 'App',
  account: 'Account',
  request: 'Request',
  actor: 'Actor',
  reason: 'Reason',
  when: 'Time',
  from: 'From',
  to: 'To',
}

const KINDS = Object.keys(EVENTS)
  .map((name) => ({ value: name, label: eventTitle(name) }))
  .sort((left, right) => left.label.localeCompare(right.label, 'en'))

/** Writes what is filtered by. */
const shownFilter = (name: ActivityFilterName, labels: ActivitySearch['labels']) =>
  name === 'event'
    ? (KINDS.find(({ value }) => value === labels.event)?.label ?? labels.event)
    : labels[name]

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
      const search = await readActivityFilters(deps, query, admin.by)
      const { events, nextCursor } =
        search.unclear === undefined
          ? await deps.eventStore.list({
              ...search.query,
              cursor: query.get('cursor'),
              limit: PAGE,
            })
          : { events: [], nextCursor: undefined }
      const filter = Object.fromEntries(
        ACTIVITY_FILTERS.map((name) => [name, query.get(name) ?? '']),
      ) as Record<ActivityFilterName, string>
      const narrowing = narrowingOf(
        '/admin/activity',
        query,
        ACTIVITY_FILTERS.map((name) => ({
          name,
          label: FILTER_LABELS[name],
          value: shownFilter(name, search.labels),
        })),
      )
      const { zone } = search
      const kept = [...ACTIVITY_FILTERS, 'zone']
      const asked = Object.fromEntries(kept.map((name) => [name, query.get(name)]))
      return {
        template: 'activity',
        frame: { title: 'Activity', narrowedTo: narrowing.text, section: 'activity', crumbs: [] },
        events: await named(deps, events, admin.by),
        filter,
        zone,
        kinds: KINDS,
        narrowing,
        unclear: search.unclear,
        presets: presetsOf('/admin/activity', query, kept),
        csvUrl: linkWith('/admin/activity/export', { ...asked, format: 'csv' }),
        ndjsonUrl: linkWith('/admin/activity/export', { ...asked, format: 'ndjson' }),
        pager: pagerOf('/admin/activity', query, nextCursor),
      }
    },
  })

const download = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/activity/export',
    scope: 'admin:audit:read',
    async show({ query, admin }) {
      const search = await readActivityFilters(deps, query, admin.by)
      // The page shows no link to it then.
      if (search.unclear !== undefined)
        throw new AppError('parameter_invalid', { about: search.unclear.about })
      const format: ExportFormat = query.get('format') === 'ndjson' ? 'ndjson' : 'csv'
      const { contentType, extension } = EXPORT_FORMATS[format]
      const list = (each: EventQuery) => deps.eventStore.list(each)
      return {
        filename: `activity.${extension}`,
        contentType,
        content: Readable.from(exportEvents(list, search.query, format)),
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
      const found = await deps.eventStore.list({
        appId: app.id,
        name: isRefusals ? 'request.refused' : query.get('event'),
        reason: query.get('reason'),
        requestId: query.get('request'),
        from: startOfPreset(query, now),
        cursor: query.get('cursor'),
        limit: PAGE,
      })
      const path = appPath(app.id, '/activity')
      return {
        template: 'app-activity',
        frame: appFrame(app, 'activity'),
        events: await named(deps, found.events, admin.by),
        isRefusals,
        requestId: query.get('request') ?? '',
        when: query.get('when') ?? '',
        presets: presetsOf(path, query, ['only', 'request']),
        allUrl: path,
        refusedUrl: linkWith(path, { only: 'refused', when: query.get('when') }),
        pager: pagerOf(path, query, found.nextCursor),
      }
    },
  })
