// What the front channel publishes: both discovery documents, keys, id_token, userinfo.
import { request as httpRequest } from 'node:http'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { sql } from 'kysely'
import { accessTokenHash } from '../../src/shared/crypto.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, issueCode, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient, send } from '../support/oauth-client.ts'

const DOCUMENTS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

let server: TestApp
let web: OAuthClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  const scopes = ['openid', 'email', 'profile', 'bookings:read']
  web = createOAuthClient(server, await registerApp(server, { scopes }))
})
afterAll(() => server[Symbol.asyncDispose]())

/** A request with headers that fetch would not send. */
function getRaw(
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  const { port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
      .once('error', reject)
      .end()
  })
}

describe.each(DOCUMENTS)('RFC 8414 §2 — %s', (path) => {
  it('names the endpoints of the issuer and what they can do', async () => {
    const { status, headers, body } = await send(server.url + path, {})
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(body).toMatchObject({
      issuer: server.issuer,
      authorization_endpoint: `${server.issuer}/oauth/authorize`,
      token_endpoint: `${server.issuer}/oauth/token`,
      revocation_endpoint: `${server.issuer}/oauth/revoke`,
      introspection_endpoint: `${server.issuer}/oauth/introspect`,
      userinfo_endpoint: `${server.issuer}/oauth/userinfo`,
      jwks_uri: `${server.issuer}/oauth/jwks`,
      response_types_supported: ['code'],
      response_modes_supported: ['query', 'form_post'],
      code_challenge_methods_supported: ['S256'],
      // OpenID Connect Discovery §3: RS256 MUST be included.
      id_token_signing_alg_values_supported: ['ES256', 'RS256'],
      authorization_response_iss_parameter_supported: true,
    })
    const lists = (name: string): unknown[] => [...(body[name] as unknown[])].sort()
    expect(lists('grant_types_supported')).toEqual([
      'authorization_code',
      'client_credentials',
      'refresh_token',
    ])
    for (const endpoint of ['token', 'revocation', 'introspection'])
      expect(lists(`${endpoint}_endpoint_auth_methods_supported`)).toEqual([
        'client_secret_basic',
        'client_secret_post',
        'none',
      ])
    expect(lists('scopes_supported')).toEqual(expect.arrayContaining(['openid', 'bookings:read']))
  })

  it('RFC 9701 §7 — names the algorithm of signed introspection, which the engine does not', async () => {
    const { body } = await send(server.url + path, {})
    expect(body['introspection_signing_alg_values_supported']).toEqual(['ES256'])
  })

  it('names the claims that are given, and no other', async () => {
    const { body } = await send(server.url + path, {})
    const claims = [...(body['claims_supported'] as string[])].sort()
    expect(claims).toEqual(['auth_time', 'email', 'iss', 'name', 'sub'])
  })

  it('names the prompts that are served', async () => {
    const { body } = await send(server.url + path, {})
    expect(body['prompt_values_supported']).toEqual(['none', 'login', 'consent', 'select_account'])
  })

  it('names no endpoint that is not there', async () => {
    const { body } = await send(server.url + path, {})
    const endpoints = Object.entries(body).filter(([name]) => /_endpoint$|_uri$/.test(name))
    expect(endpoints.length).toBeGreaterThan(5)
    for (const [, url] of endpoints) {
      const { status } = await send(String(url), {})
      expect({ url, isThere: status !== 404 }).toEqual({ url, isThere: true })
    }
  })

  it.each([
    { host: 'evil.example' },
    { 'x-forwarded-host': 'evil.example' },
    {
      'x-forwarded-proto': 'gopher',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    },
  ])('does not follow $host $x-forwarded-host', async (headers) => {
    const { status, text } = await getRaw(path, headers)
    expect(status).toBe(200)
    expect(text).not.toMatch(/evil|gopher/)
  })

  it('is JSON for a browser too', async () => {
    const { headers } = await send(server.url + path, { headers: { accept: 'text/html' } })
    expect(headers.get('content-type')).toMatch(/^application\/json/)
  })

  it('lists a scope as soon as it exists', async () => {
    const name = `new:${path.length}`
    await createScopes(server, [name])
    expect((await send(server.url + path, {})).body['scopes_supported']).toContain(name)
  })
})

