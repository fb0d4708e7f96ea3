// When a connection is refreshed, and what a failure makes of it: decisions without I/O.
import { DAY, HOUR, MINUTE, SECOND } from '../shared/clock.ts'
import type { Connection } from './connection.ts'
import type { FailedRefresh, Refreshed } from './refresh.store.ts'
import type { ReceivedTokens } from './renewal.ts'

/** What is left of an access token must be more than this, or it is renewed. */
export const MARGIN_SECONDS = 60

const FIRST_PAUSE_MILLIS = 10 * SECOND
const LONGEST_PAUSE_MILLIS = HOUR
/** How long before its end an access token is renewed in the background. */
const AHEAD_MILLIS = 5 * MINUTE
/** Connections that were not used for so long are renewed only when somebody asks. */
const USED_WITHIN_MILLIS = 7 * DAY

/** Returns whether the access token lives for so long still; one without an end does. */
export const livesFor = (
  { accessExpiresAt }: Pick<Connection, 'accessExpiresAt'>,
  millis: number,
  now: number,
): boolean => accessExpiresAt === undefined || accessExpiresAt.getTime() > now + millis

/** Returns what is stored of received tokens. @param life what is known of the provider's tokens */
export function refreshedBy(
  connection: Connection,
  tokens: ReceivedTokens,
  life: { readonly refreshIdleDays?: number | undefined },
  now: number,
): Refreshed {
  const { accessToken, refreshToken, accessExpiresAt, scopes } = tokens
  const asked = [...connection.grantedScopes, ...connection.missingScopes]
  const granted = scopes ?? connection.grantedScopes
  return {
    credentials: [
      { kind: 'oauth_access_token', name: '', value: accessToken, expiresAt: accessExpiresAt },
      ...(refreshToken === undefined
        ? []
        : [
            {
              kind: 'oauth_refresh_token' as const,
              name: '',
              value: refreshToken,
              expiresAt: tokens.refreshExpiresAt,
            },
          ]),
    ],
    accessExpiresAt,
    refreshExpiresAt:
      tokens.refreshExpiresAt ?? (refreshToken ? undefined : connection.refreshExpiresAt),
    grantedScopes: granted,
    missingScopes: asked.filter((scope) => !granted.includes(scope)),
    dueAt: dueAfter({ ...connection, accessExpiresAt, lastRefreshedAt: new Date(now) }, life, now),
  }
}

/**
 * Returns when work in the background looks at a connection next: shortly before its access token
 * ends where it is in use, and in time where a refresh token dies of idleness.
 */
export function dueAfter(
  connection: Pick<Connection, 'accessExpiresAt' | 'lastUsedAt' | 'lastRefreshedAt' | 'createdAt'>,
  { refreshIdleDays }: { readonly refreshIdleDays?: number | undefined },
  now: number,
): Date | undefined {
  const { accessExpiresAt, lastRefreshedAt, createdAt } = connection
  const times = [
    ...(isUsed(connection, now) && accessExpiresAt !== undefined
      ? [Math.max(accessExpiresAt.getTime() - AHEAD_MILLIS, now + MINUTE)]
      : []),
    ...(refreshIdleDays === undefined
      ? []
      : [(lastRefreshedAt ?? createdAt).getTime() + (refreshIdleDays * DAY) / 2]),
  ]
  return times.length === 0 ? undefined : new Date(Math.min(...times))
}

/** Returns whether work in the background renews a connection now. */
export function isWorthRenewing(
  connection: Connection,
  life: { readonly refreshIdleDays?: number | undefined },
  now: number,
): boolean {
  if (connection.nextTryAt !== undefined && connection.nextTryAt.getTime() > now) return false
  if (connection.status === 'failing') return true
  const due = dueAfter({ ...connection, accessExpiresAt: undefined }, life, now)
  const isIdle = due !== undefined && due.getTime() <= now
  return isIdle || (isUsed(connection, now) && !livesFor(connection, AHEAD_MILLIS, now))
}

const isUsed = (
  { lastUsedAt, createdAt }: Pick<Connection, 'lastUsedAt' | 'createdAt'>,
  now: number,
): boolean => (lastUsedAt ?? createdAt).getTime() > now - USED_WITHIN_MILLIS

/**
 * Returns how a connection is after the provider could not be reached.
 *
 * @param random from 0 to 1
 */
export function afterOutage(
  connection: Connection,
  { reason, retryAfterSeconds }: { reason: string; retryAfterSeconds?: number | undefined },
  now: number,
  random: number,
): FailedRefresh {
  const refreshFailures = connection.refreshFailures + 1
  const pause = Math.min(FIRST_PAUSE_MILLIS * 2 ** (refreshFailures - 1), LONGEST_PAUSE_MILLIS)
  const asked = Math.min((retryAfterSeconds ?? 0) * SECOND, LONGEST_PAUSE_MILLIS)
  const nextTryAt = new Date(now + Math.max(pause * (0.8 + 0.4 * random), asked))
  const isAlive = livesFor(connection, 0, now)
  return {
    status: isAlive ? 'active' : 'failing',
    statusReason: isAlive ? undefined : reason,
    refreshFailures,
    nextTryAt,
    dueAt: nextTryAt,
  }
}

/** Returns how a connection is that only its owner can mend. */
export const afterRefusal = (connection: Connection, reason: string): FailedRefresh => ({
  status: 'expired',
  statusReason: reason,
  refreshFailures: connection.refreshFailures + 1,
  nextTryAt: undefined,
  dueAt: undefined,
})
