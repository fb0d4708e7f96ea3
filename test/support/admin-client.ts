// A program that uses the admin API: a machine app with admin scopes and a token of its own.
import { ADMIN_SCOPE_NAMES } from '../../src/apps/scope.ts'
import type { TestApp } from './app.ts'
import { registerApp, type TestClient } from './builders.ts'
import { createOAuthClient, type Params } from './oauth-client.ts'

export const ADMIN_API = '/admin/api/v1'

/** An answer of the admin API. */
export interface AdminAnswer {
  status: number
  headers: Headers
  text: string
  /** The body as JSON; an empty object where it is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look at the members that their answer has
  body: any
}

/** How a request is written. */
export interface AdminRequest {
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is. */
  raw?: string | Uint8Array
  type?: string
  headers?: Readonly<Record<string, string>>
}

/** Sends whatever it is given, with the token or without one. */
export async function callAdminApi(
  server: Pick<TestApp, 'url'>,
  token: string | undefined,
  method: string,
  path: string,
  { json, raw, type = 'application/json', headers = {} }: AdminRequest = {},
): Promise<AdminAnswer> {
  const body = raw ?? (json === undefined ? undefined : JSON.stringify(json))
  const answer = await fetch(server.url + ADMIN_API + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': type }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : Buffer.from(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, body: parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** Gets a token for a machine app. */
export async function tokenOf(
  server: TestApp,
  client: TestClient,
  params: Params = {},
): Promise<string> {
  const { status, body } = await createOAuthClient(server, client).credentials(params)
  if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`)
  return body.access_token
}

/**
 * Creates a machine app with these admin scopes, all of them by default, and a client that uses
 * them.
 */
export async function createAdminClient(
  server: TestApp,
  scopes: readonly string[] = ADMIN_SCOPE_NAMES,
) {
  const client = await registerApp(server, { type: 'machine', name: 'Operations', scopes })
  const token = await tokenOf(server, client)
  const call = (method: string, path: string, request?: AdminRequest) =>
    callAdminApi(server, token, method, path, request)
  return {
    client,
    token,
    call,
    get: (path: string, request?: AdminRequest) => call('GET', path, request),
    post: (path: string, json?: unknown, request?: AdminRequest) =>
      call('POST', path, { json, ...request }),
    /** Changes what is at the path, whatever its version. */
    patch: (path: string, json: unknown, ifMatch = '*') =>
      call('PATCH', path, { json, headers: { 'if-match': ifMatch } }),
    delete: (path: string) => call('DELETE', path),
  }
}

export type AdminClient = Awaited<ReturnType<typeof createAdminClient>>

/** Reads everything that an admin can change, to see that it has not changed. */
export async function everything(admin: AdminClient): Promise<string> {
  const lists = [
    '/apps?limit=200',
    '/apps?status=deleted&limit=200',
    '/scopes',
    '/accounts?limit=200',
  ]
  const answers = await Promise.all([...lists, '/keys'].map((path) => admin.get(path)))
  return answers
    .map(({ text }) => text.replace(/"last_used_at":(?:null|"[^"]*")/g, '"last_used_at":0'))
    .join('\n')
}
