// Two months of figures for the demo, so that the Overview has something to show. All of it is made
// up, and belongs to apps and accounts whose names say so. Put in once; what the demo's own app
// does is counted beside it.
import type { HourCount } from '../../src/audit/usage.store.ts'
import type { Config } from '../../src/config/config.ts'
import type { App } from '../../src/model/app.ts'
import { longestLife, termsFor } from '../../src/oauth/token/token-terms.ts'
import type { Services } from '../../src/services.ts'
import { DAY, HOUR, SECOND, systemClock } from '../../src/shared/clock.ts'
import { newCode, newGrantId, parseToken } from '../../src/shared/token-format.ts'

const DAYS = 61
/** Single hours are shown of so many days; of those before, all is counted at noon. */
const DAYS_OF_HOURS = 14
const PEOPLE = 24

/** How busy each app is: tokens in its busiest hour, and how many of a hundred requests fail. */
const APPS = [
  { name: 'Calendar Sync (sample)', busiest: 40, failing: 2, reason: 'code_unknown' },
  { name: 'Payout Reports (sample)', busiest: 18, failing: 6, reason: 'client_secret_wrong' },
  { name: 'Front Desk (sample)', busiest: 9, failing: 1, reason: 'authorize_redirect_uri_unknown' },
] as const

const REVOKED = ['user', 'user', 'user', 'client', 'admin', 'refresh_reuse'] as const

/** Puts them in, unless they are there. */
export async function seedUsage(services: Services, { tokens }: Config): Promise<void> {
  const { apps: found } = await services.apps.list({ search: '(sample)' })
  if (found.length > 0) return
  const random = createRandom()
  const now = systemClock()
  const apps = []
  for (const plan of APPS) apps.push({ ...plan, app: await register(services, plan.name) })
  await connectPeople(
    services,
    tokens,
    apps.map(({ app }) => app),
  )
  const counts: HourCount[] = []
  const gauges = []
  for (let at = Math.floor(now / HOUR) * HOUR - DAYS * DAY; at < now; at += HOUR) {
    const activity = activityAt(new Date(at)) * (0.8 + 0.4 * random())
    for (const { app, ...plan } of apps) counts.push(...hourOf(app.id, at, activity, plan, random))
    const hour = new Date(at).toISOString()
    const signIns = Math.round(12 * activity)
    counts.push(counted('', hour, 'login.succeeded', signIns))
    counts.push(counted('', hour, 'login.failed', Math.round(signIns * 0.15), 'password_wrong'))
    if (at < now - HOUR && (at > now - DAYS_OF_HOURS * DAY || at % DAY === 0)) {
      const grown = 0.6 + (0.4 * (at - now + DAYS * DAY)) / (DAYS * DAY)
      gauges.push({ at: new Date(at), people: Math.round(PEOPLE * grown) })
    }
  }
  await services.stores.usage.add(gathered(counts, now - DAYS_OF_HOURS * DAY))
  for (const { at, people } of gauges)
    await services.stores.gauges.add(at, [{ appId: '', name: 'people.connected', value: people }])
}

/** Adds the counts of each day of before that time up. */
function gathered(counts: readonly HourCount[], before: number): HourCount[] {
  const found = new Map<string, HourCount>()
  for (const each of counts) {
    if (each.count === 0) continue
    const at = Date.parse(each.hour)
    const noon = new Date(Math.floor(at / DAY) * DAY + DAY / 2).toISOString()
    const hour = at < before ? noon : each.hour
    const key = [hour, each.appId, each.name, each.reason].join(' ')
    const known = found.get(key)
    if (known === undefined) found.set(key, { ...each, hour })
    else known.count += each.count
  }
  return [...found.values()]
}

/** The same numbers at every first start. */
function createRandom(): () => number {
  let state = 42
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

/** 0 to 1: days are busier than nights, and weekends quieter. */
function activityAt(at: Date): number {
  const ofDay = Math.max(0.08, Math.sin(((at.getUTCHours() - 5) / 15) * Math.PI))
  const isWeekend = at.getUTCDay() % 6 === 0
  return ofDay * (isWeekend ? 0.45 : 1)
}

const counted = (
  appId: string,
  hour: string,
  name: string,
  count: number,
  reason = '',
): HourCount => ({ hour, appId, name, reason, count })

function hourOf(
  appId: string,
  at: number,
  activity: number,
  { busiest, failing, reason }: { busiest: number; failing: number; reason: string },
  random: () => number,
): HourCount[] {
  const hour = new Date(at).toISOString()
  const all = busiest * activity
  const revoked = random() < 0.06 ? REVOKED[Math.floor(random() * REVOKED.length)] : undefined
  return [
    counted(appId, hour, 'code.issued', Math.round(all * 0.25)),
    counted(appId, hour, 'token.issued', Math.round(all * 0.22)),
    counted(appId, hour, 'token.refreshed', Math.round(all * 0.78)),
    counted(
      appId,
      hour,
      'request.refused',
      Math.round((all * failing) / 100 + random() * 0.7),
      reason,
    ),
    ...(revoked === undefined ? [] : [counted(appId, hour, 'grant.revoked', 1, revoked)]),
  ]
}

async function register(services: Services, name: string): Promise<App> {
  const outcome = await services.apps.register({
    name,
    type: 'web',
    description: 'Its figures are made up, so that the Overview has something to show.',
    environment: 'sample',
    redirectUris: ['https://sample.example/callback'],
    scopes: ['bookings:read', 'customers:read'],
  })
  if (outcome.kind === 'refused')
    throw new Error(`a sample app of the demo was refused: ${JSON.stringify(outcome.problems)}`)
  return outcome.app
}

/** Makes accounts, and lets each connect one to three of the apps. */
async function connectPeople(
  { accounts, grants }: Services,
  tokens: Config['tokens'],
  apps: readonly App[],
): Promise<void> {
  for (let person = 1; person <= PEOPLE; person += 1) {
    const email = `sample-${person}@example.com`
    const { id: accountId } = await accounts.create({ email, name: `Sample Person ${person}` })
    for (const app of apps.slice(0, 1 + (person % apps.length))) {
      const terms = termsFor(app, tokens)
      const createdAt = Math.floor(systemClock() / SECOND)
      const grant = { id: newGrantId(), appId: app.id, accountId, scopes: app.scopes, createdAt }
      const code = newCode(grant.id)
      const record = { redirectUri: app.redirectUris[0] ?? '', expiresAt: createdAt + 60 }
      await grants.begin({ ...grant, scopes: [...app.scopes] }, code, record, longestLife(terms))
      const presented = parseToken(code)
      if (presented !== undefined)
        await grants.redeem(
          presented,
          app.id,
          terms,
          () => undefined,
          () => true,
        )
    }
  }
}
