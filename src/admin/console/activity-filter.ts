// What the activity is filtered by: names and e-mail addresses, as admins type them, become the ids
// that events carry; presets and days become moments. Invariant: a name that fits several apps or
// accounts is never guessed, the page offers all of them. Called by the activity pages.
import type { EventQuery } from '../../audit/event.store.ts'
import { DAY, HOUR } from '../../shared/clock.ts'
import { may, type Operator } from '../operator.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { linkWith, type Query } from './paging.ts'

/** What is filtered by; `from` and `to` are days, both included, and win over `when`. */
export const ACTIVITY_FILTERS = [
  'event',
  'app',
  'account',
  'request',
  'actor',
  'reason',
  'when',
  'from',
  'to',
] as const
export type ActivityFilterName = (typeof ACTIVITY_FILTERS)[number]

const PERIODS: ReadonlyMap<string, { label: string; millis: number }> = new Map([
  ['hour', { label: 'Last hour', millis: HOUR }],
  ['day', { label: 'Last 24 hours', millis: DAY }],
  ['week', { label: 'Last 7 days', millis: 7 * DAY }],
])

/** One of the periods that the page offers. */
export interface Preset {
  label: string
  href: string
  isCurrent: boolean
}

/** Something that a name in a filter may mean. */
interface NameChoice {
  id: string
  label: string
}

/** A name in a filter that fits nothing, or several things. */
export interface UnclearName {
  /** The name of the filter. */
  about: string
  title: string
  sentence: string
  choices: (NameChoice & { href: string })[]
  /** There are others that it fits. */
  isMore: boolean
}

/** A query of the activity, and how the page shows it. */
export interface ActivitySearch {
  query: EventQuery
  /** What each filter is shown as; absent where it narrows nothing. */
  labels: { [Name in ActivityFilterName]?: string | undefined }
  /** Nothing is listed while a name is unclear. */
  unclear: UnclearName | undefined
  /** Whose days `from` and `to` are. */
  zone: string
}

/** Reads the filters. @param by names of accounts are looked up only for those who see accounts */
export async function readActivityFilters(
  deps: Pick<ConsoleDeps, 'apps' | 'accounts' | 'clock'>,
  query: Query,
  by: Operator,
): Promise<ActivitySearch> {
  const find = { app: findApps, account: findAccounts, actor: findActors }
  const names = await Promise.all(
    (['app', 'account', 'actor'] as const).map(async (name) => {
      const typed = query.get(name)
      return typed === undefined
        ? undefined
        : { name, typed, found: await find[name](deps, typed, may(by, 'admin:accounts:read')) }
    }),
  )
  const time = periodOf(query, deps.clock())
  const search: ActivitySearch = {
    query: {
      name: query.get('event'),
      reason: query.get('reason'),
      requestId: query.get('request'),
      from: time.from,
      to: time.to,
    },
    labels: {
      event: query.get('event'),
      reason: query.get('reason'),
      request: query.get('request'),
      ...time.labels,
    },
    unclear: undefined,
    zone: time.zone,
  }
  for (const each of names) {
    if (each === undefined) continue
    const { name, typed, found } = each
    const [one, ...others] = found
    search.labels[name] = others.length === 0 ? (one?.label ?? typed) : typed
    if (one === undefined || others.length > 0)
      search.unclear ??= unclearName(query, name, typed, found)
    else search.query[EVENT_MEMBERS[name]] = one.id
  }
  return search
}

const EVENT_MEMBERS = { app: 'appId', account: 'accountId', actor: 'actor' } as const
const KINDS = { app: 'app', account: 'account', actor: 'app or account' } as const

/** Returns the presets, the current one marked; each keeps the other filters. */
export function presetsOf(path: string, query: Query, names: readonly string[]): Preset[] {
  const kept = Object.fromEntries(names.map((name) => [name, query.get(name)]))
  const others = { ...kept, when: undefined, from: undefined, to: undefined }
  const hasDays = query.get('from') !== undefined || query.get('to') !== undefined
  const current = hasDays ? 'days' : (query.get('when') ?? '')
  return [
    ...[...PERIODS].map(([when, { label }]) => ({
      label,
      href: linkWith(path, { ...others, when }),
      isCurrent: when === current,
    })),
    { label: 'All time', href: linkWith(path, others), isCurrent: current === '' },
  ]
}

/** Returns when the preset that was chosen began; `undefined` without one. */
export function startOfPreset(query: Query, nowMillis: number): Date | undefined {
  const period = PERIODS.get(query.get('when') ?? '')
  return period && new Date(nowMillis - period.millis)
}

