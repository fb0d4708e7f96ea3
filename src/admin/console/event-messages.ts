// Events as people read them: a sentence, who, whom, why, and what changed. Invariant: whatever an
// event holds is shown as text of bounded length; its facts are listed one by one, so that nothing
// is hidden in a blob. Called by the activity pages and the export.
import type { EventName } from '../../audit/event-names.ts'
import type { RecordedEvent } from '../../audit/event.store.ts'
import type { ReasonMessage } from '../../model/error-guides.ts'
import { reasonMessage } from './reason-messages.ts'

/** What each event is called. */
export const EVENT_TITLES: Partial<Record<EventName, string>> = {
  'login.succeeded': 'Signed in',
  'login.failed': 'Sign-in failed',
  'login.throttled': 'Too many sign-in attempts',
  'session.ended': 'Signed out',
  'consent.granted': 'Allowed an app',
  'consent.denied': 'Denied an app',
  'consent.withdrawn': 'Disconnected an app',
  'code.issued': 'Code issued',
  'token.issued': 'Tokens issued',
  'token.refreshed': 'Tokens refreshed',
  'token.revoked': 'Token revoked',
  'grant.revoked': 'Authorization revoked',
  'grants.revoked': 'Authorizations revoked',
  'request.refused': 'Request refused',
  'app.registered': 'App registered',
  'app.changed': 'App changed',
  'app.suspended': 'App suspended',
  'app.activated': 'App activated',
  'app.deleted': 'App deleted',
  'app.tried': 'App previewed by an admin',
  'secret.created': 'Secret created',
  'secret.revoked': 'Secret revoked',
  'scope.created': 'Scope created',
  'scope.changed': 'Scope changed',
  'scope.removed': 'Scope removed',
  'account.created': 'Account created',
  'account.changed': 'Account changed',
  'account.deactivated': 'Account deactivated',
  'link.made': 'One-time link created',
  'link.used': 'One-time link used',
  'accounts.imported': 'Accounts imported',
  'delivery.sent': 'Mail sent',
  'delivery.resent': 'Mail sent again',
  'delivery.failed': 'Mail could not be delivered',
  'key.rotated': 'Signing key rotated',
  'keys.resealed': 'Signing keys re-encrypted',
  'provider.saved': 'Provider saved',
  'provider.removed': 'Provider removed',
  'integration.created': 'Integration created',
  'integration.changed': 'Integration changed',
  'integration.deleted': 'Integration deleted',
  'webhook.changed': 'Webhook secrets changed',
  'integration.misconfigured': 'Integration misconfigured',
  'integration.recovered': 'Integration works again',
  'connection.fetched': 'Credential of a connection used',
  'connection.expired': 'Connection expired',
  'connection.ending': 'Connection ends within a week',
  'connection.failing': 'Connection failing',
  'connection.recovered': 'Connection works again',
  'connection.narrowed': 'Connection lost scopes',
  'connection.disabled': 'Connection switched off',
  'connection.enabled': 'Connection switched on',
  'connection.deleted': 'Connection deleted by an admin',
  'connections.reencrypted': 'Credentials of connections re-encrypted',
  'connection.created': 'System connected',
  'connection.renewed': 'System connected again',
  'connection.disconnected': 'System disconnected',
  'connection.withdrawn': 'Access withdrawn at another system',
  'connection.unrevoked': 'Access could not be withdrawn at another system',
  'leak.reported': 'Leak reported',
}

/** Returns what an event is called; one that we do not know stands for itself. */
export const eventTitle = (name: string): string =>
  Object.hasOwn(EVENT_TITLES, name) ? (EVENT_TITLES[name as EventName] ?? name) : name

