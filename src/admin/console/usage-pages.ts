// The Overview of the server and the usage of one app: ranges, tiles, charts with their tables, and
// the same numbers as a file. Invariant: every figure comes from one report, so that tile, chart,
// table and file agree.
import { Readable } from 'node:stream'
import type { App } from '../../model/app.ts'
import { type UsageFinding, RULES } from '../attention.ts'
import { may } from '../operator.ts'
import {
  FIGURE_NAMES,
  type FigureName,
  FIGURES,
  healthyRefreshes,
  RANGE_NAMES,
  type RangeName,
  rangeOf,
  RANGES,
  refreshesPerDay,
  refusedShare,
} from '../usage-figures.ts'
import type { UsageOrder, UsageReport } from '../usage-reports.ts'
import { page, type Row } from './action.ts'
import { appFrame, appPath } from './app-frame.ts'
import { type Series, sparkline, stackedBars, stepInWords } from './chart.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { csvCell } from './export.ts'
import { SECTIONS } from './frame.ts'
import { numberInWords, percentInWords, shortNumber } from './labels.ts'
import type { AppHeadings, FigureTable, ReasonRow, ShownFinding, UsageTile } from './page-models.ts'
import { linkWith, type Query } from './paging.ts'
import { reasonMessage } from './reason-messages.ts'

const OVERVIEW = '/admin'
const ACTIVITY = '/admin/activity'
const TOP_APPS = 20

/** Returns the rows. */
export const usageRows = (deps: ConsoleDeps): Row[] => [
  overview(deps),
  overviewFile(deps),
  ofApp(deps),
  appFile(deps),
]

const overview = (deps: ConsoleDeps): Row =>
  page({
    path: OVERVIEW,
    scope: undefined,
    async show({ query, admin }) {
      const first = SECTIONS.find(({ scope }) => may(admin.by, scope))
      if (first?.id !== 'overview') return { redirectTo: first?.href ?? '/' }
      const range = rangeOf(query.get('range'))
      const order = ORDERS.find((by) => query.get('sort') === `-${by}`) ?? 'live'
      const [report, top, findings] = await Promise.all([
        deps.reports.report(range),
        deps.reports.topApps(range, { order, limit: TOP_APPS }),
        deps.findAttention(),
      ])
      return {
        template: 'overview',
        frame: { title: 'Overview', section: 'overview', crumbs: [] },
        ...usageModel(report, range, { path: OVERVIEW, activity: ACTIVITY, query }),
        attention: await Promise.all(findings.map((each) => shownFinding(deps, each))),
        headings: headingsOf(order, range),
        apps: top.apps.map((each) => ({
          name: each.app?.name ?? each.appId,
          href: appPath(each.appId, `/usage?range=${range}`),
          live: numberInWords(each.live),
          issued: numberInWords(each.issued),
          refreshed: numberInWords(each.refreshed),
          refreshesPerDay: rateInWords(each.refreshesPerDay),
          refused: percentInWords(each.refusedShare),
          lastUsedAt: each.lastUsedAt,
        })),
        total: top.total,
      }
    },
  })

async function shownFinding(
  { apps }: ConsoleDeps,
  { rule, appId, count, event, reason }: UsageFinding,
): Promise<ShownFinding> {
  const { title, why, todo, when } = RULES[rule]
  return {
    title,
    app: appId === undefined ? undefined : ((await apps.find(appId))?.name ?? appId),
    what: `${numberInWords(count)} ${when}.`,
    why,
    todo,
    href: linkWith(ACTIVITY, { event, app: appId, reason }),
  }
}

const HEADINGS = {
  live: 'Live authorizations',
  issued: 'Issued',
  refreshed: 'Refreshed',
  refused: 'Refused',
  used: 'Last used',
} as const satisfies Record<UsageOrder, string>
const ORDERS = Object.keys(HEADINGS) as UsageOrder[]

/** The headings of the apps: the most first, because the least are nobody's question. */
const headingsOf = (order: UsageOrder, range: RangeName): AppHeadings =>
  Object.fromEntries(
    ORDERS.map((by) => [
      by,
      {
        label: HEADINGS[by],
        href: linkWith(OVERVIEW, { range, sort: `-${by}` }),
        state: by === order ? 'descending' : undefined,
      },
    ]),
  ) as AppHeadings

const ofApp = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id/usage',
    scope: 'admin:apps:read',
    async show({ params, query }) {
      const app = await deps.apps.get(params.id)
      const range = rangeOf(query.get('range'))
      const report = await deps.reports.report(range, app.id)
      const path = appPath(app.id, '/usage')
      return {
        template: 'app-usage',
        frame: appFrame(app, 'usage'),
        ...usageModel(report, range, { path, activity: appPath(app.id, '/activity'), query, app }),
        refreshes: refreshesOf(report, app, deps.lifetimes.accessTtlSeconds),
      }
    },
  })

