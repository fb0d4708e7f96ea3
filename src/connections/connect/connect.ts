// Connecting by OAuth: sending a person to the provider, and what happens when they come back.
// Invariants: an attempt ends in the login session in which it began or nowhere, and is over
// whichever way it ends; nothing is stored before the provider's own test call has had its say; and
// tokens that cannot be kept are withdrawn.
import { authorizationUrl } from '../../providers/authorization-request.ts'
import { acceptsConfigValue, ConfigValueMissing } from '../../providers/address-template.ts'
import { type Members, textAt } from '../../providers/provider-answer.ts'
import { authOf, type Provider, type ProviderConfig } from '../../providers/provider.ts'
import type { ProviderTokens } from '../../providers/token-answer.ts'
import type { ProviderFailure } from '../../providers/token-failure.ts'
import { type Clock, dateAt, dateNow, MINUTE } from '../../shared/clock.ts'
import { pkceChallenge, randomBase62 } from '../../shared/crypto.ts'
import { Secret } from '../../shared/secret.ts'
import type { Credential, Owner } from '../connection.ts'
import type { IntegrationStore } from '../integration.store.ts'
import { callbackOf, type Integration } from '../integration.ts'
import type { KnownProviders } from '../known-providers.ts'
import type { ProviderCalls, ProviderParty } from '../provider-calls.ts'
import { type Callback, readCallback, stateIn } from './callback.ts'
import type { OpenSession } from './connect-session.ts'
import { isOfProvider } from './signed-callback.ts'
import { tokenOf } from '../withdrawals.ts'
import type { ConnectProblem } from './connect-problems.ts'
import type { Keeper } from './keeper.ts'
import { type Settled, settle, type SettleDeps } from './settle.ts'

/** Who connects, and in which login session. */
export interface Visitor {
  accountId: string
  sessionId: string
}

/** An attempt that is under way. */
export interface Flow {
  integrationId: string
  owner: Owner
  visitor: Visitor
  /** RFC 7636 §4.1. */
  verifier: string
  redirectUri: string
  /** What was asked for; a provider that names no scopes has granted these. */
  scopes: readonly string[]
  /** Values for the placeholders in the provider's addresses. */
  config: Readonly<Record<string, string>>
  /** The connection that is made again. */
  connectionId: string | undefined
  /** The link of an app that it began with. */
  session: OpenSession | undefined
}

export interface ConnectDeps extends SettleDeps {
  issuer: string
  integrations: Pick<IntegrationStore, 'find' | 'findByHandle' | 'clientSecret' | 'setStatus'>
  providers: Pick<KnownProviders, 'find'>
  calls: ProviderCalls
  flows: Keeper<Flow>
  clock: Clock
}

/** What came of coming back. */
export type ConnectOutcome = Settled | FailedConnect

export interface FailedConnect {
  kind: 'failed'
  problem: ConnectProblem
  /** Absent where the address names none that there is. */
  integration: Integration | undefined
  /** A code or names of scopes, for the words of the problem. */
  detail?: string
  /** The link that it began with; absent where it is not this person's. */
  session?: OpenSession | undefined
}

/** RFC 7636 §4.1: 43 to 128 characters. */
const VERIFIER_LENGTH = 64

/**
 * Begins an attempt. Returns the address of the provider's page.
 *
 * @throws {ConfigValueMissing} a placeholder of the provider's address has no valid value
 */
export async function beginConnect(
  deps: Pick<ConnectDeps, 'issuer' | 'flows'>,
  { integration, provider }: { integration: Integration; provider: Provider },
  attempt: Pick<Flow, 'owner' | 'visitor' | 'config' | 'connectionId' | 'session'>,
): Promise<string> {
  const verifier = randomBase62(VERIFIER_LENGTH)
  const flow: Flow = {
    ...attempt,
    integrationId: integration.id,
    verifier,
    redirectUri: callbackOf(integration, deps.issuer),
    scopes: integration.scopes,
    config: { ...attempt.config, ...integration.config },
  }
  const request = {
    clientId: integration.clientId ?? '',
    redirectUri: flow.redirectUri,
    scopes: flow.scopes,
    challenge: pkceChallenge(verifier),
    config: flow.config,
    extra: {
      ...integration.parameters,
      ...(integration.audience === undefined ? {} : { audience: integration.audience }),
    },
  }
  // Before it is kept: a value that the address does not take begins nothing.
  authorizationUrl(provider, { ...request, state: '' })
  return authorizationUrl(provider, { ...request, state: await deps.flows.keep(flow) })
}

/**
 * Ends an attempt: the person is back from the provider.
 *
 * @param handle of the integration whose callback address was called
 * @param visitor who is signed in in this browser
 */
