// What happened to an account, in its owner's words. Invariant: an event that is not in the table
// is not shown: what the log keeps for admins is not for everybody.
import type { EventName } from '../audit/event-names.ts'
import { SUSPICIOUS } from '../audit/event-names.ts'
import type { EventQuery, RecordedEvent } from '../audit/event.store.ts'
import { networkKey } from '../http/client-address.ts'
import type { HistoryEntry } from './pages.ts'

type Words = (event: RecordedEvent, app: string) => string | undefined

const BY_ADMIN = (event: RecordedEvent): boolean => event.actor !== event.accountId

const ENDED: Readonly<Record<string, string>> = {
  signed_out: 'You signed out.',
  signed_out_everywhere: 'You signed out everywhere.',
  account_switched: 'You switched to another account.',
  ended_elsewhere: 'You ended a sign-in on another device.',
  admin: 'An admin signed you out everywhere.',
}

const REVOKED: Readonly<Record<string, Words>> = {
  refresh_reuse: (_, app) =>
    `${app} lost its access: one of its tokens was used twice, which can mean that it was stolen.`,
  code_replay: (_, app) =>
    `${app} lost its access: a sign-in code of it was used twice, which can mean that it was stolen.`,
  leaked: (_, app) => `${app} lost its access: one of its tokens was found in public.`,
}

const WORDS: Partial<Record<EventName, Words>> = {
  'login.succeeded': () => 'You signed in.',
  'login.failed': () => 'Someone tried to sign in with a wrong password.',
  'session.ended': ({ reason = '' }) => ENDED[reason],
  'consent.granted': (_, app) => `You connected ${app}.`,
  'consent.withdrawn': (_, app) => `You disconnected ${app}.`,
  'grant.revoked': (event, app) => REVOKED[event.reason ?? '']?.(event, app),
  'grants.revoked': (event) =>
    BY_ADMIN(event) ? 'An admin disconnected all apps.' : 'You disconnected all apps.',
  'account.created': () => 'Your account was created.',
  'account.changed': changeInWords,
  'link.made': ({ data }) =>
    data?.['kind'] === 'recovery'
      ? 'Someone asked for a link to choose a new password.'
      : 'An admin made a link to choose a password.',
  'connection.created': () => 'You connected another system.',
  'connection.disconnected': () => 'You disconnected another system.',
}

function changeInWords(event: RecordedEvent): string | undefined {
  const diff = event.data?.['diff']
  if (typeof diff !== 'object' || diff === null) return undefined
  const who = BY_ADMIN(event) ? 'An admin' : 'You'
  if ('password' in diff) return `${who} changed your password.`
  if ('email' in diff) return `${who} changed your e-mail address.`
  if ('name' in diff) return `${who} changed your name.`
  if ('role' in diff) return `${who} changed your role.`
  return undefined
}

const WARNINGS: ReadonlySet<string> = new Set<EventName>(['login.failed'])

export interface HistoryDeps {
  listEvents: (query: EventQuery) => Promise<{ events: RecordedEvent[] }>
  /** Returns the name of an app, also of one that was deleted. */
  nameOfApp: (appId: string) => Promise<string | undefined>
}

const MOST = 300

/** Reads what happened since, newest first. */
export async function readHistory(
  { listEvents, nameOfApp }: HistoryDeps,
  accountId: string,
  from: Date,
): Promise<HistoryEntry[]> {
  const { events } = await listEvents({ accountId, from, limit: MOST })
  const names = new Map<string, string>()
  for (const appId of new Set(events.flatMap(({ appId: id }) => id ?? [])))
    names.set(appId, (await nameOfApp(appId)) ?? 'An app')
  return events.flatMap((event) => {
    const { name, at, reason = '', address } = event
    const what = WORDS[name as EventName]?.(event, names.get(event.appId ?? '') ?? 'An app')
    if (what === undefined) return []
    const isWarning = WARNINGS.has(name) || SUSPICIOUS.has(reason)
    return [{ at, what, isWarning, network: address && networkKey(address) }]
  })
}
