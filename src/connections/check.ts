// Tries whether a connection works, by the provider's own test call. Invariants: only a provider
// that says so ends a connection, and one with a refresh token only after a fresh access token was
// refused as well; everything else that goes wrong says nothing, and is shown as not known.
import type { Provider } from '../providers/provider.ts'
import type { ApiCredential } from '../providers/place-credential.ts'
import { ConfigValueMissing } from '../providers/address-template.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import type { CheckStore } from './check.store.ts'
import type { UsableConnection } from './connection.store.ts'
import type { CheckResult } from './connection.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Refresher } from './refresh.ts'

export interface CheckDeps {
  store: CheckStore
  refresher: Pick<Refresher, 'liveOf' | 'renew'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  calls: Pick<ProviderCalls, 'inspect'>
  events: {
    connectionExpired(facts: {
      accountId: string | undefined
      connection: string
      integration: string
      reason: string
    }): void
  }
  clock: Clock
}

/**
 * Tries a connection, and notes what came of it.
 *
 * @throws {AppError} as `Refresher.live`, where there is nothing to try with
 */
export async function checkConnection(
  deps: CheckDeps,
  usable: UsableConnection,
): Promise<CheckResult> {
  const { kind } = usable.integration
  const live = await deps.refresher.liveOf(usable)
  const first = await tryOut(deps, live)
  if (first !== 'revoked' || kind === 'keys') return conclude(deps, live, first)
  const fresh = await deps.refresher.renew(live)
  return conclude(deps, fresh, await tryOut(deps, fresh))
}

async function conclude(
  { store, events, clock }: CheckDeps,
  { connection, integration }: UsableConnection,
  result: CheckResult,
): Promise<CheckResult> {
  const { id, generation, owner } = connection
  const checked = { id, generation }
  await store.record(checked, result, dateNow(clock))
  // What an app gets for itself depends on nobody who could connect again.
  if (result !== 'revoked' || integration.kind === 'client_credentials') return result
  if (await store.expire(checked, dateNow(clock)))
    events.connectionExpired({
      accountId: owner.kind === 'account' ? owner.id : undefined,
      connection: id,
      integration: integration.handle,
      reason: 'refused_by_provider',
    })
  return result
}

async function tryOut(deps: CheckDeps, usable: UsableConnection): Promise<CheckResult> {
  const { integration, connection } = usable
  const provider = await deps.providerOf(usable)
  const credential = provider && credentialOf(usable, provider)
  if (provider?.check === undefined || credential === undefined) return 'unknown'
  const party = {
    provider,
    client: { clientId: integration.clientId ?? '' },
    config: { ...integration.config, ...connection.config },
    lane: integration.id,
  }
  try {
    return (await deps.calls.inspect(party, credential)).check
  } catch (error) {
    if (error instanceof ConfigValueMissing)
      throw new AppError('integration_misconfigured', { cause: error })
    throw error
  }
}

function credentialOf(usable: UsableConnection, { kind }: Provider): ApiCredential | undefined {
  if (kind === 'oauth2') {
    const token = usable.credential('oauth_access_token')
    return token && { kind: 'token', token: token.reveal() }
  }
  const typed = usable.credentials().filter((one) => one.kind !== 'webhook_secret')
  return {
    kind: 'keys',
    values: Object.fromEntries(typed.map(({ name, value }) => [name, value.reveal()])),
  }
}
