// Asks a provider for tokens again, in its own way, and says what its answer means.
import { ConfigValueMissing } from '../providers/address-template.ts'
import type { Provider } from '../providers/provider.ts'
import type { ProviderTokens, TokenOutcome } from '../providers/token-answer.ts'
import type { ProviderFailure } from '../providers/token-failure.ts'
import type { TokenGrant } from '../providers/token-request.ts'
import { Secret } from '../shared/secret.ts'
import type { UsableConnection } from './connection.store.ts'
import type { Integration } from './integration.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { ReceivedTokens, RenewalOutcome, RenewingGrant, RequestTokens } from './renewal.ts'

/** Creates the function. */
export function createRequestTokens(deps: {
  calls: Pick<ProviderCalls, 'requestTokens'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
}): RequestTokens {
  return async function requestTokens(usable, grant, timeoutMillis) {
    const { integration, connection } = usable
    const provider = await deps.providerOf(usable)
    if (provider === undefined) return { kind: 'misconfigured', reason: 'provider_unknown' }
    const party = {
      provider,
      client: {
        clientId: integration.clientId ?? '',
        clientSecret: usable.clientSecret()?.reveal(),
      },
      config: { ...integration.config, ...connection.config },
      lane: integration.id,
    }
    let outcome: TokenOutcome
    try {
      const asked = grantFor(integration, grant)
      outcome = await deps.calls.requestTokens(party, asked, timeoutMillis)
    } catch (error) {
      if (!(error instanceof ConfigValueMissing)) throw error
      return { kind: 'misconfigured', reason: 'config_missing' }
    }
    return outcome.kind === 'tokens'
      ? { kind: 'received', tokens: receivedOf(outcome.tokens) }
      : outcomeOf(outcome.failure)
  }
}

const grantFor = (integration: Integration, grant: RenewingGrant): TokenGrant =>
  grant.kind === 'refresh_token'
    ? { kind: 'refresh', refreshToken: grant.refreshToken.reveal() }
    : {
        kind: 'client_credentials',
        scopes: integration.scopes,
        extra: {
          ...integration.parameters,
          ...(integration.audience !== undefined && { audience: integration.audience }),
        },
      }

const dateOf = (millis: number | undefined): Date | undefined =>
  millis === undefined ? undefined : new Date(millis)

/** Returns tokens as connections keep them. */
const receivedOf = (tokens: ProviderTokens): ReceivedTokens => ({
  accessToken: new Secret(tokens.accessToken),
  refreshToken: tokens.refreshToken === undefined ? undefined : new Secret(tokens.refreshToken),
  accessExpiresAt: dateOf(tokens.accessExpiresAt),
  refreshExpiresAt: dateOf(tokens.refreshExpiresAt),
  scopes: tokens.scopes,
})

function outcomeOf({ class: kind, error, retryAfterSeconds }: ProviderFailure): RenewalOutcome {
  switch (kind) {
    case 'refused':
      return { kind: 'refused', reason: error }
    case 'ours':
      return { kind: 'misconfigured', reason: error }
    case 'outage':
    case 'throttled':
      return { kind: 'unavailable', reason: error, retryAfterSeconds }
  }
}
