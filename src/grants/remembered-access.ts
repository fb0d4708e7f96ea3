// Remembers for some seconds what access tokens are worth, so that a server asks its store once for
// many checks of one token. Off unless the operator wants it. Invariants: a token is forgotten as
// soon as the log of revocations names it, its family or everything; while the log has not been
// heard for longer than the bound, nothing that is remembered is believed; and an answer of the
// store that was overtaken by a revocation on its way is used once and not remembered.
import { LRUCache } from 'lru-cache'
import { type Clock, epochSeconds, SECOND } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ParsedToken } from '../shared/token-format.ts'
import type { LiveAccess } from './find-token.ts'

/** Tells of revocations; see revocations/revocation-log.ts. */
export interface RevocationFeed {
  follow(follower: {
    onRevoked(entry: { kind: string; key: string }): void
    onGap(): void
    onContact(): void
  }): () => void
}

export type FindAccess = (presented: ParsedToken) => Promise<LiveAccess | undefined>

/** A finder that remembers; disposing ends the following. */
export interface RememberedAccess extends Disposable {
  findAccess: FindAccess
}

const MOST_REMEMBERED = 100_000
/** The log is heard once a second; whoever was silent for longer may have been cut off. */
export const BELIEVED_FOR_MILLIS = 3 * SECOND

/**
 * Creates the finder.
 *
 * @param deps.ttlSeconds how long a token is remembered at the most; 0 remembers nothing
 */
export function rememberAccess(deps: {
  findAccess: FindAccess
  log: RevocationFeed
  ttlSeconds: number
  clock: Clock
}): RememberedAccess {
  const { clock } = deps
  if (deps.ttlSeconds === 0)
    return { findAccess: deps.findAccess, [Symbol.dispose]: () => undefined }
  const known = new LRUCache<string, LiveAccess>({
    max: MOST_REMEMBERED,
    ttl: deps.ttlSeconds * SECOND,
    ttlResolution: 0,
    perf: { now: () => performance.now() },
    dispose: (live, hash) => leaveFamily(live.grant.id, hash),
  })
  const families = new Map<string, Set<string>>()
  // Counts whatever came over the log: an answer is as old as the count before its question.
  let heard = 0
  let heardAt = Number.NEGATIVE_INFINITY

  function leaveFamily(grantId: string, hash: string): void {
    const hashes = families.get(grantId)
    hashes?.delete(hash)
    if (hashes?.size === 0) families.delete(grantId)
  }

  function remember(hash: string, live: LiveAccess): void {
    known.set(hash, live)
    const hashes = families.get(live.grant.id)
    if (hashes === undefined) families.set(live.grant.id, new Set([hash]))
    else hashes.add(hash)
  }

  const stop = deps.log.follow({
    onRevoked({ kind, key }) {
      heard += 1
      if (kind === 'token') known.delete(key)
      else if (kind === 'grant')
        for (const hash of [...(families.get(key) ?? [])]) known.delete(hash)
      // Whether an app or an account is active is asked at each inspection anyway.
      else if (kind === 'all') known.clear()
    },
    onGap() {
      heard += 1
      known.clear()
    },
    onContact() {
      heardAt = performance.now()
    },
  })

  return {
    async findAccess(presented) {
      const hash = sha256(presented.token)
      const isHeard = performance.now() - heardAt < BELIEVED_FOR_MILLIS
      const before = isHeard ? known.get(hash) : undefined
      if (before !== undefined && before.access.expiresAt > epochSeconds(clock)) return before
      const mark = heard
      const live = await deps.findAccess(presented)
      if (live !== undefined && isHeard && mark === heard) remember(hash, live)
      return live
    },
    [Symbol.dispose]() {
      stop()
      known.clear()
    },
  }
}
