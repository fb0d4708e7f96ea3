// The figures of usage, read: for the whole server or one app, over a range and the one before, and
// the apps that use the server most. Invariant: figures come from counters and samples, never from
// events; console, admin API and command line read them here, so that they show the same numbers.
import type { AppRegistry } from '../apps/app-registry.ts'
import type { GaugeStore, SampledGauge } from '../audit/gauge.store.ts'
import type { UsageStore } from '../audit/usage.store.ts'
import type { GrantFigures } from '../grants/grant-figures.ts'
import type { App } from '../model/app.ts'
import { AppError } from '../shared/errors.ts'
import { type Clock, DAY, HOUR, SECOND } from '../shared/clock.ts'
import {
  COUNTED_EVENTS,
  type Figure,
  FIGURE_NAMES,
  type FigureName,
  figureOf,
  type Period,
  periodBefore,
  periodUntil,
  type RangeName,
  RANGES,
  type ReasonTotal,
  reasonsOf,
  refreshesPerDay,
  refusedShare,
  stepMillis,
} from './usage-figures.ts'

/** How many are alive. */
export interface LiveCount {
  live: number
  /** Distinct accounts among them. */
  people: number
  /** When they were counted. */
  at: Date
}

/** A figure and what it was in the period before. */
export interface ComparedFigure extends Figure {
  before: number
}

export interface UsageReport {
  period: Period
  figures: Readonly<Record<FigureName, ComparedFigure>>
  refusals: readonly ReasonTotal[]
  revocations: readonly ReasonTotal[]
  /** Absent where they were not counted yet. */
  now: LiveCount | undefined
  /** People connected at the end of each step; undefined where nobody counted. */
  people: readonly (number | undefined)[]
}

/** One app in a range. */
export interface AppUsage {
  appId: string
  /** Absent where the app is gone without a trace. */
  app: App | undefined
  live: number
  issued: number
  refreshed: number
  refused: number
  /** 0 to 1; absent where it asked for nothing. */
  refusedShare: number | undefined
  /** Per live authorization; absent where none is alive. */
  refreshesPerDay: number | undefined
  lastUsedAt: Date | undefined
}

export type UsageOrder = 'live' | 'issued' | 'refreshed' | 'refused' | 'used'

interface ReportDeps {
  usage: Pick<UsageStore, 'sums' | 'sumsByApp'>
  gauges: Pick<GaugeStore, 'list' | 'latest'>
  figures: Pick<GrantFigures, 'countLive' | 'sampleApp'>
  apps: Pick<AppRegistry, 'list' | 'get'>
  clock: Clock
}

/** Up to so many apps are counted while somebody waits; else the sample of the hour is told. */
const COUNTED_APPS = 100
/** So many authorizations of one app are looked at for whose they are. */
const COUNTED_PEOPLE = 5000
/** A sample is the present for so long: an hour, and one that failed. */
const PRESENT_MILLIS = 2 * HOUR

/** Creates the reports. */
export function createUsageReports(deps: ReportDeps) {
  return {
    report: report.bind(undefined, deps),
    topApps: topApps.bind(undefined, deps),
  }
}

export type UsageReports = ReturnType<typeof createUsageReports>

/** Reads the figures of a range. @param appId of the whole server where absent */
async function report(deps: ReportDeps, range: RangeName, appId?: string): Promise<UsageReport> {
  const { step, steps } = RANGES[range]
  const period = periodUntil(deps.clock(), step, steps)
  const before = periodBefore(period)
  const [sums, samples, now] = await Promise.all([
    deps.usage.sums({ step, from: before.from, to: period.to, appId, names: COUNTED_EVENTS }),
    deps.gauges.list({ appId: appId ?? '', from: period.from, to: period.to }),
    appId === undefined ? countServer(deps) : countApp(deps, appId),
  ])
  const figures = Object.fromEntries(
    FIGURE_NAMES.map((name) => [
      name,
      { ...figureOf(sums, name, period), before: figureOf(sums, name, before).total },
    ]),
  ) as Record<FigureName, ComparedFigure>
  return {
    period,
    figures,
    refusals: reasonsOf(sums, 'request.refused', period),
    revocations: reasonsOf(sums, 'grant.revoked', period),
    now,
    people: lastOfEachStep(samples, period),
  }
}

function lastOfEachStep(
  samples: readonly SampledGauge[],
  { steps, step, from }: Period,
): (number | undefined)[] {
  const values = new Array<number | undefined>(steps.length).fill(undefined)
  for (const { at, name, value } of samples)
    if (name === 'people.connected')
      values[Math.floor((at.getTime() - from.getTime()) / stepMillis(step))] = value
  return values
}

