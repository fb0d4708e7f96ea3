// What the figures of usage are: which events each counts, in words and as code, and how counters
// become totals and series. Pure. Console, admin API and command line show the same figures by it.
import type { Step, StepSum } from '../audit/usage.store.ts'
import { DAY, HOUR } from '../shared/clock.ts'

/** One figure. */
interface FigureKind {
  label: string
  /** What exactly is counted. */
  definition: string
  /** The events that it counts. */
  events: readonly string[]
  /** Of these only the ones with such a reason. */
  reasons?: RegExp
}

/** The figures, in the order in which they are shown. */
export const FIGURES = {
  signIns: {
    label: 'Sign-ins',
    definition: 'Users who signed in with the right password, each time.',
    events: ['login.succeeded'],
  },
  failedSignIns: {
    label: 'Failed sign-ins',
    definition:
      'Sign-ins of users that were refused: wrong password, unknown address, or too many attempts.',
    events: ['login.failed', 'login.throttled'],
  },
  begun: {
    label: 'Authorizations begun',
    definition:
      'Times that a user let an app in (codes issued), whether or not the app redeemed the code.',
    events: ['code.issued'],
  },
  issued: {
    label: 'Tokens issued',
    definition:
      'Access tokens issued for a code or for the app itself. Those from a refresh are counted apart.',
    events: ['token.issued'],
  },
  refreshed: {
    label: 'Tokens refreshed',
    definition:
      'Access tokens issued for a refresh token, repeats within the grace period included.',
    events: ['token.refreshed'],
  },
  refused: {
    label: 'Refused requests',
    definition: 'Requests of apps and gateways that were answered with an error.',
    events: ['request.refused'],
  },
  failedClients: {
    label: 'Failed app authentications',
    definition: 'Refused requests in which an app could not prove who it is.',
    events: ['request.refused'],
    reasons: /^client_(?:authentication|secret|unknown|suspended)/,
  },
  revoked: {
    label: 'Authorizations ended',
    definition:
      'Authorizations that were revoked. Each counts once, however many tokens ended with it.',
    events: ['grant.revoked'],
  },
  tokensRevoked: {
    label: 'Access tokens ended alone',
    definition: 'Access tokens that were revoked while their authorization goes on.',
    events: ['token.revoked'],
  },
} as const satisfies Record<string, FigureKind>

export type FigureName = keyof typeof FIGURES
export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[]

/** Every event that some figure counts. */
export const COUNTED_EVENTS: readonly string[] = [
  ...new Set(FIGURE_NAMES.flatMap((name) => FIGURES[name].events)),
]

/** How far back figures go. */
export const RANGES = {
  '24h': { label: '24 hours', step: 'hour', steps: 24 },
  '7d': { label: '7 days', step: 'day', steps: 7 },
  '30d': { label: '30 days', step: 'day', steps: 30 },
  '90d': { label: '90 days', step: 'day', steps: 90 },
  '1y': { label: '1 year', step: 'day', steps: 365 },
} as const satisfies Record<string, { label: string; step: Step; steps: number }>

export type RangeName = keyof typeof RANGES
export const RANGE_NAMES = Object.keys(RANGES) as RangeName[]

/** Reads the name of a range; 30 days for anything else. */
export const rangeOf = (text: string | undefined): RangeName =>
  RANGE_NAMES.find((name) => name === text) ?? '30d'

/** A period in steps: hours, or UTC days. */
export interface Period {
  step: Step
  /** The first moment of each step, in order. */
  steps: readonly Date[]
  from: Date
  /** The first moment that counts no more. */
  to: Date
}

export const stepMillis = (step: Step): number => (step === 'hour' ? HOUR : DAY)

/** Returns the period of so many steps that ends with the step of that moment. */
export function periodUntil(nowMillis: number, step: Step, count: number): Period {
  const size = stepMillis(step)
  const to = (Math.floor(nowMillis / size) + 1) * size
  const from = to - count * size
  const steps = Array.from({ length: count }, (_, at) => new Date(from + at * size))
  return { step, steps, from: new Date(from), to: new Date(to) }
}

/** Returns the period of the same length that ends where this one begins. */
export function periodBefore({ step, steps, from }: Period): Period {
  return periodUntil(from.getTime() - 1, step, steps.length)
}

/** A total, and what it is made of. */
export interface Figure {
  total: number
  /** One value a step. */
  values: readonly number[]
}

/** How often a reason was given. */
export interface ReasonTotal {
  reason: string
  count: number
}

const fits = (kind: FigureKind, { name, reason }: Pick<StepSum, 'name' | 'reason'>): boolean =>
  kind.events.includes(name) && (kind.reasons?.test(reason) ?? true)

/** Adds up one figure over a period; sums from outside of it do not count. */
export function figureOf(sums: readonly StepSum[], name: FigureName, period: Period): Figure {
  const kind: FigureKind = FIGURES[name]
  const values = new Array<number>(period.steps.length).fill(0)
  const [from, size] = [period.from.getTime(), stepMillis(period.step)]
  for (const sum of sums) {
    if (!fits(kind, sum)) continue
    const at = Math.floor((sum.at.getTime() - from) / size)
    const before = values[at]
    if (before !== undefined) values[at] = before + sum.count
  }
  return { total: values.reduce((total, value) => total + value, 0), values }
}

/** Adds up an event by reason over a period, the most frequent first. */
export function reasonsOf(
  sums: readonly StepSum[],
  event: string,
  { from, to }: Period,
): ReasonTotal[] {
  const found = new Map<string, number>()
  for (const { at, name, reason, count } of sums)
    if (name === event && at >= from && at < to) found.set(reason, (found.get(reason) ?? 0) + count)
  return [...found]
    .map(([reason, count]) => ({ reason, count }))
    .sort((left, right) => right.count - left.count || (left.reason < right.reason ? -1 : 1))
}

/** The share of requests for tokens that were refused, 0 to 1; undefined where there were none. */
export function refusedShare(totals: {
  issued: number
  refreshed: number
  refused: number
}): number | undefined {
  const all = totals.issued + totals.refreshed + totals.refused
  return all === 0 ? undefined : totals.refused / all
}

/**
 * How often an authorization should be refreshed a day: between half and twice what its access
 * tokens need.
 */
export const healthyRefreshes = (accessTtlSeconds: number): { least: number; most: number } => {
  const needed = DAY / 1000 / accessTtlSeconds
  return { least: needed / 2, most: needed * 2 }
}

/** Refreshes of one live authorization in a day; undefined where none is alive. */
export const refreshesPerDay = (
  refreshed: number,
  live: number | undefined,
  { from, to }: Pick<Period, 'from' | 'to'>,
): number | undefined =>
  live === undefined || live === 0
    ? undefined
    : refreshed / live / ((to.getTime() - from.getTime()) / DAY)
