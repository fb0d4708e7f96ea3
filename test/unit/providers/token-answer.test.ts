import fc from 'fast-check'
import type { Provider, ProviderAuth, ProviderLife } from '../../../src/providers/provider.ts'
import type { ProviderAnswer } from '../../../src/providers/provider-answer.ts'
import { readTokenAnswer } from '../../../src/providers/token-answer.ts'

const NOW = Date.UTC(2026, 10, 28, 12)
const HOUR = 3_600_000
const AUTH = { authorize_url: 'https://crm.test/authorize', token_url: 'https://crm.test/token' }
const crm = (auth: Partial<ProviderAuth> = {}, life?: ProviderLife): Provider => ({
  key: 'crm',
  name: 'CRM',
  kind: 'oauth2',
  auth: { ...AUTH, ...auth },
  ...(life === undefined ? {} : { life }),
})
const answered = (
  body: object | string,
  status = 200,
  headers: Record<string, string> = {},
): ProviderAnswer => ({
  kind: 'answered',
  status,
  headers,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})
const read = (answer: ProviderAnswer, provider = crm(), secrets: string[] = []) =>
  readTokenAnswer(provider, answer, NOW, secrets)
function tokensOf(body: object | string, provider = crm(), status = 200) {
  const outcome = read(answered(body, status), provider)
  if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.failure))
  const { members: _, ...tokens } = outcome.tokens
  return tokens
}
function failureOf(answer: ProviderAnswer, secrets: string[] = []) {
  const outcome = read(answer, crm(), secrets)
  if (outcome.kind === 'tokens') throw new Error('these are tokens')
  return outcome.failure
}

