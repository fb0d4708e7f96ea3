// The requests that a connection needs of its provider: tokens, whether a credential works and
// whose account it opens, and withdrawing it. Invariant: each is bounded in size and time, and what
// a provider answers is never repeated with a secret in it.
import type { OutgoingOutcome, OutgoingRequest } from '../outgoing/outgoing-request.ts'
import { type ConfigValues, fillAddress } from '../providers/address-template.ts'
import { addressWith, type ApiCredential, placeCredential } from '../providers/place-credential.ts'
import { type Members, readMembers, textAt } from '../providers/provider-answer.ts'
import type { Provider, ProviderIdentity } from '../providers/provider.ts'
import { readTokenAnswer, type TokenOutcome } from '../providers/token-answer.ts'
import {
  type ProviderClient,
  type ProviderRequest,
  revocationRequest,
  type TokenGrant,
  tokenRequest,
} from '../providers/token-request.ts'
import { type Clock, SECOND } from '../shared/clock.ts'
import type { CheckResult } from './connection.ts'

/** Which foreign system is meant, and as whom we are known there. */
export interface ProviderParty {
  provider: Provider
  client: ProviderClient
  /** For the placeholders in the provider's addresses. */
  config: ConfigValues
  /** What calls are counted with: the id of the integration. */
  lane: string
}

/** What a look with a credential has shown. */
export interface Inspection {
  /** `unknown` where the provider does not say, or has no call for it. */
  check: CheckResult
  /** Whether the provider answered the test call, or has none. */
  isReached: boolean
  externalId: string | undefined
  externalLabel: string | undefined
}

/** None of them throws for what a provider does. */
export interface ProviderCalls {
  /** @throws {ConfigValueMissing} a placeholder has no valid value */
  requestTokens(
    party: ProviderParty,
    grant: TokenGrant,
    timeoutMillis?: number,
  ): Promise<TokenOutcome>
  /**
   * Makes the provider's test call, and finds out whose account it is.
   *
   * @param answer the answer that brought the tokens, where one did
   */
  inspect(party: ProviderParty, credential: ApiCredential, answer?: Members): Promise<Inspection>
  /** Withdraws a token. Returns whether the provider did. */
  revoke(party: ProviderParty, token: Parameters<typeof revocationRequest>[3]): Promise<boolean>
}

const MAX_BODY_BYTES = 1024 * 1024
const TOKEN_TIMEOUT = 20 * SECOND
const CHECK_TIMEOUT = 10 * SECOND

type Send = (lane: string, request: OutgoingRequest) => Promise<OutgoingOutcome>

/** Creates the calls over the guarded client. */
export function createProviderCalls({ send, clock }: { send: Send; clock: Clock }): ProviderCalls {
  const call = (lane: string, request: ProviderRequest, timeoutMillis: number) =>
    send(lane, { ...request, timeoutMillis, maxBodyBytes: MAX_BODY_BYTES })
  return {
    async requestTokens({ provider, client, config, lane }, grant, timeoutMillis = TOKEN_TIMEOUT) {
      const request = tokenRequest(provider, client, config, grant)
      const now = clock()
      const answer = await call(lane, request, timeoutMillis)
      return readTokenAnswer(provider, answer, now, secretsOf(client, grant))
    },
    inspect: (party, credential, answer) => inspect(call, party, credential, answer),
    async revoke({ provider, client, config, lane }, token) {
      const request = revocationRequest(provider, client, config, token)
      if (request === undefined) return false
      const answer = await call(lane, request, CHECK_TIMEOUT)
      return answer.kind === 'answered' && isSuccess(answer.status) && !isError(answer.body)
    },
  }
}

type Call = (lane: string, request: ProviderRequest, timeout: number) => Promise<OutgoingOutcome>

async function inspect(
  call: Call,
  { provider, config, lane }: ProviderParty,
  credential: ApiCredential,
  given: Members = {},
): Promise<Inspection> {
  const { check, identity } = provider
  const ask = async (method: 'GET' | 'POST', address: string): Promise<OutgoingOutcome> => {
    const placed = placeCredential(provider, credential)
    const url = addressWith(fillAddress(address, provider.config ?? [], config), placed)
    const headers = { accept: 'application/json', 'user-agent': USER_AGENT, ...placed.headers }
    return call(lane, { method, url, headers }, CHECK_TIMEOUT)
  }
  const checked = check && (await ask(check.method, check.url))
  const isSameCall = identity?.url === check?.url && check?.method === 'GET'
  const known = identity?.url === undefined || isSameCall ? checked : await ask('GET', identity.url)
  const members = identity?.url === undefined ? given : membersOf(known)
  return {
    check: checked === undefined ? 'unknown' : checkOf(checked),
    isReached: checked === undefined || wasReached(checked),
    ...identityIn(identity, members),
  }
}

// Some APIs refuse requests that do not say from what they are.
const USER_AGENT = 'Otesse-Auth'

const membersOf = (answer: OutgoingOutcome | undefined): Members =>
  answer?.kind === 'answered' && isSuccess(answer.status) ? (readMembers(answer.body) ?? {}) : {}

const identityIn = (identity: ProviderIdentity | undefined, members: Members) => ({
  externalId: identity && textAt(members, identity.id),
  externalLabel: identity?.label === undefined ? undefined : textAt(members, identity.label),
})

// What providers that answer 200 in any case say of a credential that does not work.
const REVOKED =
  /^(invalid_auth|invalid_token|invalid_api_key|not_authed|token_revoked|token_expired|account_inactive|unauthorized)$/i

/** 401 says that the credential does not work; everything else but success says nothing. */
function checkOf(answer: OutgoingOutcome): CheckResult {
  if (answer.kind === 'failed') return 'unknown'
  if (answer.status === 401) return 'revoked'
  if (!isSuccess(answer.status)) return 'unknown'
  const members = readMembers(answer.body)
  if (members?.['ok'] !== false) return 'ok'
  return REVOKED.test(textAt(members, 'error') ?? '') ? 'revoked' : 'unknown'
}

const wasReached = (answer: OutgoingOutcome): boolean =>
  answer.kind === 'answered' && answer.status < 500 && ![408, 425, 429].includes(answer.status)

const isSuccess = (status: number): boolean => status >= 200 && status < 300

const isError = (body: Buffer): boolean => readMembers(body)?.['ok'] === false

const secretsOf = ({ clientSecret }: ProviderClient, grant: TokenGrant): string[] => [
  ...(clientSecret === undefined ? [] : [clientSecret]),
  ...(grant.kind === 'code' ? [grant.code, grant.verifier] : []),
  ...(grant.kind === 'refresh' ? [grant.refreshToken] : []),
]
