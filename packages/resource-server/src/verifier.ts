// What a token is worth, without asking each time. Invariants: a yes is given only on an answer of
// the server that no revocation is known to have overtaken; with the stream, nothing remembered is
// used once the stream was silent for the bound; never beyond the token's end; where the server
// cannot be asked and nothing is remembered, there is no yes.
import type { AccessToken, Verification } from './access-token.ts'
import { createAnswerCache, namesOf } from './answer-cache.ts'
import { monotonicMillis, wallMillis } from './clock.ts'
import { basicAuthorization, introspect } from './introspection.ts'
import { createRecentRevocations } from './recent-revocations.ts'
import { openRevocationFeed, type RevocationFeed } from './revocation-feed.ts'
import { hasTokenForm, TOKEN_LENGTH, tokenHash } from './token-form.ts'

export interface VerifierOptions {
  /** The server's issuer URL; or say where to ask with `introspectionUrl`. */
  readonly issuer?: string
  readonly introspectionUrl?: string
  /** The credentials of this API, registered at the server as a resource server. */
  readonly clientId: string
  readonly clientSecret: string
  /** Whether to follow the stream of revocations, or the URL of it. Default: true. Without it a revoked token lives for positiveTtlSeconds. */
  readonly stream?: boolean | string
  /** How long a yes is remembered, at the most. Default: 60, without the stream 10. */
  readonly positiveTtlSeconds?: number
  /** How long a no is remembered. Default: 5. */
  readonly negativeTtlSeconds?: number
  /** How many tokens are remembered. Default: 100 000. */
  readonly maxEntries?: number
  /** How long a question may take. Default: 2000. */
  readonly timeoutMillis?: number
  /** How many questions may be open at once; beyond that the answer is `unavailable`. Default: 500. */
  readonly maxConcurrent?: number
  /** How long after it is worth nothing any more a remembered yes is used where the server cannot be asked. Default: 0, never. */
  readonly staleIfErrorSeconds?: number
  /** The bound after which what is remembered is not trusted without a sign of life from the stream. Default: 12; the server speaks every 5. */
  readonly streamSilenceSeconds?: number
  /** Told of what goes wrong, for a log: a lost stream, a question without answer. No token is in it. */
  readonly onProblem?: (error: Error) => void
}

export interface Verifier extends AsyncDisposable {
  /** Says what a token is worth; never rejects. */
  verify(token: string): Promise<Verification>
  /** Returns whether the stream is followed right now, so that what is remembered is used. Always true without a stream. */
  isFollowing(): boolean
  /** How many tokens are remembered. */
  size(): number
  /** Lets the stream go, which otherwise keeps the process alive. */
  close(): void
}

const SECOND = 1000
/** How often a question is repeated because a revocation overtook its answer. */
const QUESTIONS = 3

const INACTIVE: Promise<Verification> = Promise.resolve({ kind: 'inactive' })

