// The end of a connection: withdrawn at the provider where it offers that, then removed here.
// Invariant: what a provider does, or does not, keeps nothing here alive.
import type { KnownProviders } from '../known-providers.ts'
import type { ConnectionStore } from '../connection.store.ts'
import type { Owner } from '../connection.ts'
import type { Integration } from '../integration.ts'
import type { ProviderCalls } from '../provider-calls.ts'
import { authOf } from '../../providers/provider.ts'
import type { ConnectionFacts } from './settle.ts'

export interface EndConnectionDeps {
  connections: Pick<ConnectionStore, 'findUsable' | 'remove'>
  providers: Pick<KnownProviders, 'find'>
  calls: Pick<ProviderCalls, 'revoke'>
  events: {
    connectionDisconnected(facts: ConnectionFacts & { reason?: string | undefined }): void
  }
}

/** What was disconnected. */
export interface DisconnectedSystem {
  integration: Integration
  /** Whether the provider knows of it. */
  isWithdrawn: boolean
}

/** Ends a connection. Returns `undefined` where the owner has none of that id. */
export async function endConnection(
  { connections, providers, calls, events }: EndConnectionDeps,
  id: string,
  owner: Owner,
  accountId: string,
): Promise<DisconnectedSystem | undefined> {
  const usable = await connections.findUsable(id)
  if (usable === undefined || !isOwn(usable.connection.owner, owner)) return undefined
  const { integration, connection } = usable
  const provider = await providers.find(integration.providerKey)
  let isWithdrawn = false
  if (provider?.auth !== undefined) {
    const refresh = usable.credential('oauth_refresh_token')
    const access = usable.credential('oauth_access_token')
    const isBearer = authOf(provider).revoke === 'bearer'
    const [kind, token] =
      refresh === undefined || isBearer
        ? (['access_token', access] as const)
        : (['refresh_token', refresh] as const)
    const client = {
      clientId: integration.clientId ?? '',
      clientSecret: usable.clientSecret()?.reveal(),
    }
    const party = { provider, client, config: connection.config, lane: integration.id }
    if (token !== undefined)
      isWithdrawn = await calls.revoke(party, { value: token.reveal(), kind })
  }
  if (!(await connections.remove(id, owner))) return undefined
  events.connectionDisconnected({
    connection: id,
    integration: integration.handle,
    accountId,
    reason: isWithdrawn ? 'withdrawn_at_provider' : undefined,
  })
  return { integration, isWithdrawn }
}

const isOwn = (left: Owner, right: Owner): boolean =>
  left.kind === 'account'
    ? right.kind === 'account' && left.id === right.id
    : right.kind === 'company'
