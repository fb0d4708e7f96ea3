// The end of a connection: removed here, then withdrawn at the provider where it offers that.
// Invariant: what a provider does, or does not, keeps nothing here alive.
import { type Clock, dateNow } from '../../shared/clock.ts'
import type { Owner } from '../connection.ts'
import type { EndingStore } from '../ending.store.ts'
import type { IntegrationStore } from '../integration.store.ts'
import type { Integration } from '../integration.ts'
import type { WithdrawalOutcome } from '../withdrawals.ts'
import type { ConnectionFacts } from './settle.ts'

export interface EndConnectionDeps {
  endings: Pick<EndingStore, 'remove'>
  integrations: Pick<IntegrationStore, 'find'>
  /** Tells the provider of a connection that has ended. */
  withdraw: (connectionId: string) => Promise<WithdrawalOutcome>
  events: {
    connectionDisconnected(facts: ConnectionFacts & { reason?: string | undefined }): void
  }
  clock: Clock
}

/** What was disconnected. */
export interface DisconnectedSystem {
  integration: Integration
  /** Whether the provider knows of it. */
  withdrawal: WithdrawalOutcome
}

/** Ends a connection. Returns `undefined` where the owner has none of that id. */
export async function endConnection(
  { endings, integrations, withdraw, events, clock }: EndConnectionDeps,
  id: string,
  owner: Owner,
  accountId: string,
): Promise<DisconnectedSystem | undefined> {
  const connection = await endings.remove(id, owner, 'disconnected', dateNow(clock))
  const integration = connection && (await integrations.find(connection.integrationId))
  if (integration === undefined) return undefined
  const withdrawal = await withdraw(id)
  events.connectionDisconnected({
    connection: id,
    integration: integration.handle,
    accountId,
    reason: withdrawal === 'done' ? 'withdrawn_at_provider' : undefined,
  })
  return { integration, withdrawal }
}