/**
 * Creates a verifier; one for the whole process.
 *
 * @throws {Error} where neither issuer nor introspectionUrl is given, or one is not a URL
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { stream = true, timeoutMillis = 2000, maxEntries = 100_000 } = options
  const urls = urlsOf(options)
  const authorization = basicAuthorization(options.clientId, options.clientSecret)
  const positiveMillis = (options.positiveTtlSeconds ?? (stream === false ? 10 : 60)) * SECOND
  const negativeMillis = (options.negativeTtlSeconds ?? 5) * SECOND
  const staleMillis = (options.staleIfErrorSeconds ?? 0) * SECOND
  const maxConcurrent = options.maxConcurrent ?? 500
  const onProblem = options.onProblem ?? (() => undefined)

  const remembered = createAnswerCache(maxEntries)
  // Apart, so that a flood of invented tokens does not push out the real ones.
  const refused = new Map<string, number>()
  const recent = createRecentRevocations(timeoutMillis)
  const open = new Map<string, Promise<Verification>>()
  const feed: RevocationFeed | undefined =
    urls.stream === undefined
      ? undefined
      : openRevocationFeed(
          {
            url: urls.stream,
            authorization,
            timeoutMillis,
            silenceMillis: (options.streamSilenceSeconds ?? 12) * SECOND,
          },
          { onRevoked, onForgetAll: forgetAll, onProblem },
        )

  function onRevoked(kind: string, key: string): void {
    const name = `${kind} ${key}`
    const now = monotonicMillis()
    recent.note(name, now)
    if (kind === 'token') {
      remembered.forget(key)
      // A token never comes back, so there is nothing to ask. What hangs on the others may: an app
      // is let work again.
      refuse(key, now)
    } else if (kind === 'grant' || kind === 'app' || kind === 'account') remembered.revoke(name)
    else forgetAll()
  }
  function forgetAll(): void {
    recent.noteAll()
    remembered.clear()
  }

  function refuse(hash: string, now: number): void {
    if (negativeMillis <= 0) return
    if (refused.size >= maxEntries) {
      const [oldest] = refused.keys()
      if (oldest !== undefined) refused.delete(oldest)
    }
    refused.set(hash, now + negativeMillis)
  }
  function isRefused(hash: string, now: number): boolean {
    const until = refused.get(hash)
    if (until === undefined) return false
    if (now < until) return true
    refused.delete(hash)
    return false
  }

  function remember(hash: string, token: AccessToken, verification: Verification, asked: number) {
    const endsAt = monotonicMillis() + token.expiresAt * SECOND - wallMillis()
    const freshUntil = Math.min(asked + positiveMillis, endsAt)
    remembered.put(hash, token, {
      answer: Promise.resolve(verification),
      freshUntil,
      staleUntil: Math.min(freshUntil + staleMillis, endsAt),
    })
  }

  async function ask(token: string, hash: string): Promise<Verification> {
    try {
      for (let question = 0; question < QUESTIONS; question += 1) {
        const mark = recent.mark()
        const asked = monotonicMillis()
        const found = await introspect(token, {
          url: urls.introspection,
          authorization,
          timeoutMillis,
        })
        const now = monotonicMillis()
        if (found === undefined || found.expiresAt * SECOND <= wallMillis()) {
          remembered.forget(hash)
          refuse(hash, now)
          return await INACTIVE
        }
        const names = [...namesOf(found), `token ${hash}`]
        if (recent.hasOvertaken(mark, names)) continue
        const verification: Verification = { kind: 'active', token: found }
        if (!recent.isSettling(names, now)) remember(hash, found, verification, asked)
        return verification
      }
      throw new Error('Revocations overtook every answer of the introspection endpoint.')
    } catch (caught) {
      const error = caught instanceof Error ? caught : new Error('The question failed.')
      onProblem(error)
      return staleAnswer(hash) ?? { kind: 'unavailable', error }
    }
  }

  function staleAnswer(hash: string): Promise<Verification> | undefined {
    if (staleMillis === 0) return undefined
    const now = monotonicMillis()
    const entry = remembered.find(hash)
    const isUsable =
      entry !== undefined &&
      now < entry.staleUntil &&
      (feed === undefined || now < feed.trustedUntil() + staleMillis)
    return isUsable ? entry.answer : undefined
  }

  function askOnce(token: string, hash: string): Promise<Verification> {
    const pending = open.get(hash)
    if (pending !== undefined) return pending
    if (open.size >= maxConcurrent)
      return Promise.resolve({
        kind: 'unavailable',
        error: new Error('Too many questions to the introspection endpoint are open.'),
      })
    const asking = ask(token, hash).finally(() => open.delete(hash))
    open.set(hash, asking)
    return asking
  }

  return {
    verify(token) {
      if (token.length !== TOKEN_LENGTH) return INACTIVE
      const hash = tokenHash(token)
      const now = monotonicMillis()
      if (feed === undefined || feed.isTrusted(now)) {
        const entry = remembered.find(hash)
        if (entry !== undefined && now < entry.freshUntil) return entry.answer
      }
      if (!hasTokenForm(token) || isRefused(hash, now)) return INACTIVE
      return askOnce(token, hash)
    },
    isFollowing: () => feed === undefined || feed.isTrusted(monotonicMillis()),
    size: () => remembered.size(),
    close: () => feed?.close(),
    [Symbol.asyncDispose]() {
      feed?.close()
      return Promise.resolve()
    },
  }
}

function urlsOf({ issuer, introspectionUrl, stream = true }: VerifierOptions) {
  const base = introspectionUrl ?? (issuer && `${issuer.replace(/\/$/, '')}/oauth/introspect`)
  if (base === undefined || base === '') throw new Error('Give issuer or introspectionUrl.')
  const introspection = new URL(base).href
  const streamUrl = stream === true ? 'events/revocations' : stream
  return {
    introspection,
    stream: streamUrl === false ? undefined : new URL(streamUrl, introspection).href,
  }
}
