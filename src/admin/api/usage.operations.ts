// The operations on figures of usage: the totals of a range, and series by hour or day.
import type { UsageStore } from '../../audit/usage.store.ts'
import { AppError } from '../../shared/errors.ts'
import { COUNTED_EVENTS, RANGE_NAMES, rangeOf, stepMillis } from '../usage-figures.ts'
import { reportJson } from '../usage-json.ts'
import type { UsageReports } from '../usage-reports.ts'
import { type ApiResource, type Call, createResource, type Reply } from './operation.ts'
import { parseMoment } from './query.ts'
import { answer, choice, listOf, orNull, type Schema, text, timestamp, whole } from './schema.ts'

/** More steps than a year of days and a month of hours. */
const MOST_STEPS = 800

const REASON_TOTAL = answer({
  reason: text('The reason, as a stable code.'),
  count: whole('How often it was given.'),
})

const SUMMARY: Schema = answer({
  from: timestamp('The start of the period.'),
  to: timestamp('The first moment that counts no more.'),
  figures: {
    type: 'object',
    description: 'Each figure in this period (`total`) and in the one before (`before`).',
    additionalProperties: answer({
      total: whole('The count in this period.'),
      before: whole('The count in the period before.'),
    }),
  },
  live_authorizations: orNull(
    whole('Authorizations that are alive; null if they were not counted yet.'),
  ),
  people_connected: orNull(whole('The users that they belong to.')),
  counted_at: orNull(timestamp('When both were counted.')),
  refreshes_per_day: orNull({
    type: 'number',
    description: 'Refreshes per live authorization and day.',
  }),
  refusals: listOf(REASON_TOTAL, 'Refused requests by reason, most frequent first.'),
  revocations: listOf(REASON_TOTAL, 'Revoked authorizations by reason, most frequent first.'),
})

const SERIES: Schema = answer({
  items: listOf(
    answer({
      at: timestamp('The start of the hour or UTC day.'),
      name: text('What happened, like `token.issued`.'),
      reason: orNull(text('The reason; null unless `by` is `reason`, or where there is none.')),
      count: whole('The count.'),
    }),
  ),
})

interface Deps {
  usage: Pick<UsageStore, 'sums'>
  reports: UsageReports
}

async function summary({ reports }: Deps, call: Call): Promise<Reply> {
  const report = await reports.report(rangeOf(call.text('range')), call.text('app_id'))
  return { kind: 'done', status: 200, body: reportJson(report) }
}

async function series({ usage }: Deps, call: Call): Promise<Reply> {
  const step = call.text('step') === 'hour' ? 'hour' : 'day'
  const size = stepMillis(step)
  // Whole steps: the one in which the period begins and the one in which it ends count.
  const from = Math.floor(parseMoment(call.text('from') ?? '', 'from').getTime() / size) * size
  const to = Math.ceil(parseMoment(call.text('to') ?? '', 'to').getTime() / size) * size
  if (to <= from || (to - from) / size > MOST_STEPS)
    throw new AppError('parameter_invalid', { about: 'to' })
  const names = call.text('names')?.split(',') ?? COUNTED_EVENTS
  const sums = await usage.sums({
    step,
    from: new Date(from),
    to: new Date(to),
    appId: call.text('app_id'),
    names,
  })
  const isByReason = call.text('by') === 'reason'
  const items = new Map<
    string,
    { at: string; name: string; reason: string | null; count: number }
  >()
  for (const { at, name, reason, count } of sums) {
    const shown = isByReason && reason !== '' ? reason : null
    const key = `${at.getTime()} ${name} ${shown ?? ''}`
    const known = items.get(key)
    if (known === undefined) items.set(key, { at: at.toISOString(), name, reason: shown, count })
    else known.count += count
  }
  return { kind: 'done', status: 200, body: { items: [...items.values()] } }
}

/** Creates the operations. */
export const usageOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Usage',
    description: 'Figures of the whole server or one app: the same that the console shows.',
    schemas: {},
    operations: [
      {
        id: 'getUsageSummary',
        method: 'GET',
        path: '/usage/summary',
        summary: 'Get the figures of a range, and of the one before',
        description: 'Totals are updated within a few seconds.',
        scope: 'admin:audit:read',
        query: [
          { name: 'range', schema: { ...choice('How far back.', RANGE_NAMES), default: '30d' } },
          { name: 'app_id', schema: text('Only those of this app.') },
        ],
        answers: { 200: { description: 'The figures.', schema: SUMMARY } },
        handle: summary,
      },
      {
        id: 'listUsageSeries',
        method: 'GET',
        path: '/usage/series',
        summary: 'List counts by hour or UTC day',
        description: `Hours are kept for 14 days, days for good. At most ${MOST_STEPS} steps; steps in which nothing happened are left out.`,
        scope: 'admin:audit:read',
        query: [
          { name: 'from', required: true, schema: timestamp('The start of the period.') },
          { name: 'to', required: true, schema: timestamp('The end of the period.') },
          {
            name: 'step',
            schema: { ...choice('Hours or days.', ['hour', 'day']), default: 'day' },
          },
          { name: 'app_id', schema: text('Only those of this app.') },
          { name: 'names', schema: text('Only events with these names, separated by commas.') },
          { name: 'by', schema: choice('Counts each reason apart.', ['reason']) },
        ],
        answers: { 200: { description: 'The counts, oldest first.', schema: SERIES } },
        handle: series,
      },
    ],
  })
