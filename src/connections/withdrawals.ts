// Tells providers that tokens are withdrawn, outside of the request that ended the connection.
// Invariants: a provider that is away is asked again for three days, less and less often; tokens
// that a refresh received and could not write go the same way.
import { type Clock, dateAt, dateNow, DAY, HOUR, MINUTE, SECOND } from '../shared/clock.ts'
import { isUnavailable } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { authOf, type Provider } from '../providers/provider.ts'
import type { KnownProviders } from './known-providers.ts'
import type { ProviderCalls, ProviderParty } from './provider-calls.ts'
import { type Rounds, startRounds } from './rounds.ts'
import type { Spool } from './spool.ts'
import type { Withdrawal, WithdrawalStore } from './withdrawal.store.ts'
import type { WithdrawalReason } from './withdrawal-writes.store.ts'

/** What the event log is told. */
export interface WithdrawalEvents {
  connectionWithdrawn(facts: WithdrawalFacts): void
  /** It was tried for as long as it makes sense. */
  connectionUnrevoked(facts: WithdrawalFacts): void
}

interface WithdrawalFacts {
  accountId: string | undefined
  connection: string
  integration: string
  reason: WithdrawalReason
}

export interface WithdrawalDeps {
  store: WithdrawalStore
  spool: Pick<Spool, 'find' | 'remove'>
  providers: Pick<KnownProviders, 'find'>
  calls: Pick<ProviderCalls, 'revoke'>
  events: WithdrawalEvents
  clock: Clock
  logger: Pick<Logger, 'warn'>
}

const EVERY_MILLIS = 5 * SECOND
/** How long a process may take for what it took; then another one may. */
const HOLD_MILLIS = 5 * MINUTE
const MOST_AT_ONCE = 20
const FIRST_PAUSE_MILLIS = MINUTE
const LONGEST_PAUSE_MILLIS = 6 * HOUR
const LIFE_MILLIS = 3 * DAY

/** - `done`: the provider knows. `later`: it is tried again. `impossible`: it offers no way. */
export type WithdrawalOutcome = 'done' | 'later' | 'impossible'

/** Starts the work. @param beforeRound finds what else is to be withdrawn */
export const startWithdrawals = (deps: WithdrawalDeps, beforeRound: () => Promise<void>): Rounds =>
  startRounds(() => work(deps, beforeRound), EVERY_MILLIS)

async function work(deps: WithdrawalDeps, beforeRound: () => Promise<void>): Promise<number> {
  try {
    await beforeRound()
    const now = deps.clock()
    const taken = await deps.store.takeDue(dateAt(now), dateAt(now + HOLD_MILLIS), MOST_AT_ONCE)
    await Promise.all(taken.map((withdrawal) => withdrawTaken(deps, withdrawal)))
    return taken.length
  } catch (error) {
    if (!isUnavailable(error)) deps.logger.warn({ err: error }, 'access could not be withdrawn')
    return 0
  }
}

/** Withdraws what a connection had, while somebody waits. */
export async function withdrawNow(
  deps: WithdrawalDeps,
  connectionId: string,
): Promise<WithdrawalOutcome> {
  const taken = await deps.store.takeOf(connectionId, dateAt(deps.clock() + HOLD_MILLIS))
  const outcomes = await Promise.all(taken.map((withdrawal) => withdrawTaken(deps, withdrawal)))
  if (outcomes.includes('later')) return 'later'
  return outcomes.includes('done') ? 'done' : 'impossible'
}

async function withdrawTaken(
  deps: WithdrawalDeps,
  withdrawal: Withdrawal,
): Promise<WithdrawalOutcome> {
  const { store, events, clock } = deps
  const { id, connectionId, tries, createdAt } = withdrawal
  const outcome = await tell(deps, withdrawal)
  const facts = {
    accountId: withdrawal.accountId,
    connection: connectionId,
    integration: withdrawal.integrationHandle,
    reason: withdrawal.reason,
  }
  if (outcome === 'done') events.connectionWithdrawn(facts)
  const isTooLate = clock() >= createdAt.getTime() + LIFE_MILLIS
  if (outcome === 'later' && !isTooLate) {
    const pause = Math.min(FIRST_PAUSE_MILLIS * 2 ** (tries - 1), LONGEST_PAUSE_MILLIS)
    await store.postpone(id, dateAt(dateNow(clock).getTime() + pause * (0.8 + 0.4 * Math.random())))
    return outcome
  }
  if (outcome === 'later') events.connectionUnrevoked(facts)
  await store.remove(id)
  return outcome
}

/** Tells the provider once. */
async function tell(deps: WithdrawalDeps, withdrawal: Withdrawal): Promise<WithdrawalOutcome> {
  const { providers, calls, spool, logger } = deps
  const { connectionId } = withdrawal
  const provider = await providers.find(withdrawal.providerKey)
  if (provider?.auth?.revoke_url === undefined) return 'impossible'
  const client = {
    clientId: withdrawal.clientId,
    clientSecret: withdrawal.clientSecret?.reveal(),
  }
  const lane = withdrawal.integrationId
  const party: ProviderParty = { provider, client, config: withdrawal.config, lane }
  try {
    // Newer than what the database knew, which then is no longer good.
    const waiting = await spool.find(connectionId)
    const token = tokenOf(provider, waiting?.tokens ?? withdrawal)
    if (token === undefined) return 'impossible'
    if (!(await calls.revoke(party, token))) return 'later'
    if (waiting !== undefined) await spool.remove(connectionId)
    return 'done'
  } catch (error) {
    logger.warn({ err: error, connection: connectionId }, 'access could not be withdrawn')
    return 'later'
  }
}

type Token = Parameters<ProviderCalls['revoke']>[1]

/** A refresh token first: withdrawn, it takes the access tokens along (RFC 7009 §2.1). */
export function tokenOf(
  provider: Provider,
  { accessToken, refreshToken }: Pick<Withdrawal, 'accessToken' | 'refreshToken'>,
): Token | undefined {
  const isBearer = authOf(provider).revoke === 'bearer'
  if (refreshToken !== undefined && !isBearer)
    return { value: refreshToken.reveal(), kind: 'refresh_token' }
  return accessToken && { value: accessToken.reveal(), kind: 'access_token' }
}
