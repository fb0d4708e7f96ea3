// Keeps connections alive: a live credential for whoever may have it, and one refresh at a time
// over all processes. Invariants: the provider is asked under a lease whose deadline is longer than
// the request's, so that no two processes hold one refresh token; everybody reads again before
// acting; what the provider gave is written before anybody is told; only a refusal for good expires
// a connection.
import { type Clock, dateNow, MINUTE, SECOND } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError, isUnavailable } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { Provider } from '../providers/provider.ts'
import type { ConnectionStore, UsableConnection } from './connection.store.ts'
import type { IntegrationStore } from './integration.store.ts'
import { afterOutage, afterRefusal, livesFor, MARGIN_SECONDS, refreshedBy } from './refresh-plan.ts'
import type { FailedRefresh, Lease, RefreshStore } from './refresh.store.ts'
import type { Spool, SpooledTokens } from './spool.ts'
import type { WithdrawalStore } from './withdrawal.store.ts'
import type { ReceivedTokens, RenewingGrant, RequestTokens, RenewalOutcome } from './renewal.ts'

/** What a caller wants of a credential. */
export interface Wanted {
  /** How long it must live still; 60 s at least. */
  readonly minValiditySeconds?: number | undefined
  /** SHA-256, in base64url, of an access token that the provider refused. */
  readonly rejected?: string | undefined
}

/** What refreshing tells the event log. */
export interface RefreshEvents {
  connectionExpired(facts: ConnectionFacts & { reason: string }): void
  connectionFailing(facts: ConnectionFacts & { reason: string }): void
  connectionRecovered(facts: ConnectionFacts): void
  connectionNarrowed(facts: ConnectionFacts & { scopes: readonly string[] }): void
  integrationMisconfigured(facts: { integration: string; reason: string }): void
  integrationRecovered(facts: { integration: string }): void
}

interface ConnectionFacts {
  accountId: string | undefined
  connection: string
  integration: string
}

/** The times of a refresh, in milliseconds. */
export interface RefreshTiming {
  lease: number
  /** For a request to the provider; well below the lease. */
  request: number
  /** How long callers wait for a refresh of somebody else. */
  wait: number
  /** Between two looks at what the other has done. */
  pause: number
}

const REFRESH_TIMING: RefreshTiming = {
  lease: 30 * SECOND,
  request: 20 * SECOND,
  wait: 5 * SECOND,
  pause: 100,
}

const PROBE_MILLIS = 5 * MINUTE

/** What refreshing works with. */
export interface RefreshDeps {
  connections: Pick<ConnectionStore, 'findUsable'>
  integrations: Pick<IntegrationStore, 'setStatus' | 'takeProbe'>
  store: RefreshStore
  spool: Spool
  /** Where tokens go whose connection has ended. */
  withdrawals: Pick<WithdrawalStore, 'add'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  requestTokens: RequestTokens
  events: RefreshEvents
  clock: Clock
  logger: Pick<Logger, 'warn' | 'error'>
  timing?: RefreshTiming
}

/** Gives live credentials. */
export interface Refresher extends AsyncDisposable {
  /**
   * Returns a connection whose access token is live, or that holds keys.
   *
   * @throws {AppError} `connection_unknown`, `connection_disabled`, `reconnect_needed`,
   * `integration_misconfigured`, `provider_unavailable`, `refresh_in_progress`,
   * `temporarily_unavailable`
   */
  live(connectionId: string, wanted?: Wanted): Promise<UsableConnection>
  /** The same for a connection that was just read. */
  liveOf(usable: UsableConnection, wanted?: Wanted): Promise<UsableConnection>
  /**
   * Renews the access token now, though it may live, and the provider may just have been away; if
   * this generation still is the newest.
   *
   * @throws {AppError} as `live`
   */
  renew(usable: UsableConnection): Promise<UsableConnection>
}

/** One refresher a process. */
interface State extends RefreshDeps {
  timing: RefreshTiming
  /** What this process refreshes, by connection: callers share it. */
  flights: Map<string, Promise<UsableConnection>>
}

/** Creates the refresher of this process. */
export function createRefresher(deps: RefreshDeps): Refresher {
  const state: State = { ...deps, timing: deps.timing ?? REFRESH_TIMING, flights: new Map() }
  return {
    live: async (id, wanted = {}) => liveOf(state, await read(state, id), wanted),
    liveOf: (usable, wanted = {}) => liveOf(state, usable, wanted),
    renew: (usable) => fly(state, usable, { servesOld: false, isPatient: false, isUse: false }),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(state.flights.values())
    },
  }
}

async function read({ connections }: State, id: string): Promise<UsableConnection> {
  const usable = await connections.findUsable(id)
  if (usable === undefined) throw new AppError('connection_unknown')
  return usable
}

