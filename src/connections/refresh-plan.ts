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
/** How long before an end that only the owner can move they are told. */
const NOTICE_MILLIS = 7 * DAY
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
  const refreshExpiresAt =
    tokens.refreshExpiresAt ?? (refreshToken ? undefined : connection.refreshExpiresAt)
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
    refreshExpiresAt,
    grantedScopes: granted,
    missingScopes: asked.filter((scope) => !granted.includes(scope)),
    dueAt: dueAfter(
      { ...connection, accessExpiresAt, refreshExpiresAt, lastRefreshedAt: new Date(now) },
      life,
      now,
    ),
  }
}

type Times = Pick<
  Connection,
  'accessExpiresAt' | 'refreshExpiresAt' | 'lastUsedAt' | 'lastRefreshedAt' | 'createdAt'
>

/**
 * Returns when work in the background looks at a connection next: shortly before its access token
 * ends where it is in use, in time where a refresh token dies of idleness, a week before an end of
 * which the owner is to be told, and then.
 */
export function dueAfter(
  connection: Times,
  { refreshIdleDays }: { readonly refreshIdleDays?: number | undefined },
  now: number,
): Date | undefined {
  const { accessExpiresAt, refreshExpiresAt, lastRefreshedAt, createdAt } = connection
  const endsAt = refreshExpiresAt?.getTime() ?? 0
  const times = [
    ...(isUsed(connection, now) && accessExpiresAt !== undefined
      ? [Math.max(accessExpiresAt.getTime() - AHEAD_MILLIS, now + MINUTE)]
      : []),
    ...(refreshIdleDays === undefined
      ? []
      : [(lastRefreshedAt ?? createdAt).getTime() + (refreshIdleDays * DAY) / 2]),
    ...[endsAt - NOTICE_MILLIS, endsAt].filter((at) => at > now).slice(0, 1),
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
  const times = { ...connection, accessExpiresAt: undefined, refreshExpiresAt: undefined }
  const due = dueAfter(times, life, now)
  const isIdle = due !== undefined && due.getTime() <= now
  if (isIdle || isAtItsEnd(connection, now)) return true
  return isUsed(connection, now) && !livesFor(connection, AHEAD_MILLIS, now)
}

/** At its end, or near it where it has not been tried whether to use a refresh token moves it. */
function isAtItsEnd(
  { refreshExpiresAt, lastRefreshedAt, statusSince }: Connection,
  now: number,
): boolean {
  const endsAt = refreshExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY
  if (endsAt <= now) return true
  const noticeAt = endsAt - NOTICE_MILLIS
  return noticeAt <= now && (lastRefreshedAt ?? statusSince).getTime() < noticeAt
}

/**
 * Returns the end of which the owner is to be told: it is near, it was far when they connected, and
 * renewing has not moved it.
 *
 * @param before the connection before it was renewed
 */
export function endToTell(
  before: Pick<Connection, 'refreshExpiresAt'>,
  { refreshExpiresAt: end, statusSince }: Pick<Connection, 'refreshExpiresAt' | 'statusSince'>,
  now: number,
): Date | undefined {
  if (end === undefined || end.getTime() <= now) return undefined
  const isNear = end.getTime() - now <= NOTICE_MILLIS
  const wasFar = end.getTime() - statusSince.getTime() > NOTICE_MILLIS + DAY
  const isFixed = end.getTime() - (before.refreshExpiresAt?.getTime() ?? 0) < HOUR
  return isNear && wasFar && isFixed ? end : undefined
}

const CHECK_MILLIS = 7 * DAY
/** Where the last try said nothing. */
const SOONER_MILLIS = DAY

const checkEvery = ({ lastCheck }: Pick<Connection, 'lastCheck'>): number =>
  lastCheck === 'unknown' ? SOONER_MILLIS : CHECK_MILLIS

/** Returns whether keys are to be tried. */
export const isCheckDue = (
  connection: Pick<Connection, 'lastCheck' | 'lastCheckedAt'>,
  now: number,
): boolean => now - (connection.lastCheckedAt?.getTime() ?? 0) >= 0.85 * checkEvery(connection)

/** Returns when keys are tried next. @param random from 0 to 1, so that they do not come at once */
export const nextCheck = (
  connection: Pick<Connection, 'lastCheck' | 'lastCheckedAt'>,
  now: number,
  random: number,
): Date =>
  new Date(
    (connection.lastCheckedAt?.getTime() ?? now) + checkEvery(connection) * (0.9 + 0.2 * random),
  )

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