describe('an answer with tokens (RFC 6749 §5.1)', () => {
  it('is read', () => {
    const body = {
      access_token: 'at',
      refresh_token: 'rt',
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'a b',
    }
    expect(tokensOf(body)).toEqual({
      accessToken: 'at',
      refreshToken: 'rt',
      accessExpiresAt: NOW + HOUR,
      scopes: ['a', 'b'],
    })
  })

  it.each<[string, object | string, Provider, number]>([
    ['Slack: token type "bot"', { ok: true, access_token: 'at', token_type: 'bot' }, crm(), 200],
    [
      'Slack: the user’s own token',
      { ok: true, authed_user: { id: 'U1', access_token: 'at' } },
      crm({ answer_path: 'authed_user' }),
      200,
    ],
    [
      'the path that is named comes first',
      { access_token: 'bot', authed_user: { access_token: 'at' } },
      crm({ answer_path: 'authed_user' }),
      200,
    ],
    [
      'without anything at the path, the top',
      { access_token: 'at', authed_user: { id: 'U1' } },
      crm({ answer_path: 'authed_user' }),
      200,
    ],
    ['GitHub: a form', 'access_token=at&token_type=bearer', crm(), 200],
    ['status 201', { access_token: 'at' }, crm(), 201],
    ['an empty refresh token', { access_token: 'at', refresh_token: '' }, crm(), 200],
    ['a refresh token of null', { access_token: 'at', refresh_token: null }, crm(), 200],
    ['an error of null', { access_token: 'at', error: null }, crm(), 200],
    ['a name that objects have', { access_token: 'at', constructor: 1 }, crm(), 200],
  ])('in other forms: %s', (_, body, provider, status) => {
    expect(tokensOf(body, provider, status)).toEqual({ accessToken: 'at' })
  })

  it.each<[string, object, ProviderLife, number | undefined]>([
    ['as text', { expires_in: '3600' }, {}, NOW + HOUR],
    ['absent and unknown', {}, {}, undefined],
    ['absent, with the provider’s own', {}, { access_seconds: 3600 }, NOW + HOUR],
    ['0 for ever', { expires_in: 0 }, {}, undefined],
    ['0 for the provider’s own', { expires_in: 0 }, { access_seconds: 3600 }, NOW + HOUR],
    ['below 0', { expires_in: -5 }, {}, undefined],
    ['milliseconds, as declared', { expires_in: HOUR }, { expiry: 'expires_in_ms' }, NOW + HOUR],
    ['milliseconds, as seen', { expires_in: HOUR }, { access_seconds: 3600 }, NOW + HOUR],
    ['a date', { expires_at: '2026-11-28T13:00:00Z' }, {}, NOW + HOUR],
    ['epoch seconds', { expires_at: (NOW + HOUR) / 1000 }, {}, NOW + HOUR],
    ['epoch milliseconds as text', { expires_at: `${NOW + HOUR}` }, {}, NOW + HOUR],
    ['a date before now', { expires_at: '2020-01-01', expires_in: 3600 }, {}, NOW + HOUR],
    ['no date', { expires_at: 'soon', expires_in: 3600 }, {}, NOW + HOUR],
    ['never', { expires_in: 60 }, { expiry: 'none' }, undefined],
    ['beyond all lives', { expires_in: 1e15 }, {}, undefined],
    ['no number', { expires_in: 'NaN' }, {}, undefined],
  ])('lives: %s', (_, members, life, end) => {
    expect(tokensOf({ access_token: 'at', ...members }, crm({}, life)).accessExpiresAt).toBe(end)
  })

  it.each<[string, object, ProviderLife, number | undefined]>([
    ['QuickBooks', { x_refresh_token_expires_in: 3600 }, {}, NOW + HOUR],
    ['GitHub', { refresh_token_expires_in: '3600' }, {}, NOW + HOUR],
    ['Keycloak for ever', { refresh_expires_in: 0 }, {}, undefined],
    ['Square', { refresh_token_expires_at: '2026-11-28T13:00:00Z' }, {}, NOW + HOUR],
    ['the provider’s own', {}, { refresh_days: 1 }, NOW + 24 * HOUR],
  ])('lives of refresh tokens: %s', (_, members, life, end) => {
    const body = { access_token: 'at', refresh_token: 'rt', ...members }
    expect(tokensOf(body, crm({}, life)).refreshExpiresAt).toBe(end)
  })

  it('an old refresh token gets no new life', () => {
    expect(tokensOf({ access_token: 'at' }, crm({}, { refresh_days: 1 }))).toEqual({
      accessToken: 'at',
    })
  })

  it.each<[unknown, ProviderAuth['scope_separator'], readonly string[] | undefined]>([
    ['a b', ' ', ['a', 'b']],
    ['a,b', ' ', ['a', 'b']],
    ['a, b', ',', ['a', 'b']],
    ['a+b', '+', ['a', 'b']],
    ['a+b', ' ', ['a+b']],
    [['a', 'b', 'a', 7], ' ', ['a', 'b']],
    ['', ' ', []],
    [null, ' ', undefined],
    [{}, ' ', undefined],
  ])('scopes %j with the separator %j are %j', (scope, separator = ' ', scopes) => {
    const provider = crm({ scope_separator: separator })
    expect(tokensOf({ access_token: 'at', scope }, provider).scopes).toEqual(scopes)
  })

  it('never takes what no header can carry for a token', () => {
    for (const access_token of [
      '',
      'a b',
      'a\r\nX: y',
      'é',
      7,
      null,
      {},
      ['at'],
      'x'.repeat(20_001),
    ])
      expect(failureOf(answered({ access_token }))).toMatchObject({ error: 'no_access_token' })
  })

  it('ok: false is a refusal, whatever else comes', () => {
    expect(
      failureOf(answered({ ok: false, error: 'invalid_code', access_token: 'at' })),
    ).toMatchObject({
      class: 'refused',
    })
  })
})