async function liveOf(
  state: State,
  usable: UsableConnection,
  wanted: Wanted,
): Promise<UsableConnection> {
  assertOpen(usable)
  if (usable.integration.kind === 'keys' || isGood(state, usable, wanted)) return usable
  const refused = isRejected(usable, wanted)
  const servesOld = !refused && isAlive(state, usable)
  // Somebody of this process is at it: a token that lives is good enough meanwhile.
  if (servesOld && state.flights.has(usable.connection.id)) return usable
  const newer = await withinWait(
    state,
    fly(state, usable, { servesOld, isPatient: true, isUse: true }),
  )
  const isSame = newer.connection.generation === usable.connection.generation
  return refused && isSame
    ? withinWait(state, fly(state, newer, { servesOld: false, isPatient: true, isUse: true }))
    : newer
}

/** Callers are told to come back; the refresh goes on without them. */
function withinWait<T>({ timing }: State, flight: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(inProgress()), timing.wait)
    flight.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

const inProgress = (): AppError => new AppError('refresh_in_progress', { retryAfterSeconds: 2 })

const isAlive = ({ clock }: State, usable: UsableConnection): boolean =>
  usable.hasCredential('oauth_access_token') && livesFor(usable.connection, 0, clock())

/** @throws {AppError} where no refresh would help */
function assertOpen({ connection, integration }: UsableConnection): void {
  if (connection.status === 'disabled' || integration.status === 'disabled')
    throw new AppError('connection_disabled')
  if (connection.status === 'expired') throw reconnectNeeded(connection)
}

const reconnectNeeded = ({ statusReason, statusSince }: ReasonAndTime): AppError =>
  new AppError('reconnect_needed', {
    members: { reason: statusReason ?? 'refused_by_provider', since: statusSince.toISOString() },
  })

interface ReasonAndTime {
  readonly statusReason: string | undefined
  readonly statusSince: Date
}

function isGood({ clock }: State, usable: UsableConnection, wanted: Wanted): boolean {
  const seconds = Math.max(MARGIN_SECONDS, wanted.minValiditySeconds ?? 0)
  return (
    usable.hasCredential('oauth_access_token') &&
    livesFor(usable.connection, seconds * SECOND, clock()) &&
    !isRejected(usable, wanted)
  )
}

function isRejected(usable: UsableConnection, { rejected }: Wanted): boolean {
  if (rejected === undefined) return false
  const token = usable.credential('oauth_access_token')
  return token !== undefined && sha256(token.reveal()) === rejected
}

interface FlightOptions {
  /** Whether the token that is there will do where no other can be had. */
  servesOld: boolean
  /** Whether a provider that was just away is left alone for a while. */
  isPatient: boolean
  /** Whether somebody is about to use the token. */
  isUse: boolean
}

/** Takes part in the refresh of this process, or begins it. */
function fly(
  state: State,
  usable: UsableConnection,
  options: FlightOptions,
): Promise<UsableConnection> {
  const { id } = usable.connection
  const flying = state.flights.get(id)
  if (flying !== undefined) return flying
  const flight = refresh(state, usable, options).finally(() => state.flights.delete(id))
  state.flights.set(id, flight)
  return flight
}

/** Renews the token, or waits for whoever does, and returns the connection with a newer one. */
async function refresh(
  state: State,
  seen: UsableConnection,
  options: FlightOptions,
): Promise<UsableConnection> {
  const { store, timing } = state
  const { id, generation } = seen.connection
  let usable = seen
  for (let waited = 0; waited <= timing.wait; waited += timing.pause) {
    assertOpen(usable)
    if (usable.connection.generation !== generation) return usable
    if (options.isPatient && !isDue(state, usable))
      return serveOr(state, usable, options, outageOf(state, usable))
    if (!(await mayAskFor(state, usable))) return serveOr(state, usable, options, misconfigured())
    const lease = await store.claim(id, generation, timing.lease)
    if (lease !== undefined) return await refreshHeld(state, usable, lease, options)
    if (mayServe(state, usable, options)) return usable
    await pause(timing.pause)
    usable = await read(state, id)
  }
  throw inProgress()
}

const pause = (millis: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, millis))

const misconfigured = (): AppError =>
  new AppError('integration_misconfigured', { retryAfterSeconds: PROBE_MILLIS / SECOND })

const mayServe = (state: State, usable: UsableConnection, { servesOld }: FlightOptions): boolean =>
  servesOld && isAlive(state, usable)

/** Gives the token that is there where it will do. @throws {AppError} the error */
function serveOr(
  state: State,
  usable: UsableConnection,
  options: FlightOptions,
  error: AppError,
): UsableConnection {
  if (mayServe(state, usable, options)) return usable
  throw error
}