async function countApp(deps: ReportDeps, appId: string): Promise<LiveCount | undefined> {
  const at = new Date(deps.clock())
  const live = await deps.figures.countLive(appId)
  if (live <= COUNTED_PEOPLE) {
    const { accountIds } = await deps.figures.sampleApp(appId)
    return { live, people: accountIds.size, at }
  }
  const from = new Date(at.getTime() - DAY)
  const samples = await deps.gauges.list({ appId, from, to: at })
  const people = samples.findLast(({ name }) => name === 'people.connected')
  return people && { live, people: people.value, at: people.at }
}

async function countServer(deps: ReportDeps): Promise<LiveCount | undefined> {
  const { apps, next } = await deps.apps.list({ limit: COUNTED_APPS })
  const at = new Date(deps.clock())
  if (next === undefined) {
    const counts = await Promise.all(apps.map(({ id }) => deps.figures.countLive(id)))
    const live = counts.reduce((total, count) => total + count, 0)
    if (live <= COUNTED_PEOPLE) {
      const people = new Set<string>()
      for (const [place, { id }] of apps.entries()) {
        if (counts[place] === 0) continue
        const { accountIds } = await deps.figures.sampleApp(id)
        for (const accountId of accountIds) people.add(accountId)
      }
      return { live, people: people.size, at }
    }
  }
  const samples = await deps.gauges.list({ appId: '', from: new Date(at.getTime() - DAY), to: at })
  const live = samples.findLast(({ name }) => name === 'grants.live')
  const people = samples.findLast(({ name }) => name === 'people.connected')
  return live && people && { live: live.value, people: people.value, at: live.at }
}

/** Lists the apps that did most in a range. */
async function topApps(
  deps: ReportDeps,
  range: RangeName,
  { order = 'live', limit = 20 }: { order?: UsageOrder; limit?: number } = {},
): Promise<{ apps: AppUsage[]; total: number }> {
  const { step, steps } = RANGES[range]
  const period = periodUntil(deps.clock(), step, steps)
  const [sums, latest] = await Promise.all([
    deps.usage.sumsByApp({ step, from: period.from, to: period.to, names: TOP_EVENTS }),
    deps.gauges.latest(new Date(deps.clock() - PRESENT_MILLIS)),
  ])
  const rows = new Map<string, UsageRow>()
  const rowOf = (appId: string): UsageRow => {
    let row = rows.get(appId)
    if (row === undefined) rows.set(appId, (row = { appId, ...NOTHING }))
    return row
  }
  for (const { appId, name, count } of sums) rowOf(appId)[MEMBERS[name] ?? 'issued'] += count
  for (const { appId, name, value } of latest) {
    if (appId === '') continue
    if (name === 'grants.live' && value > 0) rowOf(appId).live = value
    if (name === 'grants.used_last' && value > 0) rowOf(appId).usedAt = value * SECOND
  }
  // What was sampled an hour ago is told as it is now, where that is few apps.
  if (rows.size <= COUNTED_APPS)
    await Promise.all([...rows.values()].map((row) => makePresent(deps, row)))
  const sorted = [...rows.values()].sort(
    (left, right) =>
      right[COLUMNS[order]] - left[COLUMNS[order]] || (left.appId < right.appId ? -1 : 1),
  )
  const shown = await Promise.all(
    sorted
      .slice(0, limit)
      .map(async (row) => toAppUsage(row, await findApp(deps, row.appId), period)),
  )
  return { apps: shown, total: sorted.length }
}

interface UsageRow {
  appId: string
  live: number
  issued: number
  refreshed: number
  refused: number
  /** Milliseconds since the epoch; 0 where it never was. */
  usedAt: number
}

const NOTHING = { live: 0, issued: 0, refreshed: 0, refused: 0, usedAt: 0 }
const MEMBERS: Readonly<Record<string, 'issued' | 'refreshed' | 'refused'>> = {
  'token.issued': 'issued',
  'token.refreshed': 'refreshed',
  'request.refused': 'refused',
}
const TOP_EVENTS = Object.keys(MEMBERS)
const COLUMNS = {
  live: 'live',
  issued: 'issued',
  refreshed: 'refreshed',
  refused: 'refused',
  used: 'usedAt',
} as const satisfies Record<UsageOrder, keyof UsageRow>

async function makePresent({ figures }: ReportDeps, row: UsageRow): Promise<void> {
  const live = await figures.countLive(row.appId)
  row.live = live
  if (live > COUNTED_PEOPLE) return
  const { lastUsedAt } = await figures.sampleApp(row.appId)
  row.usedAt = lastUsedAt?.getTime() ?? row.usedAt
}

/** Deleted apps keep their name. */
async function findApp({ apps }: ReportDeps, appId: string): Promise<App | undefined> {
  try {
    return await apps.get(appId)
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}

const toAppUsage = (
  { usedAt, ...row }: UsageRow,
  app: App | undefined,
  period: Period,
): AppUsage => ({
  ...row,
  app,
  refusedShare: refusedShare(row),
  refreshesPerDay: refreshesPerDay(row.refreshed, row.live, period),
  lastUsedAt: usedAt === 0 ? undefined : new Date(usedAt),
})