function periodOf(query: Query, nowMillis: number) {
  const zone = zoneOf(query)
  const from = startOfDay(query.get('from'), zone)
  const to = startOfDay(query.get('to'), zone, 1)
  const labels = {
    from: from && query.get('from'),
    to: to && query.get('to'),
  }
  if (from !== undefined || to !== undefined) return { from, to, zone, labels }
  const label = PERIODS.get(query.get('when') ?? '')?.label
  return { from: startOfPreset(query, nowMillis), to, zone, labels: { when: label } }
}

// —— Names ——

type Look = Pick<ConsoleDeps, 'apps' | 'accounts'>
/** How many are offered where a name fits several. */
const MOST = 8

async function findApps({ apps }: Look, typed: string): Promise<NameChoice[]> {
  const one = await apps.find(typed)
  if (one !== undefined) return [{ id: one.id, label: one.name }]
  const [live, deleted] = await Promise.all([
    apps.list({ search: typed, limit: MOST }),
    apps.list({ search: typed, status: 'deleted', limit: MOST }),
  ])
  const found = [...live.apps, ...deleted.apps]
  const exact = found.filter(({ name, handle }) => isSame(name, typed) || handle === typed)
  return (exact.length > 0 ? exact : found).map(({ id, name }) => ({ id, label: name }))
}

async function findAccounts(
  { accounts }: Look,
  typed: string,
  maySeeAccounts: boolean,
): Promise<NameChoice[]> {
  if (!maySeeAccounts) return [{ id: typed, label: typed }]
  const found = (await accounts.list({ search: typed, limit: MOST })).accounts
  const exact = found.filter(({ email, name }) => isSame(email, typed) || isSame(name, typed))
  return (exact.length > 0 ? exact : found).map(({ id, email }) => ({ id, label: email }))
}

/** Who acted is an account, an app, or something that is neither: the command line, a start. */
async function findActors(
  deps: Look,
  typed: string,
  maySeeAccounts: boolean,
): Promise<NameChoice[]> {
  const isAddress = typed.includes('@') || typed.startsWith('acc_')
  const found = isAddress
    ? await findAccounts(deps, typed, maySeeAccounts)
    : await findApps(deps, typed)
  return found.length === 0 && !isAddress ? [{ id: typed, label: typed }] : found
}

const isSame = (name: string | undefined, typed: string): boolean =>
  name?.toLowerCase() === typed.toLowerCase()

function unclearName(
  query: Query,
  name: keyof typeof KINDS,
  typed: string,
  found: readonly NameChoice[],
): UnclearName {
  const asked = Object.fromEntries(query.entries)
  const kind = KINDS[name]
  return {
    about: name,
    title: found.length === 0 ? `No ${kind} matches` : `Which ${kind} do you mean?`,
    sentence:
      found.length === 0
        ? `No ${kind} matches “${typed}”. Check the spelling, or use the ID.`
        : `“${typed}” matches more than one ${kind}.`,
    choices: found.slice(0, MOST).map((each) => ({
      ...each,
      href: linkWith('/admin/activity', {
        ...asked,
        [name]: each.id,
        cursor: undefined,
        trail: undefined,
      }),
    })),
    isMore: found.length >= MOST,
  }
}

// —— Days ——

// No event is older, and Postgres knows no year 0.
const DAY_FORM = /^((?:19|2\d)\d{2})-(\d{2})-(\d{2})$/

/** Reads the time zone that a browser named; UTC without one, and for one that there is not. */
function zoneOf(query: Query): string {
  const zone = query.get('zone') ?? 'UTC'
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone
  } catch {
    return 'UTC'
  }
}

/**
 * Returns when a day begins in a time zone, or the day so many days later; `undefined` for what is
 * no day.
 */
function startOfDay(day: string | undefined, zone: string, later = 0): Date | undefined {
  const [, year, month, date] = DAY_FORM.exec(day ?? '') ?? []
  if (year === undefined || Number.isNaN(Date.parse(`${day}T00:00:00Z`))) return undefined
  const utc = Date.UTC(Number(year), Number(month) - 1, Number(date) + later)
  // The clocks may change between the two moments: the second look is at the right one.
  const near = utc - offsetMillis(zone, utc)
  return new Date(utc - offsetMillis(zone, near))
}

/** Returns how far the clocks of a time zone are ahead of UTC. */
function offsetMillis(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value
  const [, sign, hours, minutes = '0'] = /GMT([+-])(\d+)(?::(\d+))?/.exec(parts ?? '') ?? []
  if (sign === undefined) return 0
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}