export async function finishConnect(
  deps: ConnectDeps,
  handle: string,
  query: URLSearchParams,
  visitor: (Visitor & { mayOwn: (owner: Owner) => boolean }) | undefined,
): Promise<ConnectOutcome> {
  const integration = await deps.integrations.findByHandle(handle)
  const failed = (problem: ConnectProblem): FailedConnect => ({
    kind: 'failed',
    problem,
    integration,
  })
  const state = stateIn(query)
  if (state === undefined) return failed('state_missing')
  // Taken before it is looked at: an attempt that came back wrongly is over.
  const flow = await deps.flows.take(state)
  if (flow === undefined) return failed('expired')
  if (integration?.id !== flow.integrationId) return failed('mixed_up')
  if (!isSame(visitor, flow.visitor) || visitor?.mayOwn(flow.owner) !== true)
    return failed('foreign')
  const outcome = await finishOwn(deps, integration, flow, query)
  return outcome.kind === 'failed' ? { ...outcome, session: flow.session } : outcome
}

/** Ends an attempt of the person who is here. */
async function finishOwn(
  deps: ConnectDeps,
  integration: Integration,
  flow: Flow,
  query: URLSearchParams,
): Promise<ConnectOutcome> {
  const failed = (problem: ConnectProblem, detail?: string): FailedConnect => ({
    kind: 'failed',
    problem,
    integration,
    ...(detail === undefined ? {} : { detail }),
  })
  const provider = await deps.providers.find(integration.providerKey)
  if (provider === undefined || integration.status === 'disabled')
    return failed('misconfigured', 'disabled')
  const callback = readCallback(query)
  if (callback === undefined) return failed('malformed')
  const refused = refusalIn(callback, provider)
  if (refused !== undefined) return failed(refused, callback.error)
  // Before tokens come that nobody keeps: to withdraw them may end those of the connection as well.
  if (flow.session !== undefined && (await deps.sessions.find(flow.session.name)) === undefined)
    return failed('link_used')
  try {
    return await exchange(deps, { integration, provider, flow, callback })
  } catch (error) {
    if (error instanceof ConfigValueMissing) return failed('value_refused', error.member)
    throw error
  }
}

const isSame = (visitor: Visitor | undefined, { accountId, sessionId }: Visitor): boolean =>
  visitor?.accountId === accountId && visitor.sessionId === sessionId

/** Says what is wrong with an answer that brings no code, or is not from this provider. */
function refusalIn({ error, issuer }: Callback, provider: Provider): ConnectProblem | undefined {
  const expected = authOf(provider).issuer
  // RFC 9207 §2.4: a client compares it where it comes, and stops where it differs.
  if (issuer !== undefined && expected !== undefined && issuer !== expected) return 'mixed_up'
  switch (error) {
    case undefined:
      return undefined
    case 'access_denied':
      return 'denied'
    case 'invalid_scope':
      return 'scopes_unknown'
    case 'server_error':
    case 'temporarily_unavailable':
      return 'outage'
    default:
      return 'provider_refused'
  }
}

interface Arrival {
  integration: Integration
  provider: Provider
  flow: Flow
  callback: Callback
}

async function exchange(deps: ConnectDeps, arrival: Arrival): Promise<ConnectOutcome> {
  const { integration, provider, flow, callback } = arrival
  const clientSecret = await deps.integrations.clientSecret(integration.id)
  if (!isOfProvider(provider, callback.query, flow.config, clientSecret))
    return { kind: 'failed', problem: 'mixed_up', integration }
  const party: ProviderParty = {
    provider,
    client: { clientId: integration.clientId ?? '', clientSecret: clientSecret?.reveal() },
    config: { ...flow.config, ...valuesFrom(provider, 'callback', callbackValues(callback)) },
    lane: integration.id,
  }
  const outcome = await deps.calls.requestTokens(party, {
    kind: 'code',
    code: callback.code ?? '',
    redirectUri: flow.redirectUri,
    verifier: flow.verifier,
  })
  if (outcome.kind === 'failed') {
    await noteFailure(deps, integration, outcome.failure)
    return {
      kind: 'failed',
      problem: PROBLEM_OF[outcome.failure.class],
      integration,
      detail: outcome.failure.error,
    }
  }
  const completed = await complete(deps, arrival, party, outcome.tokens)
  // After the tokens are safe; where it fails, the next refresh finds out.
  await noteSuccess(deps, integration).catch(deps.onNotSaved)
  return completed
}

const PROBLEM_OF: Readonly<Record<ProviderFailure['class'], ConnectProblem>> = {
  refused: 'code_refused',
  ours: 'misconfigured',
  outage: 'outage',
  throttled: 'busy',
}