const isDue = ({ clock }: State, { connection: { nextTryAt } }: UsableConnection): boolean =>
  nextTryAt === undefined || nextTryAt.getTime() <= clock()

function outageOf({ clock }: State, { connection }: UsableConnection): AppError {
  const left = (connection.nextTryAt?.getTime() ?? 0) - clock()
  return new AppError('provider_unavailable', { retryAfterSeconds: Math.max(1, left / SECOND) })
}

/** While an integration is misconfigured, one connection asks now and then for all of them. */
async function mayAskFor(
  { integrations, clock }: State,
  { integration }: UsableConnection,
): Promise<boolean> {
  if (integration.status !== 'misconfigured') return true
  const now = clock()
  if ((integration.nextProbeAt?.getTime() ?? 0) > now) return false
  return integrations.takeProbe(integration.id, new Date(now), new Date(now + PROBE_MILLIS))
}

async function refreshHeld(
  state: State,
  usable: UsableConnection,
  lease: Lease,
  options: FlightOptions,
): Promise<UsableConnection> {
  const spooled = await findSpooled(state, lease)
  if (spooled !== undefined) return written(state, usable, spooled, options)
  const grant = grantOf(state, usable)
  if (grant.kind === 'none') return withoutGrant(state, usable, lease, grant.reason)
  const outcome = withoutPerson(grant, await askProvider(state, usable, grant))
  switch (outcome.kind) {
    case 'received':
      return written(state, usable, outcome.tokens, options)
    case 'refused':
      return expire(state, usable, lease, 'refused_by_provider')
    case 'misconfigured':
      await blameIntegration(state, usable, outcome.reason)
      await state.store.release(lease)
      return serveOr(state, usable, options, misconfigured())
    case 'unavailable':
      return await endure(state, usable, lease, outcome, options)
  }
}

/**
 * Ends what nobody can renew once its token has ended. While the token lives it stays: that an app
 * calls it refused is no word of the provider.
 */
async function withoutGrant(
  state: State,
  usable: UsableConnection,
  lease: Lease,
  reason: string,
): Promise<UsableConnection> {
  if (!isAlive(state, usable)) return expire(state, usable, lease, reason)
  await state.store.release(lease)
  return usable
}

const askProvider = async (
  { requestTokens, timing }: State,
  usable: UsableConnection,
  grant: RenewingGrant,
): Promise<RenewalOutcome> => requestTokens(usable, grant, timing.request)

/**
 * What an app gets for itself depends on nobody who could withdraw it: a refusal is our mistake.
 */
const withoutPerson = (grant: RenewingGrant, outcome: RenewalOutcome): RenewalOutcome =>
  grant.kind === 'client_credentials' && outcome.kind === 'refused'
    ? { kind: 'misconfigured', reason: outcome.reason }
    : outcome

type Grant = RenewingGrant | { readonly kind: 'none'; readonly reason: string }

function grantOf({ clock }: State, usable: UsableConnection): Grant {
  if (usable.integration.kind === 'client_credentials') return { kind: 'client_credentials' }
  const refreshToken = usable.credential('oauth_refresh_token')
  if (refreshToken === undefined) return { kind: 'none', reason: 'access_token_ended' }
  const { refreshExpiresAt } = usable.connection
  const hasEnded = refreshExpiresAt !== undefined && refreshExpiresAt.getTime() <= clock()
  return hasEnded
    ? { kind: 'none', reason: 'refresh_token_ended' }
    : { kind: 'refresh_token', refreshToken }
}

/** Tokens that an earlier refresh received and could not write. */
async function findSpooled(
  { spool: waiting, logger }: State,
  { connectionId, generation }: Lease,
): Promise<ReceivedTokens | undefined> {
  try {
    const found = await waiting.find(connectionId)
    return found?.generation === generation ? found.tokens : undefined
  } catch (error) {
    logger.warn({ err: error, connection: connectionId }, 'waiting tokens could not be looked for')
    return undefined
  }
}

/** Keeps what was received until it is written; where that fails, writing alone must do. */
async function spool(
  { spool: waiting, logger }: State,
  connectionId: string,
  spooled: SpooledTokens,
): Promise<void> {
  try {
    await waiting.put(connectionId, spooled)
  } catch (error) {
    logger.warn({ err: error, connection: connectionId }, 'received tokens could not be kept apart')
  }
}

