// Requests and answers in each provider's own way, against a server that plays them.
import { authorizationUrl } from '../../src/providers/authorization-request.ts'
import { placeCredential } from '../../src/providers/place-credential.ts'
import { readMembers } from '../../src/providers/provider-answer.ts'
import { readProvider } from '../../src/providers/read-provider.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { readTokenAnswer, type TokenOutcome } from '../../src/providers/token-answer.ts'
import {
  type ProviderRequest,
  revocationRequest,
  tokenRequest,
  type TokenGrant,
} from '../../src/providers/token-request.ts'
import { UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import { sendOutgoing } from '../../src/outgoing/outgoing-request.ts'
import { pkceChallenge } from '../../src/shared/crypto.ts'
import {
  type Decision,
  type QuirkName,
  type QuirkProvider,
  startQuirkProvider,
} from '../support/quirk-provider.ts'

const REDIRECT = 'https://auth.test/connections/callback/crm'
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const CONFIG = { shop: 'flowers', dc: 'eu', realm: '9130357849' }
const OAUTH = ['plain', 'slack', 'github', 'square', 'zoho', 'shopify', 'quickbooks'] as const
const ROTATING: readonly QuirkName[] = ['plain', 'slack', 'github', 'shopify', 'quickbooks']

let server: QuirkProvider
beforeAll(async () => {
  server = await startQuirkProvider()
})
afterAll(() => server[Symbol.asyncDispose]())

function definitionOf(quirk: QuirkName): Provider {
  const { provider, problems } = readProvider(server.definition(quirk))
  expect(problems).toEqual([])
  return provider!
}

const send = (request: ProviderRequest) =>
  sendOutgoing({ ...request, timeoutMillis: 5000, maxBodyBytes: 100_000 }, UNSAFE_DESTINATIONS)

async function ask(
  provider: Provider,
  grant: TokenGrant,
  client = server.client,
): Promise<TokenOutcome> {
  const answer = await send(tokenRequest(provider, client, CONFIG, grant))
  return readTokenAnswer(provider, answer, Date.now(), [client.clientSecret])
}

async function codeOf(provider: Provider, scopes: string[], decision?: Decision): Promise<string> {
  const url = authorizationUrl(provider, {
    clientId: server.client.clientId,
    redirectUri: REDIRECT,
    scopes,
    state: 'the-state',
    challenge: pkceChallenge(VERIFIER),
    config: CONFIG,
  })
  const back = new URL(await server.decide(url, decision))
  expect(back.searchParams.get('state')).toBe('the-state')
  return back.searchParams.get('code') ?? ''
}

const exchange = (provider: Provider, code: string) =>
  ask(provider, { kind: 'code', code, redirectUri: REDIRECT, verifier: VERIFIER })

async function connect(provider: Provider, scopes = ['read', 'write']) {
  const outcome = await exchange(provider, await codeOf(provider, scopes))
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.failure))
  return outcome.tokens
}

describe.each(OAUTH)('%s', (quirk) => {
  it('gives tokens for a code, which its API takes', async () => {
    const provider = definitionOf(quirk)
    const tokens = await connect(provider)
    expect(tokens.refreshToken).toMatch(/^rt-/)
    expect(tokens.accessExpiresAt).toBeGreaterThan(Date.now() + 3_590_000)
    if (!['square', 'zoho', 'quickbooks'].includes(quirk))
      expect(tokens.scopes).toEqual(['read', 'write'])
    const { headers } = placeCredential(provider, { kind: 'token', token: tokens.accessToken })
    const url = provider.check!.url.replace(/\{(\w+)\}/, (_, name: 'dc') => CONFIG[name])
    const answer = await send({ method: provider.check!.method, url, headers })
    const members = answer.kind === 'answered' ? readMembers(answer.body) : undefined
    expect(members).toBeDefined()
    expect(members).not.toHaveProperty('error')
  })

  it('gives tokens for a refresh token, and refuses one that was used', async () => {
    const provider = definitionOf(quirk)
    const { refreshToken = '' } = await connect(provider)
    const first = await ask(provider, { kind: 'refresh', refreshToken })
    const second = await ask(provider, { kind: 'refresh', refreshToken })
    expect(first.kind).toBe('tokens')
    if (ROTATING.includes(quirk))
      expect(second).toMatchObject({ kind: 'failed', failure: { class: 'refused' } })
    else {
      expect(first.kind === 'tokens' && first.tokens.refreshToken).toBeUndefined()
      expect(second.kind).toBe('tokens')
    }
  })

  it('says whose mistake it is: a code that was used, and a secret that is wrong', async () => {
    const provider = definitionOf(quirk)
    const code = await codeOf(provider, ['read'])
    await exchange(provider, code)
    const used = await exchange(provider, code)
    const wrong = { ...server.client, clientSecret: 'wrong-secret' }
    const ours = await ask(provider, { kind: 'refresh', refreshToken: 'x' }, wrong)
    // Shopify says invalid_request of a code, which is also said of requests that are wrong.
    expect(used).toMatchObject({ failure: { class: quirk === 'shopify' ? 'ours' : 'refused' } })
    expect(ours).toMatchObject({ failure: { class: 'ours' } })
  })
})

it('a code is good for one verifier alone (RFC 7636 §4.6)', async () => {
  const provider = definitionOf('plain')
  const code = await codeOf(provider, [])
  const verifier = `x${VERIFIER}`
  expect(
    await ask(provider, { kind: 'code', code, redirectUri: REDIRECT, verifier }),
  ).toMatchObject({ failure: { class: 'refused', error: 'invalid_grant' } })
})

it('fails on demand, in order', async () => {
  const provider = definitionOf('plain')
  const { refreshToken = '' } = await connect(provider)
  server.misbehave(
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
    { kind: 'reset', when: 'before' },
    { kind: 'error', error: 'temporarily_unavailable' },
  )
  const outcomes = []
  for (let round = 0; round < 5; round += 1)
    outcomes.push(await ask(provider, { kind: 'refresh', refreshToken }))
  expect(outcomes).toMatchObject([
    { failure: { class: 'outage', status: 500 } },
    { failure: { class: 'throttled', retryAfterSeconds: 7 } },
    { failure: { class: 'outage', error: 'unreachable' } },
    { failure: { class: 'outage' } },
    { kind: 'tokens' },
  ])
})

it.each(['plain', 'slack'] as const)('%s: a token that is withdrawn is over', async (quirk) => {
  const provider = definitionOf(quirk)
  const { accessToken, refreshToken = '' } = await connect(provider)
  const request = revocationRequest(provider, server.client, CONFIG, {
    value: accessToken,
    kind: 'access_token',
  })
  expect(await send(request!)).toMatchObject({ status: 200 })
  expect(server.revoked).toContain(accessToken)
  expect(await ask(provider, { kind: 'refresh', refreshToken })).toMatchObject({
    failure: { class: 'refused' },
  })
})

it('a key opens the API of a provider that is connected by key', async () => {
  const provider = definitionOf('keys')
  const call = async (api_key: string) => {
    const { headers } = placeCredential(provider, { kind: 'keys', values: { api_key } })
    return send({ method: 'GET', url: provider.check!.url, headers })
  }
  const [key = ''] = server.keys
  expect(await call(key)).toMatchObject({ status: 200 })
  expect(await call('a-wrong-key')).toMatchObject({ status: 401 })
})
