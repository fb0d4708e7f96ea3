// Bad input to the admin API changes nothing and says why. Each case has the status, the code, and
// the fields with the rules that they break, in a problem document (RFC 9457) as described.
import { jest } from '@jest/globals'
import { AppError } from '../../src/shared/errors.ts'
import {
  type AdminClient,
  type AdminRequest,
  callAdminApi,
  createAdminClient,
  everything,
} from '../support/admin-client.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { type ApiDocument, createAnswerCheck } from '../support/openapi.ts'

let server: TestApp
let admin: AdminClient
let assertDescribed: ReturnType<typeof createAnswerCheck>
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  admin = await createAdminClient(server)
  const { body } = await callAdminApi(server, undefined, 'GET', '/openapi.json')
  assertDescribed = createAnswerCheck(body as ApiDocument)
})
afterAll(() => server[Symbol.asyncDispose]())

describe('bad input', () => {
  const web = { name: 'App', type: 'web', redirect_uris: ['https://example.com/callback'] }
  const json = (value: unknown): AdminRequest => ({ json: value })
  const raw = (text: string, type = 'application/json'): AdminRequest => ({ raw: text, type })
  /** The request and its answer: status, code, and the fields with the rules that they break. */
  const CASES: [string, string, string, string, AdminRequest, number, string, string[]][] = [
    ['no JSON', 'registerApp', 'POST', '/apps', raw('{'), 400, 'body_not_json', []],
    ['a list', 'registerApp', 'POST', '/apps', raw('[]'), 400, 'body_not_json', []],
    ['nothing', 'registerApp', 'POST', '/apps', raw(''), 400, 'body_not_json', []],
    [
      'a deep nest',
      'registerApp',
      'POST',
      '/apps',
      raw('['.repeat(60_000)),
      400,
      'body_not_json',
      [],
    ],
    [
      'no UTF-8',
      'registerApp',
      'POST',
      '/apps',
      { raw: new Uint8Array([0x7b, 0xff, 0x7d]) },
      400,
      'body_not_utf8',
      [],
    ],
    [
      'a name twice',
      'registerApp',
      'POST',
      '/apps',
      raw('{"name":"A","type":"machine","name":"B"}'),
      400,
      'parameter_duplicated',
      ['name parameter-duplicated'],
    ],
    [
      'a name twice in disguise',
      'registerApp',
      'POST',
      '/apps',
      raw('{"name":"A","type":"machine","n\\u0061me":"B"}'),
      400,
      'parameter_duplicated',
      ['name parameter-duplicated'],
    ],
    [
      'a form',
      'registerApp',
      'POST',
      '/apps',
      raw('name=A', 'application/x-www-form-urlencoded'),
      415,
      'media_type_unsupported',
      [],
    ],
    [
      'no content type',
      'registerApp',
      'POST',
      '/apps',
      raw('{}', ''),
      415,
      'media_type_unsupported',
      [],
    ],
    [
      'too much',
      'registerApp',
      'POST',
      '/apps',
      json({ ...web, description: 'x'.repeat(70_000) }),
      413,
      'body_too_large',
      [],
    ],
    [
      'camel case',
      'registerApp',
      'POST',
      '/apps',
      json({ ...web, redirectUris: [], requirePkce: true }),
      422,
      'input_refused',
      ['redirectUris field-unknown', 'requirePkce field-unknown'],
    ],
    [
      'names of prototypes',
      'registerApp',
      'POST',
      '/apps',
      raw('{"name":"A","type":"machine","__proto__":{"x":1},"constructor":1,"toString":2}'),
      422,
      'input_refused',
      ['__proto__ field-unknown', 'constructor field-unknown', 'toString field-unknown'],
    ],
    [
      'wrong types',
      'registerApp',
      'POST',
      '/apps',
      json({ name: 7, type: 'desk', scopes: 'a', require_pkce: 'yes', access_ttl_seconds: 1.5 }),
      422,
      'input_refused',
      [
        'access_ttl_seconds field-type',
        'name field-type',
        'require_pkce field-type',
        'scopes field-type',
        'type field-type',
      ],
    ],
    [
      'rules broken',
      'registerApp',
      'POST',
      '/apps',
      json({
        ...web,
        redirect_uris: ['http://evil.example/#x'],
        homepage_url: 'javascript:alert(1)',
        scopes: ['none:read', 'admin:apps:read'],
      }),
      422,
      'input_refused',
      [
        'homepage_url uri-dangerous-scheme',
        'redirect_uris uri-fragment',
        'scopes scope-for-machines',
        'scopes scope-unknown',
      ],
    ],
    [
      'a secret’s past end',
      'createSecret',
      'POST',
      '/apps/{id}/secrets',
      json({ expires_at: '2001-01-01T00:00:00Z' }),
      422,
      'input_refused',
      ['expires_at secret-expiry-past'],
    ],
    [
      'a secret’s vague end',
      'createSecret',
      'POST',
      '/apps/{id}/secrets',
      json({ expires_at: 'tomorrow' }),
      422,
      'input_refused',
      ['expires_at moment-form'],
    ],
    [
      'an unknown member',
      'createSecret',
      'POST',
      '/apps/{id}/secrets',
      json({ expiresAt: null }),
      422,
      'input_refused',
      ['expiresAt field-unknown'],
    ],
    [
      'no reason',
      'suspendApp',
      'POST',
      '/apps/{id}/suspend',
      json({}),
      422,
      'input_refused',
      ['reason field-needed'],
    ],
    [
      'an empty reason',
      'suspendApp',
      'POST',
      '/apps/{id}/suspend',
      json({ reason: ' ' }),
      400,
      'parameter_invalid',
      ['reason parameter-invalid'],
    ],
    [
      'no reason to delete',
      'deleteApp',
      'DELETE',
      '/apps/{id}',
      {},
      400,
      'parameter_missing',
      ['reason parameter-missing'],
    ],
    [
      'another type',
      'updateApp',
      'PATCH',
      '/apps/{id}',
      json({ type: 'machine' }),
      422,
      'input_refused',
      ['redirect_uris redirect-uri-unexpected', 'type type-fixed'],
    ],
    [
      'an id',
      'updateApp',
      'PATCH',
      '/apps/{id}',
      json({ id: 'app_x', version: 7 }),
      422,
      'input_refused',
      ['id field-unknown', 'version field-unknown'],
    ],
    [
      'no picture',
      'putAppLogo',
      'PUT',
      '/apps/{id}/logo',
      raw('<html>', 'image/png'),
      422,
      'input_refused',
      ['logo logo-type-differs'],
    ],
    [
      'a script',
      'putAppLogo',
      'PUT',
      '/apps/{id}/logo',
      raw('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', 'image/svg+xml'),
      422,
      'input_refused',
      ['logo logo-svg-not-inert'],
    ],
    [
      'a large picture',
      'putAppLogo',
      'PUT',
      '/apps/{id}/logo',
      raw('x'.repeat(300_000), 'image/png'),
      413,
      'logo_too_large',
      [],
    ],
    [
      'a text',
      'putAppLogo',
      'PUT',
      '/apps/{id}/logo',
      raw('x', 'text/plain'),
      415,
      'media_type_unsupported',
      [],
    ],
    [
      'a reserved scope',
      'createScope',
      'POST',
      '/scopes',
      json({ name: 'admin:all', group: '', sentence: 7 }),
      422,
      'input_refused',
      ['group scope-group-needed', 'name scope-name-reserved', 'sentence scope-sentence-needed'],
    ],
    [
      'a scope’s new name',
      'updateScope',
      'PATCH',
      '/scopes/bookings:read',
      json({ name: 'x' }),
      422,
      'input_refused',
      ['name field-unknown'],
    ],
    [
      'a built-in scope',
      'updateScope',
      'PATCH',
      '/scopes/openid',
      json({ sentence: 'x' }),
      404,
      'not_found',
      [],
    ],
    [
      'no e-mail',
      'createAccount',
      'POST',
      '/accounts',
      json({ email: 'ada', role: 'owner', nick: 1 }),
      422,
      'input_refused',
      ['nick field-unknown', 'role field-choice'],
    ],
    [
      'a wrong e-mail',
      'createAccount',
      'POST',
      '/accounts',
      json({ email: 'ada', password: 'short' }),
      422,
      'input_refused',
      ['email email-form', 'password password'],
    ],
    [
      'no e-mail at all',
      'inviteAccount',
      'POST',
      '/invitations',
      json({}),
      422,
      'input_refused',
      ['email field-needed'],
    ],
    [
      'a foreign token',
      'revokeToken',
      'POST',
      '/tokens/revoke',
      json({ token: 'ghp_abc' }),
      422,
      'input_refused',
      ['token token-foreign'],
    ],
    [
      'a token that is a number',
      'inspectToken',
      'POST',
      '/tokens/inspect',
      json({ token: 1 }),
      422,
      'input_refused',
      ['token field-type'],
    ],
    [
      'no grant',
      'revokeGrant',
      'POST',
      '/grants/x/revoke',
      {},
      422,
      'input_refused',
      ['grant_id grant-form'],
    ],
    [
      'a misspelt filter',
      'listApps',
      'GET',
      '/apps?serach=x',
      {},
      400,
      'parameter_unknown',
      ['serach parameter-unknown'],
    ],
    [
      'a filter twice',
      'listApps',
      'GET',
      '/apps?search=x&search=y',
      {},
      400,
      'parameter_duplicated',
      ['search parameter-duplicated'],
    ],
    [
      'a status that is none',
      'listApps',
      'GET',
      '/apps?status=gone',
      {},
      400,
      'parameter_invalid',
      ['status parameter-invalid'],
    ],
    [
      'a limit',
      'listApps',
      'GET',
      '/apps?limit=201',
      {},
      400,
      'parameter_invalid',
      ['limit parameter-invalid'],
    ],
    [
      'a limit in words',
      'listAccounts',
      'GET',
      '/accounts?limit=ten',
      {},
      400,
      'parameter_invalid',
      ['limit parameter-invalid'],
    ],
    [
      'a cursor',
      'listApps',
      'GET',
      '/apps?cursor=x',
      {},
      400,
      'parameter_invalid',
      ['cursor parameter-invalid'],
    ],
    [
      'a cursor of events',
      'listEvents',
      'GET',
      '/events?cursor=x',
      {},
      400,
      'parameter_invalid',
      ['cursor parameter-invalid'],
    ],
    [
      'a cursor of sums',
      'listUsage',
      'GET',
      '/usage?from=2026-01-01&to=2026-01-02&cursor=e30',
      {},
      400,
      'parameter_invalid',
      ['cursor parameter-invalid'],
    ],
    [
      'a day that is none',
      'listUsage',
      'GET',
      '/usage?from=2026-02-30&to=2026-03-01',
      {},
      400,
      'parameter_invalid',
      ['from parameter-invalid'],
    ],
    [
      'a year that no database can hold',
      'listEvents',
      'GET',
      '/events?from=0000-01-01T00:00:00Z',
      {},
      400,
      'parameter_invalid',
      ['from parameter-invalid'],
    ],
    [
      'a day of such a year',
      'listUsage',
      'GET',
      '/usage?from=0000-01-01&to=2026-01-02',
      {},
      400,
      'parameter_invalid',
      ['from parameter-invalid'],
    ],
    [
      'a time that is none',
      'listEvents',
      'GET',
      '/events?from=yesterday',
      {},
      400,
      'parameter_invalid',
      ['from parameter-invalid'],
    ],
    [
      'a NUL',
      'listEvents',
      'GET',
      '/events?actor=%00',
      {},
      400,
      'parameter_invalid',
      ['actor parameter-invalid'],
    ],
    ['an app that is none', 'getApp', 'GET', '/apps/%00', {}, 404, 'not_found', []],
    ['an account that is none', 'getAccount', 'GET', '/accounts/%00', {}, 404, 'not_found', []],
    ['a scope that is none', 'getScope', 'GET', '/scopes/%22', {}, 404, 'not_found', []],
  ]

  let app: string
  let before: string
  beforeAll(async () => {
    app = (await registerApp(server)).id
    before = await everything(admin)
  })
  afterAll(async () => {
    // Nothing has changed.
    expect(await everything(admin)).toBe(before)
  })

  it.each(CASES)('%s, %s', async (_, id, method, template, request, status, code, problems) => {
    const answer = await admin.call(method, template.replace('{id}', app), {
      ...request,
      headers: method === 'PATCH' ? { 'if-match': '*' } : {},
    })
    const found = ((answer.body.problems ?? []) as { field: string; rule: string }[])
      .map(({ field, rule }) => `${field} ${rule}`)
      .sort()
    expect({ status: answer.status, code: answer.body.code, problems: found }).toEqual({
      status,
      code,
      problems,
    })
    assertDescribed(id, answer)
    if (status === 415) expect(answer.headers.get('accept')).toMatch(/^(application|image)\//)
  })

  it('RFC 9110 §12.5.1 — a 415 names what would be accepted', async () => {
    const answer = await admin.call('PUT', `/apps/${app}/logo`, {
      type: 'text/plain',
      raw: 'x',
    })
    expect(answer.status).toBe(415)
    expect(answer.headers.get('accept')).toBe('image/png, image/jpeg, image/webp, image/svg+xml')
  })

  it.each([
    ['2026-01-02T03:04:05Z', 200],
    ['2026-01-02t03:04:05.123456789z', 200],
    ['2026-01-02T03:04:05+02:00', 200],
    ['2026-01-02T03:04:05', 400],
    ['2026-01-02 03:04:05Z', 400],
    ['2026-01-02', 400],
    ['2026-13-02T03:04:05Z', 400],
  ])('RFC 3339 §5.6 — the time %s in a query: %i', async (from, status) => {
    expect((await admin.get(`/events?from=${encodeURIComponent(from)}`)).status).toBe(status)
  })

  it.each<[number, string, Error]>([
    [500, 'server_error', new Error('relation "apps" has no column')],
    [
      503,
      'temporarily_unavailable',
      new AppError('temporarily_unavailable', { detail: 'relation', retryAfterSeconds: 2 }),
    ],
  ])('is not what is told where the server fails: %s', async (status, code, error) => {
    const list = jest.spyOn(server.services.apps, 'list').mockRejectedValue(error)
    const answer = await admin.get('/apps')
    list.mockRestore()
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code })
    expect(answer.text).not.toContain('relation')
    expect(answer.headers.get('retry-after')).toBe(status === 503 ? '2' : null)
    assertDescribed('listApps', answer)
  })
})
