// Asks a provider for tokens again, in its own way, and says what its answer means.
import type { OutgoingOutcome, OutgoingRequest } from '../outgoing/outgoing-request.ts'
import { ConfigValueMissing } from '../providers/address-template.ts'
import type { Provider } from '../providers/provider.ts'
import { type ProviderTokens, readTokenAnswer } from '../providers/token-answer.ts'
import type { ProviderFailure } from '../providers/token-failure.ts'
import { type ProviderRequest, type TokenGrant, tokenRequest } from '../providers/token-request.ts'
import type { Clock } from '../shared/clock.ts'
import { Secret } from '../shared/secret.ts'
import type { UsableConnection } from './connection.store.ts'
import type { Integration } from './integration.ts'
import type { ReceivedTokens, RenewalOutcome, RenewingGrant, RequestTokens } from './renewal.ts'

const MAX_BODY_BYTES = 1024 * 1024

/** Creates the function. @param deps.send sends one request, counted with the integration's */
export function createRequestTokens(deps: {
  send: (lane: string, request: OutgoingRequest) => Promise<OutgoingOutcome>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  clock: Clock
}): RequestTokens {
  return async function requestTokens(usable, grant, timeoutMillis) {
    const { integration, connection } = usable
    const provider = await deps.providerOf(usable)
    if (provider === undefined) return { kind: 'misconfigured', reason: 'provider_unknown' }
    const config = { ...integration.config, ...connection.config }
    const client = {
      clientId: integration.clientId ?? '',
      clientSecret: usable.clientSecret()?.reveal(),
    }
    let request: ProviderRequest
    try {
      request = tokenRequest(provider, client, config, grantFor(integration, grant))
    } catch (error) {
      if (!(error instanceof ConfigValueMissing)) throw error
      return { kind: 'misconfigured', reason: 'config_missing' }
    }
    const now = deps.clock()
    const bounds = { timeoutMillis, maxBodyBytes: MAX_BODY_BYTES }
    const answer = await deps.send(integration.id, { ...request, ...bounds })
    const outcome = readTokenAnswer(provider, answer, now, secretsOf(usable, grant))
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

const secretsOf = (usable: UsableConnection, grant: RenewingGrant): string[] =>
  [usable.clientSecret(), grant.kind === 'refresh_token' ? grant.refreshToken : undefined].flatMap(
    (secret) => (secret === undefined ? [] : [secret.reveal()]),
  )

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