describe('OpenID Connect Core §3.1.3.3 — id_token', () => {
  it('is signed by a published key and says who signed in', async () => {
    const { tokens, accountId } = await authorizeWithOpenid({
      nonce: 'n-0S6',
      authTime: 1_700_000_000,
    })
    const keys = createRemoteJWKSet(new URL(`${server.url}/oauth/jwks`))
    const { payload, protectedHeader } = await jwtVerify(tokens.id_token, keys, {
      issuer: server.issuer,
      audience: web.client.id,
    })
    expect(protectedHeader).toMatchObject({ alg: 'RS256', kid: expect.stringMatching(/^key_/) })
    expect(payload).toMatchObject({
      sub: accountId,
      nonce: 'n-0S6',
      auth_time: 1_700_000_000,
      // OpenID Connect Core §3.1.3.6
      at_hash: accessTokenHash(tokens.access_token),
    })
    expect(payload.exp! - payload.iat!).toBe(3600)
  })

  it('is signed with what the app asks for; a change counts at once', async () => {
    const keys = createRemoteJWKSet(new URL(`${server.url}/oauth/jwks`))
    for (const alg of ['ES256', 'RS256'] as const) {
      const { version } = await server.services.apps.get(web.client.id)
      await server.services.apps.update(web.client.id, version, { idTokenSignedResponseAlg: alg })
      const { tokens } = await authorizeWithOpenid()
      const { protectedHeader } = await jwtVerify(tokens.id_token, keys, { algorithms: [alg] })
      expect(protectedHeader.alg).toBe(alg)
    }
  })

  it('OpenID Connect Registration §2 — an app of the release before keeps ES256', async () => {
    const { id, app } = await registerApp(server, { scopes: ['openid'] })
    expect(app.idTokenSignedResponseAlg).toBe('RS256')
    const { db } = server.infrastructure
    // As that release writes it: without the column.
    await sql`insert into apps (id, name, type, redirect_uris, scopes, audiences, require_pkce,
      rotate_refresh_tokens, sliding_refresh, status, version, created_at, updated_at)
      select 'app_eeeeeeeeeeeeeeeeeeee', name, type, redirect_uris, scopes, audiences, require_pkce,
      rotate_refresh_tokens, sliding_refresh, status, version, created_at, updated_at
      from apps where id = ${id}`.execute(db)
    const before = await server.services.apps.get('app_eeeeeeeeeeeeeeeeeeee')
    expect(before.idTokenSignedResponseAlg).toBe('ES256')
  })

  it('comes only where openid was granted, and only with the code', async () => {
    const { tokens } = await authorizeWithOpenid({}, ['bookings:read'])
    expect(tokens).not.toHaveProperty('id_token')
    const withOpenid = await authorizeWithOpenid()
    expect((await web.refresh(withOpenid.tokens.refresh_token)).body).not.toHaveProperty('id_token')
  })
})

describe('RFC 7517 §5 — the key set', () => {
  it('holds public keys alone', async () => {
    const { body } = await send(`${server.url}/oauth/jwks`, {})
    const keys = body['keys'] as Record<string, unknown>[]
    expect(keys.length).toBeGreaterThan(0)
    const MEMBERS = {
      EC: ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      RSA: ['alg', 'e', 'kid', 'kty', 'n', 'use'],
    }
    for (const key of keys)
      expect(Object.keys(key).sort()).toEqual(MEMBERS[key['kty'] as 'EC' | 'RSA'])
    expect(keys.map(({ alg }) => alg)).toEqual(['ES256', 'RS256', 'ES256', 'RS256'])
    const { tokens } = await authorizeWithOpenid()
    expect(keys.map(({ kid }) => kid)).toContain(decodeProtectedHeader(tokens.id_token).kid)
  })
})

it('RFC 9111 §5.2.2.1 — the key set may be kept for an hour, as long as a key waits to sign', async () => {
  const { headers } = await send(`${server.url}/oauth/jwks`, {})
  expect(headers.get('cache-control')).toContain('max-age=3600')
})

describe('OpenID Connect Core §5.3 — userinfo', () => {
  const userinfo = (authorization?: string, method = 'GET') =>
    send(`${server.url}/oauth/userinfo`, {
      method,
      headers: { accept: 'text/html', ...(authorization === undefined ? {} : { authorization }) },
    })

  it('tells what the granted scopes allow', async () => {
    const { tokens, accountId, email } = await authorizeWithOpenid({}, [
      'openid',
      'email',
      'profile',
    ])
    for (const method of ['GET', 'POST'])
      expect(await userinfo(`Bearer ${tokens.access_token}`, method)).toMatchObject({
        status: 200,
        text: JSON.stringify({ sub: accountId, email, name: 'Ada Lovelace' }),
      })
    const bare = await authorizeWithOpenid({}, ['openid'])
    expect((await userinfo(`Bearer ${bare.tokens.access_token}`)).body).toEqual({
      sub: bare.accountId,
    })
  })

  it('refuses a token without openid (RFC 6750 §3.1 insufficient_scope)', async () => {
    const { tokens } = await authorizeWithOpenid({}, ['bookings:read'])
    const { status, body } = await userinfo(`Bearer ${tokens.access_token}`)
    expect({ status, error: body.error }).toEqual({ status: 403, error: 'insufficient_scope' })
  })

  it.each([
    [
      'a revoked token',
      async () => {
        const { tokens } = await authorizeWithOpenid()
        await web.revoke(tokens.refresh_token)
        return tokens.access_token
      },
    ],
    ['a refresh token', async () => (await authorizeWithOpenid()).tokens.refresh_token],
    [
      'an app’s own token',
      async () => (await web.credentials({ scope: 'bookings:read' })).body.access_token,
    ],
    ['nonsense', () => Promise.resolve('nonsense')],
  ])('refuses %s (RFC 6750 §3.1 invalid_token)', async (_, make) => {
    const { status, headers, body } = await userinfo(`Bearer ${await make()}`)
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_token' })
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/)
  })
})

async function authorizeWithOpenid(
  code: { nonce?: string; authTime?: number } = {},
  scopes: readonly string[] = ['openid', 'bookings:read'],
) {
  const account = await createAccount(server)
  const issued = await issueCode(server, web.client, { accountId: account.id, scopes, code })
  const { body: tokens } = await web.exchange(issued.code)
  return { tokens, accountId: account.id, email: account.email }
}