/** Says how often the app refreshes, and how often is healthy. */
function refreshesOf({ figures, now, period }: UsageReport, app: App, accessTtlSeconds: number) {
  const rate = refreshesPerDay(figures.refreshed.total, now?.live, period)
  const { least, most } = healthyRefreshes(app.accessTtlSeconds ?? accessTtlSeconds)
  return {
    rate: rateInWords(rate),
    isTooOften: rate !== undefined && rate > most,
    healthy: `${rateInWords(least)} to ${rateInWords(most)}`,
  }
}

/** The figures of one app in short, for its first page. */
export const figuresInShort = ({ figures, now }: UsageReport) => [
  { label: 'Live authorizations', value: now === undefined ? '–' : numberInWords(now.live) },
  { label: 'People connected', value: now === undefined ? '–' : numberInWords(now.people) },
  ...(['issued', 'refreshed', 'failedClients'] as const).map((name) => ({
    label: FIGURES[name].label,
    value: numberInWords(figures[name].total),
  })),
]

const liveInWords = (live: number): string =>
  `${numberInWords(live)} live ${live === 1 ? 'authorization' : 'authorizations'}`

const rateInWords = (rate: number | undefined): string =>
  rate === undefined ? '–' : numberInWords(Math.round(rate * 10) / 10)

/** Where a page is, and where its figures lead. */
interface UsagePlace {
  path: string
  activity: string
  query: Query
  app?: App
}

/** What both pages show. */
function usageModel(
  report: UsageReport,
  range: RangeName,
  { path, activity, query, app }: UsagePlace,
) {
  const { steps, step } = report.period
  const others = Object.fromEntries(query.entries)
  const tokens: Series[] = [series(report, 'issued'), series(report, 'refreshed')]
  if (app !== undefined) tokens.push(series(report, 'refused'))
  return {
    ranges: RANGE_NAMES.map((name) => ({
      label: RANGES[name].label,
      href: linkWith(path, { ...others, range: name }),
      isCurrent: name === range,
    })),
    rangeLabel: RANGES[range].label,
    tiles: tilesOf(report, range, activity, app !== undefined),
    tokens: stackedBars('Tokens per ' + step, tokens, steps, step),
    countedAt: report.now?.at,
    hasData: FIGURE_NAMES.some((name) => report.figures[name].total > 0),
    table: tableOf(report, app !== undefined),
    csvUrl: `${path === OVERVIEW ? '/admin/overview' : path}/export?range=${range}`,
    refusals: reasonRows('request.refused', report.refusals, activity),
    revocations: reasonRows('grant.revoked', report.revocations, activity),
    definitions: definitionsOf(app !== undefined),
  }
}

const series = ({ figures }: UsageReport, name: FigureName): Series => ({
  label: FIGURES[name].label,
  values: figures[name].values,
})

const eventLink = (activity: string, event: string): string => linkWith(activity, { event })

function tilesOf(
  report: UsageReport,
  range: RangeName,
  activity: string,
  isOfApp: boolean,
): UsageTile[] {
  const { figures, now, people } = report
  const { steps, step } = report.period
  const counted = (name: FigureName, href: string): UsageTile => ({
    label: FIGURES[name].label,
    definition: FIGURES[name].definition,
    value: shortNumber(figures[name].total),
    full: numberInWords(figures[name].total),
    change: changeInWords(figures[name].total, figures[name].before, range),
    more: undefined,
    href,
    spark: sparkline(series(report, name), steps, step),
  })
  const link = (event: string): string => eventLink(activity, event)
  const live: UsageTile = {
    label: 'People connected',
    definition: PEOPLE,
    value: now === undefined ? '–' : shortNumber(now.people),
    full: now === undefined ? 'Not counted yet' : numberInWords(now.people),
    change: now === undefined ? 'Not counted yet' : liveInWords(now.live),
    more: undefined,
    href: isOfApp ? activity : '/admin/apps',
    spark: sparkline({ label: 'People connected', values: people }, steps, step),
  }
  const tokens = figures.issued.total + figures.refreshed.total
  return [
    ...(isOfApp
      ? [counted('failedClients', link('request.refused'))]
      : [
          {
            ...counted('signIns', link('login.succeeded')),
            more: `${numberInWords(figures.failedSignIns.total)} failed`,
          },
        ]),
    live,
    counted('begun', link('code.issued')),
    {
      ...counted('issued', link('token.issued')),
      label: 'Tokens issued and refreshed',
      definition: `${FIGURES.issued.definition} ${FIGURES.refreshed.definition}`,
      value: shortNumber(tokens),
      full: numberInWords(tokens),
      change: changeInWords(tokens, figures.issued.before + figures.refreshed.before, range),
      more: `${numberInWords(figures.refreshed.total)} refreshed`,
      spark: sparkline(
        {
          label: 'Tokens issued and refreshed',
          values: steps.map(
            (_, at) => (figures.issued.values[at] ?? 0) + (figures.refreshed.values[at] ?? 0),
          ),
        },
        steps,
        step,
      ),
    },
    {
      ...counted('refused', link('request.refused')),
      more: `${percentInWords(refusedShare(totalsOf(report)))} of requests`,
    },
    counted('revoked', link('grant.revoked')),
  ]
}

