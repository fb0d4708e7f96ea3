// Every kind of token that a client can present, made over HTTP the same way at any server that
// speaks OAuth: a server of ours, or its twin.
import { newAccessToken, newGrantId } from '../../src/shared/token-format.ts'
import type { TestClient } from './builders.ts'
import { encode, send } from './oauth-client.ts'

/** A server at which tokens are made. */
export interface TokenSource {
  url: string
  issueCode: (client: TestClient) => Promise<string>
  /** Lets so many seconds pass. */
  age: (seconds: number) => void
}

/** The apps that hold them. */
export interface Holders {
  web: TestClient
  rotating: TestClient
  spa: TestClient
  machine: TestClient
  /** A machine whose tokens are for the audience. */
  aimed: TestClient
}
export type HolderName = keyof Holders

/** A presented text and what is meant to be true of it. */
export interface TokenKind {
  text: string
  kind: 'access' | 'refresh' | 'other'
  holder?: HolderName
  audience?: string
}

const DAY_SECONDS = 86_400

/**
 * Makes one of each. Server and twin get the same kinds in the same order; only the texts differ.
 */
export async function makeTokenKinds(
  source: TokenSource,
  holders: Holders,
  audience: string,
): Promise<Record<string, TokenKind>> {
  const kinds: Record<string, TokenKind> = {}
  const keep = (name: string, kind: TokenKind['kind'], text: string, holder?: HolderName): void => {
    kinds[name] = { text, kind, ...(holder && { holder }) }
  }

  async function post(path: string, holder: HolderName, fields: Record<string, string>) {
    const { id, secret } = holders[holder]
    const { type, text } = encode({ ...fields, client_id: id, client_secret: secret })
    const headers = { 'content-type': type, accept: 'application/json' }
    return send(source.url + path, { method: 'POST', headers, body: text })
  }
  async function tokens(holder: HolderName, fields: Record<string, string>) {
    const { status, body } = await post('/oauth/token', holder, fields)
    if (status !== 200) throw new Error(`${holder} got ${status}: ${JSON.stringify(body)}`)
    return { access: body.access_token, refresh: body.refresh_token }
  }
  async function authorize(holder: HolderName) {
    const code = await source.issueCode(holders[holder])
    const redirect_uri = holders[holder].redirectUri
    const given = { grant_type: 'authorization_code', code, redirect_uri }
    return { code, given, ...(await tokens(holder, given)) }
  }
  const refresh = (holder: HolderName, token: string, more: Record<string, string> = {}) =>
    tokens(holder, { grant_type: 'refresh_token', refresh_token: token, ...more })
  async function revoke(holder: HolderName, token: string): Promise<void> {
    const { status } = await post('/oauth/revoke', holder, { token })
    if (status !== 200) throw new Error(`the revocation answered ${status}`)
  }

  const old = await authorize('web')
  keep('code that has expired', 'other', await source.issueCode(holders.web))
  source.age(30 * DAY_SECONDS + 60)
  keep('refresh token that has expired', 'refresh', old.refresh, 'web')
  keep('access token that expired long ago', 'access', old.access, 'web')

  const older = await authorize('web')
  const oldMachine = await tokens('machine', { grant_type: 'client_credentials' })
  source.age(3660)
  keep('access token that has expired', 'access', older.access, 'web')
  keep('refresh token that outlives its access token', 'refresh', older.refresh, 'web')
  keep('machine token that has expired', 'access', oldMachine.access, 'machine')

  const copied = await authorize('rotating')
  const successor = await refresh('rotating', copied.refresh)
  source.age(300)
  const reuse = await post('/oauth/token', 'rotating', {
    grant_type: 'refresh_token',
    refresh_token: copied.refresh,
  })
  if (reuse.status !== 400) throw new Error('the reuse of a replaced token was not refused')
  keep('access token of a family with reuse', 'access', successor.access, 'rotating')
  keep('refresh token of a family with reuse', 'refresh', successor.refresh, 'rotating')

  const web = await authorize('web')
  keep('access token', 'access', web.access, 'web')
  keep('refresh token', 'refresh', web.refresh, 'web')
  keep('code that was redeemed', 'other', web.code)
  keep('code', 'other', await source.issueCode(holders.web))
  const narrow = await refresh('web', web.refresh, { scope: 'bookings:read' })
  keep('access token of fewer scopes', 'access', narrow.access, 'web')

  const rotating = await authorize('rotating')
  const next = await refresh('rotating', rotating.refresh)
  keep('refresh token that was replaced', 'refresh', rotating.refresh, 'rotating')
  keep('access token from before the rotation', 'access', rotating.access, 'rotating')
  keep('refresh token that replaced another', 'refresh', next.refresh, 'rotating')
  keep('access token from after the rotation', 'access', next.access, 'rotating')

  const spa = await authorize('spa')
  keep('access token of a public app', 'access', spa.access, 'spa')
  keep('refresh token of a public app', 'refresh', spa.refresh, 'spa')

  const machine = await tokens('machine', {
    grant_type: 'client_credentials',
    scope: 'bookings:read',
  })
  keep('machine token', 'access', machine.access, 'machine')
  const aimed = await tokens('aimed', {
    grant_type: 'client_credentials',
    scope: 'bookings:read',
    resource: audience,
  })
  keep('machine token for an audience', 'access', aimed.access, 'aimed')
  kinds['machine token for an audience']!.audience = audience

  const single = await authorize('web')
  await revoke('web', single.access)
  keep('access token that was revoked', 'access', single.access, 'web')
  keep('refresh token whose access token was revoked', 'refresh', single.refresh, 'web')
  const family = await authorize('web')
  await revoke('web', family.refresh)
  keep('refresh token that was revoked', 'refresh', family.refresh, 'web')
  keep('access token whose refresh token was revoked', 'access', family.access, 'web')
  const replayed = await authorize('web')
  const replay = await post('/oauth/token', 'web', replayed.given)
  if (replay.status !== 400) throw new Error('the replay of a code was not refused')
  keep('access token of a replayed code', 'access', replayed.access, 'web')
  keep('refresh token of a replayed code', 'refresh', replayed.refresh, 'web')

  const other = (text: string, at: number): string =>
    text.slice(0, at) + (text.at(at) === 'a' ? 'b' : 'a') + text.slice(at + 1)
  keep('token with a damaged checksum', 'other', other(web.access, web.access.length - 2))
  keep('token with a damaged secret', 'other', other(web.access, 30))
  keep('refresh token with a damaged end', 'other', other(web.refresh, web.refresh.length - 12))
  keep('token that is cut off', 'other', web.access.slice(0, -3))
  keep('token with a space before it', 'other', ` ${web.access}`)
  keep('token in capitals', 'other', web.access.toUpperCase())
  keep('token in the form of ours that nobody made', 'other', newAccessToken(newGrantId()))
  keep('garbage', 'other', 'ünïcode & = + % garbage')
  keep('long garbage', 'other', 'x'.repeat(10_000))
  keep(
    'JWT',
    'other',
    `${encodePart({ alg: 'ES256' })}.${encodePart({ sub: 'somebody' })}.c2lnbmVk`,
  )
  return kinds
}

const encodePart = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
