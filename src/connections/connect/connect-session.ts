// A link by which an app sends a person to connect a system, and the way back to the app.
// Invariants: the link is for one account and leads to one connection; the person comes back to an
// address that was registered for it, with an id or a code of ours and never with a credential.
import { type Clock, MINUTE } from '../../shared/clock.ts'
import type { Keeper } from './keeper.ts'

/** Where a person goes back to. */
export interface WayBack {
  /** Absent for the console of this server. */
  readonly appId: string | undefined
  /** Registered; without a fragment. */
  readonly address: string
  /** What the app wants to have back. */
  readonly state: string | undefined
}

/** What a link stands for. */
export interface ConnectSession {
  readonly integrationId: string
  /** Who may use it. */
  readonly accountId: string
  /** The connection that is made again. */
  readonly connectionId: string | undefined
  readonly back: WayBack
  /** Milliseconds since the epoch; who has begun by then may take longer. */
  readonly opensUntil: number
}

/** A session that a person takes part in. */
export interface OpenSession extends ConnectSession {
  /** Under which it is kept; also in its address. */
  readonly name: string
}

const OPEN_MILLIS = 10 * MINUTE

/** How long a session is kept: whoever begins at its end has the time of an attempt still. */
export const SESSION_MILLIS = 2 * OPEN_MILLIS

/** Where links lead. */
export const SESSION_PATH = '/connections/session'

/** Keeps a session. Returns its link. */
export async function startConnectSession(
  { issuer, sessions, clock }: { issuer: string; sessions: Keeper<ConnectSession>; clock: Clock },
  session: Omit<ConnectSession, 'opensUntil'>,
): Promise<{ url: string; expiresAt: number }> {
  const opensUntil = clock() + OPEN_MILLIS
  const name = await sessions.keep({ ...session, opensUntil })
  return { url: `${issuer}${SESSION_PATH}/${name}`, expiresAt: opensUntil }
}

/** Finds a session that may begin; `undefined` where it is over. */
export async function findConnectSession(
  { sessions, clock }: { sessions: Pick<Keeper<ConnectSession>, 'find'>; clock: Clock },
  name: string,
): Promise<OpenSession | undefined> {
  const session = await sessions.find(name)
  return session === undefined || session.opensUntil <= clock() ? undefined : { ...session, name }
}

/** Why a person comes back without a connection. */
export type ReturnedError =
  /** They did not want to. */
  | 'access_denied'
  /** The provider refused, or gave less than is needed. */
  | 'provider_refused'
  /** Something is away; trying again later makes sense. */
  | 'temporarily_unavailable'
  /** An admin has to mend the integration. */
  | 'integration_misconfigured'
  /** The attempt took too long, or was disturbed. */
  | 'attempt_failed'

/** Returns where a person goes back to; what was registered stays as it is. */
export function returnAddress(
  { address, state }: WayBack,
  result: { connection: string } | { error: ReturnedError },
): string {
  const answer = new URLSearchParams({ ...result, ...(state !== undefined && { state }) })
  return `${address}${address.includes('?') ? '&' : '?'}${answer.toString()}`
}