describe('an answer without tokens (RFC 6749 §5.2)', () => {
  it.each<[string, ProviderAnswer, string, string]>([
    ['standard', answered({ error: 'invalid_grant' }, 400), 'refused', 'invalid_grant'],
    [
      'Slack',
      answered({ ok: false, error: 'invalid_refresh_token' }),
      'refused',
      'invalid_refresh_token',
    ],
    ['Slack', answered({ ok: false, error: 'bad_client_secret' }), 'ours', 'bad_client_secret'],
    ['Slack', answered({ ok: false, error: 'ratelimited' }), 'throttled', 'ratelimited'],
    [
      'GitHub',
      answered('error=bad_verification_code&error_description=x'),
      'refused',
      'bad_verification_code',
    ],
    [
      'GitHub',
      answered({ error: 'incorrect_client_credentials' }),
      'ours',
      'incorrect_client_credentials',
    ],
    ['Zoho', answered({ error: 'invalid_code' }), 'refused', 'invalid_code'],
    ['Zoho', answered({ error: 'Access Denied' }, 400), 'throttled', 'Access Denied'],
    [
      'HubSpot',
      answered({ status: 'BAD_REFRESH_TOKEN', message: 'x' }, 400),
      'refused',
      'BAD_REFRESH_TOKEN',
    ],
    [
      'nested',
      answered({ error: { code: 'invalid_grant', message: 'x' } }, 400),
      'refused',
      'invalid_grant',
    ],
    ['a list', answered({ errors: [{ code: 'INVALID_GRANT' }] }, 401), 'refused', 'INVALID_GRANT'],
    [
      'the refresh token named',
      answered(
        { error: 'invalid_request', error_description: 'The refresh token is invalid.' },
        400,
      ),
      'refused',
      'invalid_request',
    ],
    ['our client', answered({ error: 'invalid_client' }, 401), 'ours', 'invalid_client'],
    ['our scopes', answered({ error: 'invalid_scope' }, 400), 'ours', 'invalid_scope'],
    ['unknown', answered({ error: 'strange_thing' }, 400), 'outage', 'strange_thing'],
    ['unknown, with status 200', answered({ hello: 'world' }), 'outage', 'no_access_token'],
    ['401 without words', answered({}, 401), 'outage', 'status_401'],
    ['500', answered({ error: 'invalid_grant' }, 500), 'outage', 'invalid_grant'],
    ['HTML', answered('<html>busy</html>', 400), 'outage', 'unreadable'],
    ['HTML with 200', answered('<html>login</html>', 200), 'outage', 'unreadable'],
    ['empty', answered('', 503), 'outage', 'unreadable'],
    ['broken JSON', answered('{"access_token":', 200), 'outage', 'unreadable'],
    ['too many', answered('slow down', 429), 'throttled', 'unreadable'],
    ['a redirect', answered('', 301), 'ours', 'unreadable'],
    ['not there', answered('<html>404</html>', 404), 'ours', 'unreadable'],
    ['no answer', { kind: 'failed', reason: 'timed_out' }, 'outage', 'timed_out'],
    ['TLS', { kind: 'failed', reason: 'unreachable', code: 'CERT' }, 'outage', 'unreachable'],
    ['not allowed', { kind: 'failed', reason: 'refused' }, 'ours', 'refused'],
    ['a name that objects have', answered({ error: 'constructor' }, 400), 'outage', 'constructor'],
  ])('%s: %j', (_, answer, kind, error) => {
    expect(failureOf(answer)).toMatchObject({ class: kind, error })
  })

  it('only what a provider says refuses for good: no status alone does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), fc.string(), (status, body) => {
        const outcome = read(answered(body, status))
        expect(outcome.kind === 'failed' && outcome.failure.class).not.toBe('refused')
      }),
    )
  })

  it.each([
    ['30', 30],
    ['0', 1],
    ['Sat, 28 Nov 2026 12:01:00 GMT', 60],
    ['Fri, 27 Nov 2026 12:00:00 GMT', 1],
    ['999999999', 86_400],
    ['soon', undefined],
    ['', undefined],
  ])('Retry-After %j is %j seconds (RFC 9110 §10.2.3)', (header, seconds) => {
    const { retryAfterSeconds } = failureOf(answered({}, 429, { 'retry-after': header }))
    expect(retryAfterSeconds).toBe(seconds)
  })

  it('keeps nothing that was sent, whatever the provider echoes', () => {
    const secret = fc.string({ minLength: 4, maxLength: 60 }).filter((text) => text.trim() === text)
    fc.assert(
      fc.property(secret, secret, (first, second) => {
        fc.pre(
          !'[removed] was refused'.includes(first) && !'[removed] was refused'.includes(second),
        )
        fc.pre(!first.includes(second) && !second.includes(first))
        const error_description = `${first} was refused, ${second} too`
        const failure = failureOf(answered({ error: 'x', error_description }, 400), [first, second])
        expect(failure.description).not.toContain(first)
        expect(failure.description).not.toContain(second)
      }),
    )
  })

  it('keeps nothing that looks like a token, and nothing that breaks a line', () => {
    const failure = failureOf(
      answered(
        {
          error: 'a1'.repeat(32),
          error_description: `no\r\n${'x1'.repeat(30)} ${'é '.repeat(200)}`,
        },
        400,
      ),
    )
    expect(failure.error).toBe('status_400')
    expect(failure.description).toMatch(/^no \[removed\] é/)
    expect(failure.description?.length).toBeLessThanOrEqual(200)
  })

  it('never throws, whatever comes', () => {
    const json = fc.json({ maxDepth: 3 }).map((text) => text)
    fc.assert(
      fc.property(
        fc.oneof(json, fc.string()),
        fc.integer({ min: 100, max: 599 }),
        (body, status) => {
          expect(['tokens', 'failed']).toContain(read(answered(body, status)).kind)
        },
      ),
    )
  })
})
