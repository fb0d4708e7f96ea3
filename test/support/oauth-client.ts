// A third-party app in a test: it calls the back channel over HTTP in every way that the contract
// allows, and can send what no proper client would.
import { ALL_ADMIN_SCOPES } from '../../src/admin/operator.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import type { TestApp } from './app.ts'
import { type Approval, issueCode, type TestClient } from './builders.ts'

/** How a request is written. */
export interface Manner {
  encoding?: 'form' | 'json'
  /** `none` sends the client id alone. */
  auth?: 'body' | 'basic' | 'none'
  headers?: Readonly<Record<string, string>>
}

/** What answers are made of; a test looks at the members that its answer has. */
export interface AnswerBody {
  access_token: string
  refresh_token: string
  id_token: string
  scope: string
  active: boolean
  error: string
  error_description: string
  [other: string]: unknown
}

export interface Answer {
  status: number
  headers: Headers
  /** The body as it came. */
  text: string
  /** The body as JSON; an empty object where it is none. */
  body: AnswerBody
}

export type Params = Readonly<Record<string, string | undefined>>

/** RFC 6749 §2.3.1: both parts are form-encoded before they are joined. */
export function basicHeader(id: string, secret: string): string {
  const encode = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2)
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

/** Sends whatever it is given. */
export async function send(url: string, init: RequestInit): Promise<Answer> {
  const answer = await fetch(url, { redirect: 'manual', ...init })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, body: parse(text) }
}

function parse(text: string): AnswerBody {
  try {
    return JSON.parse(text) as AnswerBody
  } catch {
    return {} as AnswerBody
  }
}

/** Writes parameters as a body. */
export function encode(params: Params, encoding: 'form' | 'json' = 'form') {
  const present = Object.entries(params).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return encoding === 'json'
    ? { type: 'application/json', text: JSON.stringify(Object.fromEntries(present)) }
    : {
        type: 'application/x-www-form-urlencoded',
        text: new URLSearchParams(Object.fromEntries(present)).toString(),
      }
}

/** The tokens of a redeemed code, and what they hang on. */
export interface Tokens {
  access: string
  refresh: string
  code: string
  grantId: string
  accountId: string
}

/** Creates a client that talks to that server as that app. */
export function createOAuthClient(server: TestApp, client: TestClient, usual: Manner = {}) {
  async function post(path: string, params: Params, manner: Manner = {}): Promise<Answer> {
    const { encoding, auth = client.secret === undefined ? 'none' : 'body' } = {
      ...usual,
      ...manner,
    }
    const { type, text } = encode(
      {
        ...(auth === 'basic' ? {} : { client_id: client.id }),
        ...(auth === 'body' ? { client_secret: client.secret } : {}),
        ...params,
      },
      encoding,
    )
    return send(server.url + path, {
      method: 'POST',
      headers: {
        'content-type': type,
        ...(auth === 'basic' ? { authorization: basicHeader(client.id, client.secret ?? '') } : {}),
        ...usual.headers,
        ...manner.headers,
      },
      body: text,
    })
  }

  const token = (params: Params, manner?: Manner) => post('/oauth/token', params, manner)
  const exchange = (code: string, extra: Params = {}, manner?: Manner) =>
    token(
      { grant_type: 'authorization_code', code, redirect_uri: client.redirectUri, ...extra },
      manner,
    )

  return {
    client,
    post,
    token,
    exchange,
    refresh: (refreshToken: string, extra: Params = {}, manner?: Manner) =>
      token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...extra }, manner),
    credentials: (extra: Params = {}, manner?: Manner) =>
      token({ grant_type: 'client_credentials', ...extra }, manner),
    revoke: (tokenText: string, extra: Params = {}, manner?: Manner) =>
      post('/oauth/revoke', { token: tokenText, ...extra }, manner),
    introspect: (tokenText: string, manner?: Manner) =>
      post('/oauth/introspect', { token: tokenText }, manner),
    /** Goes from an approval to tokens. */
    async authorize(approval?: Approval, extra?: Params): Promise<Tokens> {
      const { code, grantId, accountId } = await issueCode(server, client, approval)
      const { status, body } = await exchange(code, extra)
      if (status !== 200) throw new Error(`the code was refused: ${JSON.stringify(body)}`)
      return { access: body.access_token, refresh: body.refresh_token, code, grantId, accountId }
    },
    /**
     * Tells whether the token is active: as the app itself sees it, or of a public app, which may
     * not ask, as the admin sees it.
     */
    isActive: async (tokenText: string): Promise<boolean> =>
      client.secret === undefined
        ? (
            await createAdminServices(server.infrastructure, server.services).tokens.inspect(
              tokenText,
              {
                id: 'cli',
                scopes: ALL_ADMIN_SCOPES,
              },
            )
          ).isAlive === true
        : (await post('/oauth/introspect', { token: tokenText })).body.active,
  }
}

export type OAuthClient = ReturnType<typeof createOAuthClient>