/** Writes what was received, and gives the connection as it is then. */
async function written(
  state: State,
  usable: UsableConnection,
  tokens: ReceivedTokens,
  { isUse }: FlightOptions,
): Promise<UsableConnection> {
  const { integration } = usable
  const now = state.clock()
  const connection = isUse ? { ...usable.connection, lastUsedAt: new Date(now) } : usable.connection
  const provider = await state.providerOf(usable)
  const life = { refreshIdleDays: provider?.life?.refresh_idle_days }
  const refreshed = refreshedBy(connection, tokens, life, now)
  const { id, generation } = connection
  // At the same time, so that one store that is away holds nothing up.
  const kept = spool(state, id, { generation, tokens })
  const isMine = await commitPatiently(state, () =>
    state.store.commit(id, generation, refreshed, dateNow(state.clock)),
  )
  if (!isMine) await withdrawEnded(state, usable, tokens)
  void kept.then(() => state.spool.remove(id)).catch(() => undefined)
  if (isMine) tell(state, usable, refreshed.missingScopes)
  if (integration.status === 'misconfigured') await clearIntegration(state, usable)
  const renewed = await read(state, id)
  assertOpen(renewed)
  return renewed
}

/**
 * Gives back what came for a connection that has ended meanwhile. Where it was made again instead,
 * the tokens are left alone: withdrawing them may end the new ones too.
 */
async function withdrawEnded(
  { connections, withdrawals, clock }: State,
  usable: UsableConnection,
  tokens: ReceivedTokens,
): Promise<void> {
  const now = await connections.findUsable(usable.connection.id)
  if (now?.hasCredential('oauth_access_token') === true) return
  if (usable.integration.kind === 'client_credentials') return
  await withdrawals.add(usable, tokens, 'ended_meanwhile', dateNow(clock))
}

/** Tries again while the database is away: what it knows is no longer good at the provider. */
async function commitPatiently(
  { timing }: State,
  commit: () => Promise<boolean>,
): Promise<boolean> {
  for (let waited = 0; ; waited += 5 * timing.pause) {
    try {
      return await commit()
    } catch (error) {
      if (!isUnavailable(error) || waited > timing.lease) throw error
      await pause(5 * timing.pause)
    }
  }
}

function tell({ events }: State, usable: UsableConnection, missing: readonly string[]): void {
  const { connection } = usable
  if (connection.status === 'failing') events.connectionRecovered(factsOf(usable))
  const lost = missing.filter((scope) => connection.grantedScopes.includes(scope))
  if (lost.length > 0) events.connectionNarrowed({ ...factsOf(usable), scopes: lost })
}

const factsOf = ({ connection, integration }: UsableConnection): ConnectionFacts => ({
  accountId: connection.owner.kind === 'account' ? connection.owner.id : undefined,
  connection: connection.id,
  integration: integration.handle,
})

/** Ends a connection for its owner to make again, unless somebody has renewed it meanwhile. */
async function expire(
  state: State,
  usable: UsableConnection,
  lease: Lease,
  reason: string,
): Promise<UsableConnection> {
  const failed = afterRefusal(usable.connection, reason)
  if (await fail(state, lease, failed)) {
    state.events.connectionExpired({ ...factsOf(usable), reason })
    throw reconnectNeeded({ statusReason: reason, statusSince: dateNow(state.clock) })
  }
  const now = await read(state, usable.connection.id)
  assertOpen(now)
  return now
}

async function endure(
  state: State,
  usable: UsableConnection,
  lease: Lease,
  outage: Extract<RenewalOutcome, { kind: 'unavailable' }>,
  options: FlightOptions,
): Promise<UsableConnection> {
  const { connection } = usable
  const failed = afterOutage(connection, outage, state.clock(), Math.random())
  const isMine = await fail(state, lease, failed)
  if (isMine && failed.status === 'failing' && connection.status === 'active')
    state.events.connectionFailing({ ...factsOf(usable), reason: outage.reason })
  const paused = { ...usable, connection: { ...connection, nextTryAt: failed.nextTryAt } }
  return serveOr(state, usable, options, outageOf(state, paused))
}

const fail = ({ store, clock }: State, lease: Lease, failed: FailedRefresh): Promise<boolean> =>
  store.fail(lease, failed, dateNow(clock))

/** The mistake is ours: one fault of the integration, and not of each of its connections. */
async function blameIntegration(
  { integrations, clock, events }: State,
  { integration }: UsableConnection,
  reason: string,
): Promise<void> {
  const now = clock()
  const isFirst = await integrations.setStatus(integration.id, {
    from: ['active'],
    to: 'misconfigured',
    reason,
    nextProbeAt: new Date(now + PROBE_MILLIS),
    at: new Date(now),
  })
  if (isFirst) events.integrationMisconfigured({ integration: integration.handle, reason })
}

async function clearIntegration(
  { integrations, clock, events }: State,
  { integration }: UsableConnection,
): Promise<void> {
  const change = { from: ['misconfigured'], to: 'active', reason: undefined } as const
  if (await integrations.setStatus(integration.id, { ...change, at: dateNow(clock) }))
    events.integrationRecovered({ integration: integration.handle })
}
