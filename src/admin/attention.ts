// What an admin should look at: signs of theft, leaks, failing apps, refresh storms, guessing. One
// table of rules over the counters of the last hours. Invariant: a rule needs a number that chance
// does not reach, so that a line means something; figures come from counters, never from events.
import type { AppSum, UsageStore } from '../audit/usage.store.ts'
import { type Clock, DAY } from '../shared/clock.ts'
import { healthyRefreshes, periodUntil } from './usage-figures.ts'

/** One thing to look at. */
export interface UsageFinding {
  rule: keyof typeof RULES
  /** The app that it is about; absent where it is about the server. */
  appId: string | undefined
  /** How often it happened. */
  count: number
  /** The events behind it. */
  event: string
  reason: string | undefined
}

/** What each rule means, and what to do. */
export const RULES = {
  theft: {
    title: 'Tokens or codes were used twice',
    why: 'Somebody may have a copy of a token, or the app loses new ones.',
    todo: 'Ask the app’s developer whether it stores each new refresh token. If it does, treat it as theft.',
    when: 'in the last 24 hours',
  },
  leaked: {
    title: 'Tokens were reported as leaked',
    why: 'Their authorizations have ended.',
    todo: 'Find out where they were exposed, such as logs, repositories or chats.',
    when: 'in the last 24 hours',
  },
  failing: {
    title: 'Many requests are refused',
    why: 'More than a fifth of the app’s requests fail, three times as many as usual.',
    todo: 'Look at the reasons: a secret that expired, or a redirect URI that changed.',
    when: 'in the last two hours',
  },
  storm: {
    title: 'Refreshes far too often',
    why: 'The app asks for a new access token long before the old one ends.',
    todo: 'Ask its developer to keep an access token until it expires.',
    when: 'in the last two hours',
  },
  guessing: {
    title: 'Passwords are being guessed',
    why: 'Sign-ins were stopped after too many attempts.',
    todo: 'Look at the addresses they come from, and at the accounts they try.',
    when: 'in the last two hours',
  },
} as const satisfies Record<string, object>

/** How much it takes. */
const LEAST_REFUSED = 50
const REFUSED_SHARE = 0.2
const TIMES_USUAL = 3
const LEAST_REFRESHED = 50
const TIMES_HEALTHY = 5
const LEAST_THROTTLED = 20
/** A page shows no more. */
const MOST_FINDINGS = 10

const WINDOW_HOURS = 2
const WEEK_HOURS = 7 * 24
const EVENTS = ['token.issued', 'token.refreshed', 'request.refused', 'grant.revoked']
const THEFT: ReadonlySet<string> = new Set(['refresh_reuse', 'code_replay'])

interface AttentionDeps {
  usage: Pick<UsageStore, 'sums' | 'sumsByApp'>
  countLive: (appId: string) => Promise<number>
  /** The lifetime of an app's access tokens. */
  accessTtlSeconds: (appId: string) => Promise<number>
  clock: Clock
}

/** Applies the rules, the most serious first. */
export async function findAttention(deps: AttentionDeps): Promise<UsageFinding[]> {
  const now = deps.clock()
  const lately = periodUntil(now, 'hour', WINDOW_HOURS)
  const day = periodUntil(now, 'hour', DAY / 3_600_000)
  const week = periodUntil(lately.from.getTime() - 1, 'hour', WEEK_HOURS)
  const [inWindow, inDay, inWeek, throttled] = await Promise.all([
    deps.usage.sumsByApp({ ...lately, names: EVENTS }),
    deps.usage.sumsByApp({ ...day, names: ['grant.revoked'] }),
    deps.usage.sumsByApp({ ...week, names: EVENTS }),
    deps.usage.sums({ ...lately, names: ['login.throttled'] }),
  ])
  const guesses = throttled.reduce((total, { count }) => total + count, 0)
  const usual = totalsByApp(inWeek)
  const window = totalsByApp(inWindow)
  return [
    ...inDay.flatMap(endedBadly),
    ...[...window].flatMap(([appId, totals]) => failing(appId, totals, usual.get(appId))),
    ...(await storms(deps, window)),
    ...(guesses >= LEAST_THROTTLED
      ? [
          {
            rule: 'guessing',
            appId: undefined,
            count: guesses,
            event: 'login.throttled',
            reason: undefined,
          } as const,
        ]
      : []),
  ].slice(0, MOST_FINDINGS)
}

interface Totals {
  all: number
  refreshed: number
  refused: number
}

function totalsByApp(sums: readonly AppSum[]): Map<string, Totals> {
  const found = new Map<string, Totals>()
  for (const { appId, name, count } of sums) {
    if (name === 'grant.revoked') continue
    const totals = found.get(appId) ?? { all: 0, refreshed: 0, refused: 0 }
    totals.all += count
    if (name === 'token.refreshed') totals.refreshed += count
    if (name === 'request.refused') totals.refused += count
    found.set(appId, totals)
  }
  return found
}

function endedBadly({ appId, reason, count }: AppSum): UsageFinding[] {
  if (!THEFT.has(reason) && reason !== 'leaked') return []
  const rule = reason === 'leaked' ? 'leaked' : 'theft'
  return [{ rule, appId, count, event: 'grant.revoked', reason }]
}

function failing(
  appId: string,
  { all, refused }: Totals,
  usual: Totals | undefined,
): UsageFinding[] {
  const share = refused / all
  const usualShare = usual === undefined || usual.all === 0 ? 0 : usual.refused / usual.all
  if (refused < LEAST_REFUSED || share <= REFUSED_SHARE || share < TIMES_USUAL * usualShare)
    return []
  return [{ rule: 'failing', appId, count: refused, event: 'request.refused', reason: undefined }]
}

async function storms(
  { countLive, accessTtlSeconds }: AttentionDeps,
  window: ReadonlyMap<string, Totals>,
): Promise<UsageFinding[]> {
  const found = await Promise.all(
    [...window].map(async ([appId, { refreshed }]): Promise<UsageFinding[]> => {
      if (refreshed < LEAST_REFRESHED) return []
      const [live, ttl] = await Promise.all([countLive(appId), accessTtlSeconds(appId)])
      const healthy = healthyRefreshes(ttl).most * Math.max(1, live) * (WINDOW_HOURS / 24)
      if (refreshed <= TIMES_HEALTHY * healthy) return []
      return [
        { rule: 'storm', appId, count: refreshed, event: 'token.refreshed', reason: undefined },
      ]
    }),
  )
  return found.flat()
}
