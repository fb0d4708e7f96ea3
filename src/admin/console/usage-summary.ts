// What an app did in the last 30 days, from the daily counters, and what is active now. Called by
// the overview and the activity of an app.
import type { UsageCount } from '../../audit/usage.store.ts'
import { DAY } from '../../shared/clock.ts'
import type { ReasonMessage } from '../../model/error-guides.ts'
import type { App } from '../../model/app.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { numberInWords } from './labels.ts'
import { reasonMessage } from './reason-messages.ts'

const DAYS = 30

/** A reason and how often it was given. */
export interface ReasonCount extends ReasonMessage {
  code: string
  count: number
}

export interface UsageSummary {
  tokensIssued: number
  refreshes: number
  /** Requests that were refused because the app could not prove who it is. */
  failedAuthentications: number
  refusals: ReasonCount[]
  revocations: ReasonCount[]
  /** Tokens issued and refreshed for each day, oldest first. */
  days: { day: string; count: number }[]
  busiest: number
}

/** Returns the first and last day of the period that ends now, as the usage store takes them. */
function period(nowMillis: number): { from: string; to: string } {
  const day = (millis: number): string => new Date(millis).toISOString().slice(0, 10)
  return { from: day(nowMillis - (DAYS - 1) * DAY), to: day(nowMillis) }
}

const isAuthentication = (code: string): boolean =>
  /^client_(authentication|secret|unknown|suspended)/.test(code)

/** Adds the counters of one app up. @param nowMillis the end of the period */
function summaryOf(counts: readonly UsageCount[], nowMillis: number): UsageSummary {
  const sum = (fits: (count: UsageCount) => boolean): number =>
    counts.filter(fits).reduce((total, { count }) => total + count, 0)
  const byReason = (name: string, fits: (each: UsageCount) => boolean): ReasonCount[] => {
    const found = new Map<string, number>()
    for (const each of counts)
      if (fits(each)) found.set(each.reason, (found.get(each.reason) ?? 0) + each.count)
    return [...found]
      .map(([code, count]) => ({ code, count, ...reasonMessage(name, code) }))
      .sort((left, right) => right.count - left.count || (left.code < right.code ? -1 : 1))
  }
  const isToken = ({ name }: UsageCount): boolean =>
    name === 'token.issued' || name === 'token.refreshed'
  const days = Array.from({ length: DAYS }, (_, at) => {
    const day = new Date(nowMillis - (DAYS - 1 - at) * DAY).toISOString().slice(0, 10)
    return { day, count: sum((each) => isToken(each) && each.day === day) }
  })
  return {
    tokensIssued: sum(({ name }) => name === 'token.issued'),
    refreshes: sum(({ name }) => name === 'token.refreshed'),
    failedAuthentications: sum(
      ({ name, reason }) => name === 'request.refused' && isAuthentication(reason),
    ),
    refusals: byReason('request.refused', ({ name }) => name === 'request.refused'),
    revocations: byReason('grant.revoked', ({ name }) => name === 'grant.revoked'),
    days,
    busiest: Math.max(...days.map(({ count }) => count)),
  }
}

/** What an app did lately, and how many authorizations it has now. */
interface AppUsage {
  summary: UsageSummary
  authorizations: number
}

/** Reads both. */
export async function readUsage(
  { usage, countLive, clock }: Pick<ConsoleDeps, 'usage' | 'countLive' | 'clock'>,
  { id }: App,
): Promise<AppUsage> {
  const now = clock()
  const [counts, authorizations] = await Promise.all([
    usage.list({ ...period(now), appId: id }),
    countLive(id),
  ])
  return { summary: summaryOf(counts, now), authorizations }
}

/** Returns the figures as pages show them. */
export const usageFigures = ({ summary, authorizations }: AppUsage) => [
  { label: 'Live authorizations', value: numberInWords(authorizations) },
  { label: 'Tokens issued', value: numberInWords(summary.tokensIssued) },
  { label: 'Tokens refreshed', value: numberInWords(summary.refreshes) },
  { label: 'Failed authentications', value: numberInWords(summary.failedAuthentications) },
]
