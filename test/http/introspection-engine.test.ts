// Our introspection endpoint is our own code beside an engine that has one too. Both get the same
// requests: callers × tokens × hints × ways of authentication × bodies. Intended differences are in
// DIFFERENCES with their reason; any other difference fails.
import fc from 'fast-check'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, issueCode, registerApp, SCOPES } from '../support/builders.ts'
import type { TestClient } from '../support/builders.ts'
import { type EngineTwin, startEngineTwin } from '../support/engine-twin.ts'
import {
  BODIES,
  type Case,
  type Caller,
  type CallerApps,
  CALLERS,
  HINTS,
  isOneOf,
  type Manner,
  MANNERS,
  requestFor,
} from '../support/introspection-cases.ts'
import { send } from '../support/oauth-client.ts'
import { makeTokenKinds, type TokenKind } from '../support/token-kinds.ts'

const API = 'https://api.otesse.com/v1'
const SCOPE = 'bookings:read customers:read'
const GENERATED = 700
const SEED = 7662
/** The two servers make their tokens one after the other. */
const APART_SECONDS = 60

/** What counts of an answer; times are seconds from now. */
interface Answer {
  status: number
  error?: string
  challenge?: string
  active?: boolean
  members?: Record<string, unknown>
  exp?: number
  iat?: number
}

interface Side {
  url: string
  tokens: Record<string, TokenKind>
  now: () => number
}

interface Difference {
  what: string
  why: string
  /** Where it applies. `engine` is the engine's answer as the previous differences left it. */
  when: (one: Case, engine: Answer) => boolean
  /** What the engine is asked instead, because for us the case is the same as that one. */
  askFor?: (one: Case) => Case
  then?: (engine: Answer, one: Case) => Answer
}

const invalidRequest: Answer = { status: 400, error: 'invalid_request' }
const inactive: Answer = { status: 200, active: false, members: {} }
const invalidClient = ({ manner }: Case): Answer => ({
  status: 401,
  error: 'invalid_client',
  ...(sendsHeader(manner) ? { challenge: 'Basic' } : {}),
})
const sendsHeader = (manner: Manner): boolean => /^(basic|bearer)/.test(manner)

let server: TestApp
let twin: EngineTwin
let apps: CallerApps
let ours: Side
let engine: Side

const kindOf = ({ token }: Case): TokenKind => ours.tokens[token]!

/**
 * RFC 7662 §4 as we read it: the app itself may ask, and for access tokens the resource servers
 * that they are for.
 */
function maySee({ caller, token }: Case): boolean {
  const { kind, holder, audience } = ours.tokens[token]!
  if (caller === holder) return true
  return (
    kind === 'access' && (caller === 'api' || (caller === 'otherApi' && audience === undefined))
  )
}

const DIFFERENCES: readonly Difference[] = [
  {
    what: 'a JSON body is read like a form',
    why: 'the contract takes both; the engine takes forms only',
    when: ({ body }) => body === 'json',
    askFor: (one) => ({ ...one, body: 'form' }),
  },
  {
    what: 'a refresh token outlives the revocation of one of its access tokens',
    why: 'RFC 7009 §2.1 lets the server choose, the contract ends a family by its refresh token; the engine ends all tokens by any',
    when: ({ token }) => token === 'refresh token whose access token was revoked',
    askFor: (one) => ({ ...one, token: 'refresh token' }),
  },
  {
    what: 'a request without, or with unreadable, client authentication is invalid_client',
    why: 'RFC 6749 §5.2 names "no client authentication included" as invalid_client; the engine says invalid_request',
    when: ({ manner, caller }, { status }) =>
      status === 400 &&
      (isOneOf(manner, 'nothing', 'basic, no colon', 'basic, not base64', 'bearer') ||
        (manner === 'basic, no secret' && caller !== 'spa')),
    then: (_, one) => invalidClient(one),
  },
  {
    what: 'a public app may not introspect at all, and is told so as a client that did not prove itself',
    why: 'RFC 7662 §2.1: the endpoint MUST require authorization; the engine takes a client_id alone for it',
    when: ({ caller, manner, body }, { status }) =>
      caller === 'spa' &&
      (status === 200 ||
        isOneOf(manner, 'client_id alone', 'basic, no secret') ||
        (status === 400 &&
          isOneOf(body, 'no token', 'empty token') &&
          !isOneOf(manner, 'basic and post', 'basic and another client_id'))),
    then: (_, one) => invalidClient(one),
  },
  {
    what: 'a body that is not a form is refused before anybody looks who sent it',
    why: 'the limits and the client are in it; the engine authenticates by the header first where there is one',
    when: ({ body }) =>
      isOneOf(
        body,
        'token twice',
        'hint twice',
        'client_id twice',
        'text/plain',
        'no content type',
      ),
    then: () => invalidRequest,
  },
  {
    what: 'parameters that nobody knows must not be repeated either, and escapes must be right',
    why: 'RFC 6749 §3.2 and appendix B: no parameter more than once, UTF-8 only; the engine reads what it can',
    when: ({ body }) => isOneOf(body, 'unknown parameter twice', 'broken escape'),
    then: () => invalidRequest,
  },
  {
    what: 'a JWT is just a token that is not active',
    why: 'RFC 7662 §2.2: a token that does not exist is no error; the engine answers 400 unsupported_token_type',
    when: (_, { error }) => error === 'unsupported_token_type',
    then: () => inactive,
  },
  {
    what: 'a token that the caller may not know of is not active',
    why: 'RFC 7662 §4; the engine shows every token to every confidential client',
    when: (one, { active }) => active === true && !maySee(one),
    then: () => inactive,
  },
  {
    what: 'a token without a person has its app as subject',
    why: 'RFC 9068 §2.2 has it so for JWTs, and gateways need one name for the caller; the engine leaves it out',
    when: (one, { active }) =>
      active === true && isOneOf(kindOf(one).holder ?? 'web', 'machine', 'aimed'),
    then: (answer, one) => ({
      ...answer,
      members: { ...answer.members, sub: kindOf(one).holder },
    }),
  },
  {
    what: 'a refresh token has no iat',
    why: 'it is optional (RFC 7662 §2.2), and a kept refresh token has no one moment of issue in our store',
    when: (one, { active }) => active === true && kindOf(one).kind === 'refresh',
    then: ({ iat: _, ...answer }) => answer,
  },
  {
    what: 'a resource server learns the id of the grant',
    why: 'an extension (RFC 7662 §2.2 allows them): by it the stream of revocations names a family',
    when: ({ caller }, { active }) => active === true && isOneOf(caller, 'api', 'otherApi'),
    then: (answer) => ({ ...answer, members: { ...answer.members, grant_id: 'text' } }),
  },
]

