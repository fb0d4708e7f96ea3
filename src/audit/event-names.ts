// The closed list of business events: how loud each is in the log, and whether it is counted per
// app and day. events.ts has one function for each.

interface EventKind {
  /** `warn` is for what an operator should look at: guessing, theft, replay. */
  level: 'info' | 'warn'
  /** Whether it is part of the daily usage of an app; acts of admins are not. */
  isUsage: boolean
}

const usage = { level: 'info', isUsage: true } as const
const act = { level: 'info', isUsage: false } as const

export const EVENTS = {
  'login.succeeded': usage,
  'login.failed': usage,
  'login.throttled': { level: 'warn', isUsage: true },
  'session.ended': act,
  'consent.granted': usage,
  'consent.denied': usage,
  'consent.withdrawn': usage,
  'code.issued': usage,
  'token.issued': usage,
  'token.refreshed': usage,
  'token.revoked': usage,
  'grant.revoked': usage,
  'grants.revoked': act,
  'request.refused': usage,
  'app.registered': act,
  'app.changed': act,
  'app.suspended': act,
  'app.activated': act,
  'app.deleted': act,
  'app.tried': act,
  'secret.created': act,
  'secret.revoked': act,
  'scope.created': act,
  'scope.changed': act,
  'scope.removed': act,
  'account.created': act,
  'account.changed': act,
  'account.deactivated': act,
  'link.made': act,
  'link.used': act,
  'accounts.imported': act,
  'delivery.sent': act,
  'delivery.resent': act,
  'delivery.failed': { level: 'warn', isUsage: false },
  'key.rotated': act,
  'keys.resealed': act,
  'provider.saved': act,
  'provider.removed': act,
  'integration.created': act,
  'integration.changed': act,
  'integration.deleted': act,
  'webhook.changed': act,
  'integration.misconfigured': { level: 'warn', isUsage: false },
  'integration.recovered': act,
  'connection.fetched': usage,
  'connection.expired': act,
  'connection.ending': act,
  'connection.failing': act,
  'connection.recovered': act,
  'connection.narrowed': act,
  'connection.disabled': act,
  'connection.enabled': act,
  'connection.deleted': act,
  'connections.reencrypted': act,
  'connection.created': act,
  'connection.renewed': act,
  'connection.disconnected': act,
  'connection.withdrawn': act,
  'connection.unrevoked': act,
  'leak.reported': { level: 'warn', isUsage: false },
} as const satisfies Record<string, EventKind>

/** The name of an event that has a row. */
export type EventName = keyof typeof EVENTS

/** What is counted per app and day; what gateways ask is too frequent for rows. */
export type UsageName =
  EventName | 'token.introspected' | 'token.verified' | 'connection.proxied' | 'webhook.checked'

/** Why a token or a whole grant was revoked. */
export type RevocationReason =
  | 'client'
  | 'code_replay'
  | 'refresh_reuse'
  | 'user'
  | 'admin'
  | 'app_suspended'
  | 'app_deleted'
  | 'account_deactivated'
  | 'leaked'
  | 'password_changed'
  | 'preview'

/** Revocations that speak of a stolen code or token. */
export const SUSPICIOUS: ReadonlySet<string> = new Set<RevocationReason>([
  'code_replay',
  'refresh_reuse',
  'leaked',
])
