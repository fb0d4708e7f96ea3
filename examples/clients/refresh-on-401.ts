// How an app calls the API: with its access token, and when the API answers 401, refresh once and
// try again. Needs Node 22 or newer and nothing else; copy it. Any number of workers may call at
// once, in one process or in several. Each process refreshes once for all its workers. If several
// processes refresh the same token at the same moment, all of them are answered.
import { setTimeout as sleep } from 'node:timers/promises'

/** What the app keeps for one authorization: treat both like passwords. */
export interface Tokens {
  accessToken: string
  refreshToken: string
}

/** Where the app keeps them: a row of its database, which all its processes share. */
export interface TokenStore {
  read(): Promise<Tokens>
  /**
   * Writes `next` only where the row still holds `old`, in one statement: `UPDATE … WHERE
   * access_token = $old`. So a slow process cannot put an older token over a newer one.
   */
  replace(old: Tokens, next: Tokens): Promise<void>
}

export interface ClientOptions {
  /** For instance https://auth.otesse.com/oauth/token */
  tokenUrl: string
  clientId: string
  /** Absent in apps that cannot keep a secret. */
  clientSecret?: string | undefined
  store: TokenStore
}

/**
 * The authorization is over (expired, revoked, or withdrawn by the user): send the user to
 * authorize again.
 */
export class AuthorizationLost extends Error {}

const ATTEMPTS = 5
const FIRST_WAIT_MILLIS = 500

/** Creates the client of one authorization. Keep it: it is what the workers of a process share. */
export function createApiClient(options: ClientOptions) {
  const { store } = options
  let refreshing: Promise<Tokens> | undefined

  /** Calls the API like `fetch`, with the access token. @throws {AuthorizationLost} */
  async function call(url: string, init: RequestInit = {}): Promise<Response> {
    const tokens = await store.read()
    const answer = await send(url, init, tokens)
    if (answer.status !== 401) return answer
    await answer.body?.cancel()
    // One refresh for all workers that met the 401, one more try for each. A second 401 is final.
    refreshing ??= renew(tokens).finally(() => (refreshing = undefined))
    return send(url, init, await refreshing)
  }

  /** Returns tokens that are newer than those that were refused. */
  async function renew(refused: Tokens): Promise<Tokens> {
    const kept = await store.read()
    // Somebody was faster: another worker a moment ago, or another process.
    if (kept.accessToken !== refused.accessToken) return kept
    const next = await refresh(kept)
    if (next !== undefined) await store.replace(kept, next)
    const now = await store.read()
    if (now.accessToken !== refused.accessToken) return now
    throw new AuthorizationLost('The authorization is over: authorize again.')
  }

  /**
   * Asks for new tokens (RFC 6749 §6). `undefined` if the server says that the refresh token is no
   * longer valid.
   */
  async function refresh({ refreshToken }: Tokens): Promise<Tokens | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await askForTokens(refreshToken).catch(() => undefined)
      const body = (await answer?.json().catch(() => undefined)) as TokenAnswer | undefined
      if (answer?.ok === true && body?.access_token !== undefined)
        // Where there is no new refresh token the old one stays.
        return {
          accessToken: body.access_token,
          refreshToken: body.refresh_token ?? refreshToken,
        }
      if (body?.error === 'invalid_grant') return undefined
      // Not now (429, 5xx), or no answer at all: asking again with the same token is safe.
      const isPassing = answer === undefined || answer.status === 429 || answer.status >= 500
      if (!isPassing || attempt === ATTEMPTS)
        throw new Error(`The refresh failed: ${body?.error ?? 'no answer'}`)
      await sleep(waitMillis(answer, attempt))
    }
  }

  const askForTokens = (refreshToken: string): Promise<Response> =>
    fetch(options.tokenUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        client_id: options.clientId,
        client_secret: options.clientSecret,
      }),
      signal: AbortSignal.timeout(10_000),
    })

  return { call }
}

interface TokenAnswer {
  access_token?: string
  refresh_token?: string
  error?: string
}

function send(url: string, init: RequestInit, { accessToken }: Tokens): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${accessToken}`)
  return fetch(url, { ...init, headers })
}

/**
 * Twice as long each time, plus a random part so that not all come back at once; longer if the
 * server says so.
 */
function waitMillis(answer: Response | undefined, attempt: number): number {
  const asked = Number(answer?.headers.get('retry-after') ?? 0) * 1000
  return Math.max(asked, FIRST_WAIT_MILLIS * 2 ** (attempt - 1)) * (1 + Math.random() / 4)
}