/** Keeps the tokens if they work and are enough, and withdraws them otherwise. */
async function complete(
  deps: ConnectDeps,
  { integration, provider, flow }: Arrival,
  party: ProviderParty,
  tokens: ProviderTokens,
): Promise<ConnectOutcome> {
  const config = {
    ...party.config,
    ...valuesFrom(provider, 'answer', memberValues(tokens.members)),
  }
  const known = { ...party, config }
  const give = async (reason: ConnectProblem, detail?: string): Promise<FailedConnect> => {
    const isWithdrawn = await withdraw(deps.calls, known, tokens)
    const problem = reason === 'not_saved' && !isWithdrawn ? 'left_there' : reason
    return { kind: 'failed', problem, integration, ...(detail === undefined ? {} : { detail }) }
  }
  const granted = tokens.scopes ?? flow.scopes
  const missing = missingOf(flow.scopes, granted)
  const needed = integration.requiredScopes.filter((scope) => missing.includes(scope))
  if (needed.length > 0) return give('scopes_missing', needed.join(', '))
  try {
    const token = { kind: 'token', token: tokens.accessToken } as const
    const found = await deps.calls.inspect(known, token, tokens.members)
    if (found.check === 'revoked') return await give('not_working')
    const settled = await settle(deps, integration, flow, {
      id: flow.connectionId,
      integrationId: integration.id,
      owner: flow.owner,
      establishedBy: flow.visitor.accountId,
      externalId: found.externalId,
      externalLabel: found.externalLabel,
      grantedScopes: granted,
      missingScopes: missing,
      config,
      accessExpiresAt: endOf(tokens.accessExpiresAt),
      refreshExpiresAt: endOf(ownEndOf(tokens)),
      lastCheck: found.check,
      credentials: credentialsIn(tokens),
    })
    return settled === 'link_used' ? await give(settled) : settled
  } catch (error) {
    if (error instanceof ConfigValueMissing) return give('value_refused', error.member)
    deps.onNotSaved(error)
    return give('not_saved')
  }
}

/** When the person has to come again: without a refresh token, when the access token ends. */
const ownEndOf = ({
  accessExpiresAt,
  refreshExpiresAt,
  refreshToken,
}: ProviderTokens): number | undefined =>
  refreshToken === undefined ? accessExpiresAt : refreshExpiresAt

const endOf = (millis: number | undefined): Date | undefined =>
  millis === undefined ? undefined : dateAt(millis)

function credentialsIn(tokens: ProviderTokens): Credential[] {
  const access: Credential = {
    kind: 'oauth_access_token',
    name: '',
    value: new Secret(tokens.accessToken),
    expiresAt: endOf(tokens.accessExpiresAt),
  }
  if (tokens.refreshToken === undefined) return [access]
  const refresh: Credential = {
    kind: 'oauth_refresh_token',
    name: '',
    value: new Secret(tokens.refreshToken),
    expiresAt: endOf(tokens.refreshExpiresAt),
  }
  return [access, refresh]
}

async function withdraw(
  calls: ProviderCalls,
  party: ProviderParty,
  { accessToken, refreshToken }: ProviderTokens,
): Promise<boolean> {
  const token = tokenOf(party.provider, {
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
  })
  return token !== undefined && (await calls.revoke(party, token))
}

// Asked for so that something comes, and not always named among what was granted.
const UNNAMED: ReadonlySet<string> = new Set([
  'offline_access',
  'offline',
  'openid',
  'profile',
  'email',
])

/** Returns what was asked for and is not among what was granted. */
function missingOf(asked: readonly string[], granted: readonly string[]): string[] {
  const held = new Set(granted.map((scope) => scope.toLowerCase()))
  return asked.filter((scope) => !held.has(scope.toLowerCase()) && !UNNAMED.has(scope))
}

/** Reads the values of placeholders that a provider sends; one that does not fit is missing. */
function valuesFrom(
  { config = [] }: Provider,
  from: ProviderConfig['from'],
  valueOf: (name: string) => string | undefined,
): Record<string, string> {
  const found = config
    .filter((described) => described.from === from)
    .map((described) => [described, valueOf(described.parameter ?? described.name)] as const)
  return Object.fromEntries(
    found.flatMap(([described, value]) =>
      value !== undefined && acceptsConfigValue(described, value)
        ? [[described.name, value] as const]
        : [],
    ),
  )
}

const callbackValues =
  ({ query }: Callback) =>
  (name: string): string | undefined =>
    query.getAll(name).length === 1 ? (query.get(name) ?? undefined) : undefined

const memberValues =
  (members: Members) =>
  (name: string): string | undefined =>
    textAt(members, name)

const PROBE_AFTER = 5 * MINUTE

/** A mistake of ours is one fault of the integration, for its admins. */
async function noteFailure(
  { integrations, clock }: ConnectDeps,
  { id }: Integration,
  failure: ProviderFailure,
): Promise<void> {
  if (failure.class !== 'ours') return
  await integrations.setStatus(id, {
    from: ['active'],
    to: 'misconfigured',
    reason: failure.error,
    nextProbeAt: dateAt(clock() + PROBE_AFTER),
    at: dateNow(clock),
  })
}

/** Somebody mended it. */
async function noteSuccess(
  { integrations, clock }: ConnectDeps,
  { id, status }: Integration,
): Promise<void> {
  if (status !== 'misconfigured') return
  await integrations.setStatus(id, {
    from: ['misconfigured'],
    to: 'active',
    reason: undefined,
    at: dateNow(clock),
  })
}