const totalsOf = ({ figures }: UsageReport) => ({
  issued: figures.issued.total,
  refreshed: figures.refreshed.total,
  refused: figures.refused.total,
})

const PEOPLE =
  'Distinct users with a live authorization: one that is not revoked and whose refresh token has not expired. A code that nobody redeemed is none.'

/** Compares a total with that of the period before. */
function changeInWords(total: number, before: number, range: RangeName): string {
  const period = `the ${RANGES[range].label} before`
  if (before === 0) return `None in ${period}`
  if (before === total) return `As many as in ${period}`
  const change = Math.round(((total - before) / before) * 100)
  return `${change > 0 ? '+' : '−'}${numberInWords(Math.abs(change))}% on ${period}`
}

/** The figures of the table and the file: none of sign-ins for an app, at which nobody signs in. */
const namesOf = (isOfApp: boolean): FigureName[] =>
  FIGURE_NAMES.filter((name) => !isOfApp || (name !== 'signIns' && name !== 'failedSignIns'))

function tableOf({ figures, people, period }: UsageReport, isOfApp: boolean): FigureTable {
  const names = namesOf(isOfApp)
  return {
    columns: [...names.map((name) => FIGURES[name].label), 'People connected'],
    rows: period.steps.map((at, place) => ({
      at: stepInWords(at, period.step),
      values: [...names.map((name) => figures[name].values[place] ?? 0), people[place]].map(
        (value) => (value === undefined ? '–' : numberInWords(value)),
      ),
    })),
    totals: [...names.map((name) => numberInWords(figures[name].total)), ''],
  }
}

function reasonRows(
  event: string,
  reasons: UsageReport['refusals'],
  activity: string,
): ReasonRow[] {
  const most = Math.max(1, ...reasons.map(({ count }) => count))
  return reasons.map(({ reason, count }) => ({
    ...reasonMessage(event, reason),
    code: reason,
    count: numberInWords(count),
    share: Math.max(1, Math.round((count / most) * 100)),
    href: linkWith(activity, { event, reason }),
  }))
}

const definitionsOf = (isOfApp: boolean) =>
  [
    ...namesOf(isOfApp).map((name) => ({ ...FIGURES[name] })),
    { label: 'People connected', definition: PEOPLE },
    {
      label: 'Last used',
      definition:
        'The last time that an access token passed introspection or a gateway’s check, up to 5 minutes behind.',
    },
    {
      label: 'Refreshes a day',
      definition:
        'Refreshes per live authorization and day. Healthy is half to twice as often as access tokens expire.',
    },
  ].map(({ label, definition }) => ({ label, definition }))

const overviewFile = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/overview/export',
    scope: 'admin:audit:read',
    show: async ({ query }) => {
      const range = rangeOf(query.get('range'))
      return fileOf(await deps.reports.report(range), `usage-${range}`, false)
    },
  })

const appFile = (deps: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id/usage/export',
    scope: 'admin:apps:read',
    show: async ({ params, query }) => {
      const app = await deps.apps.get(params.id)
      const range = rangeOf(query.get('range'))
      return fileOf(await deps.reports.report(range, app.id), `usage-${app.id}-${range}`, true)
    },
  })

/** The same numbers as the table, for spreadsheets. */
function fileOf({ figures, people, period }: UsageReport, name: string, isOfApp: boolean) {
  const names = namesOf(isOfApp)
  const lines = [
    ['from', ...names, 'peopleConnected'],
    ...period.steps.map((at, place) => [
      at.toISOString(),
      ...names.map((figure) => String(figures[figure].values[place] ?? 0)),
      String(people[place] ?? ''),
    ]),
  ]
  const text = lines.map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('')
  return {
    filename: `${name}.csv`,
    contentType: 'text/csv; charset=utf-8',
    // The mark tells spreadsheets that it is UTF-8.
    content: Readable.from([`\uFEFF${text}`]),
  }
}