beforeAll(async () => {
  server = await startTestApp({
    backend: 'redis',
    overrides: {
      OTESSE_LIMIT_TOKEN_PER_CLIENT: '0',
      OTESSE_LIMIT_TOKEN_PER_ADDRESS: '0',
      OTESSE_LIMIT_INTROSPECT_PER_CLIENT: '0',
      OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '0',
      OTESSE_LIMIT_FAILED_PROOFS_PER_CLIENT: '0',
    },
  })
  await createScopes(server)
  apps = {
    web: await registerApp(server, { requirePkce: false }),
    rotating: await registerApp(server, { requirePkce: false, rotateRefreshTokens: true }),
    spa: await registerApp(server, { type: 'public' }),
    machine: await registerApp(server, { type: 'machine' }),
    aimed: await registerApp(server, { type: 'machine', audiences: [API] }),
    api: await registerApp(server, { type: 'resource_server', audiences: [API] }),
    otherApi: await registerApp(server, { type: 'resource_server', audiences: ['https://x.test'] }),
  }
  twin = await startEngineTwin(
    Object.values(apps).map((client) => ({
      client,
      rotates: client === apps.rotating || client === apps.spa,
    })),
    { scopes: SCOPES, scope: SCOPE, audience: API },
  )
  const accountId = (await createAccount(server)).id
  const ownSource = {
    url: server.url,
    issueCode: async (client: TestClient) => (await issueCode(server, client, { accountId })).code,
    age: (seconds: number) => server.clock.move(seconds * 1000),
  }
  const twinSource = {
    url: twin.url,
    issueCode: (client: TestClient) => twin.issueCode(client.id, accountId),
    age: twin.age,
  }
  ours = {
    url: server.url,
    tokens: await makeTokenKinds(ownSource, apps, API),
    now: () => server.clock() / 1000,
  }
  engine = {
    url: twin.url,
    tokens: await makeTokenKinds(twinSource, apps, API),
    now: () => Date.now() / 1000,
  }
})
afterAll(async () => {
  await twin[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Asks one side and normalises its answer: names for ids, seconds from now for times. */
async function ask(side: Side, one: Case): Promise<Answer> {
  const { status, headers, body } = await send(
    `${side.url}/oauth/introspect`,
    requestFor(one, side.tokens[one.token]!.text, apps),
  )
  expect(headers.get('content-type')).toMatch(/^application\/json/)
  expect(headers.get('cache-control')).toBe('no-store')
  const challenge = headers.get('www-authenticate')?.split(' ')[0]
  if (status !== 200) {
    expect(typeof body.error_description).toBe('string')
    return { status, error: body.error, ...(challenge === undefined ? {} : { challenge }) }
  }
  const { active, exp, iat, ...rest } = body
  const nameOf = (id: unknown): unknown =>
    Object.entries(apps).find(([, client]) => client.id === id)?.[0] ?? id
  const members = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [
      name,
      name === 'iss'
        ? value === side.url
        : name === 'grant_id'
          ? typeof value === 'string' && 'text'
          : nameOf(value),
    ]),
  )
  return {
    status,
    active,
    members,
    ...(exp === undefined ? {} : { exp: Number(exp) - side.now() }),
    ...(iat === undefined ? {} : { iat: Number(iat) - side.now() }),
  }
}

interface Verdict {
  problem?: object
  applied: readonly string[]
  isActive: boolean
}

async function judge(one: Case): Promise<Verdict> {
  const applied: string[] = []
  let asked = one
  for (const { what, when, askFor } of DIFFERENCES) {
    if (askFor === undefined || !when(one, { status: 0 })) continue
    asked = askFor(asked)
    applied.push(what)
  }
  const [own, theirs] = await Promise.all([ask(ours, one), ask(engine, asked)])
  let expected = theirs
  for (const { what, when, then } of DIFFERENCES) {
    if (then === undefined || !when(asked, expected)) continue
    const changed = then(expected, asked)
    if (!isSame(changed, expected)) applied.push(what)
    expected = changed
  }
  // A server says in one way when and for how long; the lifetime is exact, the moment nearly.
  const life = ({ exp, iat }: Answer) =>
    exp === undefined || iat === undefined ? undefined : Math.round(exp - iat)
  const isEqual = isSame(own, expected) && life(own) === life(expected)
  return {
    applied,
    isActive: own.active === true,
    ...(isEqual ? {} : { problem: { asked: one, ours: own, expected, theirs } }),
  }
}

function isSame(one: Answer, two: Answer): boolean {
  const near = (a: number | undefined, b: number | undefined): boolean =>
    a === b || (a !== undefined && b !== undefined && Math.abs(a - b) <= APART_SECONDS)
  const rest = ({ exp: _exp, iat: _iat, members = {}, ...answer }: Answer): string =>
    JSON.stringify([Object.entries(answer).sort(), Object.entries(members).sort()])
  return near(one.exp, two.exp) && near(one.iat, two.iat) && rest(one) === rest(two)
}

/**
 * Compares all. Returns the unexplained differences, the differences that applied, and how often a
 * token was active.
 */
async function judgeAll(cases: readonly Case[]) {
  const problems: object[] = []
  const applied = new Set<string>()
  let active = 0
  for (let at = 0; at < cases.length; at += 20) {
    for (const verdict of await Promise.all(cases.slice(at, at + 20).map(judge))) {
      if (verdict.problem !== undefined) problems.push(verdict.problem)
      for (const what of verdict.applied) applied.add(what)
      if (verdict.isActive) active += 1
    }
  }
  return { problems: problems.slice(0, 5), applied, active }
}

const usualManner = (caller: Caller): Manner => (caller === 'spa' ? 'client_id alone' : 'basic')

it('both made the same kinds of tokens', () => {
  expect(Object.keys(engine.tokens)).toEqual(Object.keys(ours.tokens))
  expect(Object.keys(ours.tokens).length).toBeGreaterThan(30)
})

it('RFC 7662 §2.2 — every caller learns the same of every kind of token, whatever the hint', async () => {
  const cases = CALLERS.flatMap((caller) =>
    Object.keys(ours.tokens).flatMap((token) =>
      HINTS.map((hint): Case => ({
        caller,
        token,
        hint,
        manner: usualManner(caller),
        body: 'form',
      })),
    ),
  )
  const { problems, active } = await judgeAll(cases)
  expect(problems).toEqual([])
  // Nothing is proved where nothing is active.
  expect(active).toBeGreaterThan(100)
})

it('RFC 7662 §2.1, §2.3 — every way of asking is answered alike, and each difference is one that we know', async () => {
  const arbitrary = fc.record<Case>({
    caller: fc.constantFrom(...CALLERS),
    manner: fc.constantFrom(...MANNERS),
    token: fc.constantFrom(...Object.keys(ours.tokens)),
    hint: fc.constantFrom(...HINTS),
    body: fc.oneof(fc.constant('form' as const), fc.constantFrom(...BODIES)),
  })
  const generated = fc.sample(arbitrary, { numRuns: GENERATED, seed: SEED })
  // Each way with each body once, so that no pair of them is left to chance.
  const pairs = (['web', 'spa', 'api', 'stranger'] as const).flatMap((caller) =>
    MANNERS.flatMap((manner) =>
      BODIES.map((body): Case => ({ caller, manner, body, token: 'access token', hint: 'none' })),
    ),
  )
  const { problems, applied, active } = await judgeAll([...generated, ...pairs])
  expect(problems).toEqual([])
  expect(active).toBeGreaterThan(30)
  const { applied: appliedToTokens } = await judgeAll(
    Object.keys(ours.tokens).flatMap((token) =>
      CALLERS.map((caller): Case => ({
        caller,
        token,
        hint: 'none',
        manner: usualManner(caller),
        body: 'form',
      })),
    ),
  )
  // One that nothing shows any more has to leave the list.
  const shown = new Set([...applied, ...appliedToTokens])
  expect(DIFFERENCES.map(({ what }) => what).filter((what) => !shown.has(what))).toEqual([])
})