const DATA_LABELS: Readonly<Record<string, string>> = {
  grantType: 'Grant type',
  endpoint: 'Endpoint',
  statusReason: 'Reason',
  secretId: 'Secret',
  scope: 'Scope',
  scopes: 'Scopes',
  name: 'Name',
  role: 'Role',
  kind: 'Kind',
  connections: 'Connections ended',
  rotated: 'Rotated',
  grace: 'Repeated within the grace period',
  created: 'Created',
  refused: 'Refused',
  keyId: 'Key',
  alg: 'Algorithm',
  emergency: 'Emergency',
  count: 'Count',
  wasLive: 'Was still valid',
  outcome: 'Outcome',
  preview: 'Part of a preview',
}

/** What changed in one setting. */
interface Change {
  setting: string
  before: string
  after: string
}

/** What kind of thing happened; the icon of its line. */
type EventTone = 'trouble' | 'end' | 'change' | 'use'

/** An event on a page. */
export interface ShownEvent {
  id: string
  at: Date
  name: string
  title: string
  tone: EventTone
  /** What matters most of the rest, in one line; empty where there is nothing to add. */
  summary: string
  reason: (ReasonMessage & { code: string }) | undefined
  appId: string | undefined
  accountId: string | undefined
  actor: string | undefined
  address: string | undefined
  requestId: string | undefined
  grantId: string | undefined
  facts: { label: string; value: string }[]
  changes: Change[]
}

const TROUBLE: ReadonlySet<string> = new Set([
  'request.refused',
  'login.failed',
  'login.throttled',
  'leak.reported',
])
const USES = /^(?:login|session|consent|code|token|link)\./
const ENDS = /\.(?:revoked|withdrawn|denied|ended|deleted|removed|suspended|deactivated)$/
const MAX_SHOWN = 2000
const MAX_SUMMARY = 200

function toneOf(name: string): EventTone {
  if (TROUBLE.has(name)) return 'trouble'
  if (ENDS.test(name)) return 'end'
  return USES.test(name) ? 'use' : 'change'
}

/** Writes any value of an event's data in words. */
function written(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (value === true) return 'yes'
  if (value === false) return 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : value.map(written).join('\n')
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

/** `redirectUris` as a person writes it: `Redirect uris`. */
const settingInWords = (setting: string): string => {
  const spaced = setting.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}

function changesOf(diff: unknown): Change[] {
  if (typeof diff !== 'object' || diff === null) return []
  return Object.entries(diff).map(([setting, change]: [string, unknown]) => {
    const [before, after] = Array.isArray(change) ? (change as unknown[]) : [undefined, change]
    return { setting: settingInWords(setting), before: written(before), after: written(after) }
  })
}

function summaryOfEvent({
  reason,
  changes,
  facts,
}: Pick<ShownEvent, 'reason' | 'changes' | 'facts'>): string {
  const parts =
    reason !== undefined
      ? [reason.what]
      : changes.length > 0
        ? [changes.map(({ setting }) => setting).join(', ')]
        : facts.map(({ label, value }) => `${label}: ${value.replaceAll('\n', ', ')}`)
  const text = parts.join(' · ')
  return text.length > MAX_SUMMARY ? `${text.slice(0, MAX_SUMMARY)}…` : text
}

/** Returns an event as a page shows it. */
export function shownEvent(event: RecordedEvent): ShownEvent {
  const { diff, ...data } = event.data ?? {}
  const told = {
    reason:
      event.reason === undefined
        ? undefined
        : { code: event.reason, ...reasonMessage(event.name, event.reason) },
    facts: Object.entries(data).flatMap(([name, value]) =>
      value === null || value === undefined
        ? []
        : [{ label: DATA_LABELS[name] ?? settingInWords(name), value: written(value) }],
    ),
    changes: changesOf(diff),
  }
  return {
    id: event.id,
    at: event.at,
    name: event.name,
    title: eventTitle(event.name),
    tone: toneOf(event.name),
    summary: summaryOfEvent(told),
    appId: event.appId,
    accountId: event.accountId,
    actor: event.actor,
    address: event.address,
    requestId: event.requestId,
    grantId: event.grantId,
    ...told,
  }
}
