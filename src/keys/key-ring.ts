// The keys that sign id_tokens: next → current → retired, of each algorithm. A key is published
// while it is next, signs while it is current, and is still published for a while after it has
// retired, so that a rotation breaks nobody: not a relying party with an older JWKS, nor a node
// that has not heard yet. Invariants: the keys of all algorithms rotate together; a private key is
// in clear only in this process's memory.
import { DAY, SECOND, dateNow, type Clock } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { createPolledCopy } from '../shared/polled-copy.ts'
import type { Encryption } from '../shared/encryption.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { SigningAlg } from '../model/signing-alg.ts'
import type { Invalidation } from '../storage/invalidation.ts'
import type { KeyStatus, KeyStore } from './key.store.ts'
import {
  encryptAnew,
  type KeyFacts,
  makeKey,
  type OpenKey,
  openKey,
  type PrivateJwk,
} from './signing-key.ts'

/**
 * How long a relying party may keep the key set, which is what it is told (RFC 9111 §5.2.2.1). The
 * next key has to be published for that long before it signs, or those who keep an older set refuse
 * what it signs.
 */
export const JWKS_CACHE_SECONDS = 3600

const POLL_MILLIS = 30 * SECOND
const DEFAULT_RETIRED_PUBLISHED_SECONDS = (7 * DAY) / SECOND

/** The ring; disposing ends the polling. All reads answer from memory. */
export interface KeyRing extends AsyncDisposable {
  /** Returns all keys that are published, with their private halves, for the engine: of each algorithm the current one comes first. */
  privateJwks(): { readonly keys: readonly PrivateJwk[] }
  list(): readonly KeyFacts[]
  /**
   * Makes the next key of each algorithm current and a new one next, of all or of none.
   *
   * @param options.isEmergency does so although some relying parties may not know the next keys yet
   * @throws {AppError} `keys_too_young`, about when it will be possible
   * @returns whether this call did it; `false` when another node rotated at the same moment, which
   * is as good
   */
  rotate(options?: { isEmergency?: boolean }): Promise<boolean>
  /** Returns from when on a rotation breaks nobody; `undefined` where that is now. */
  rotatableFrom(): Date | undefined
  /**
   * Re-encrypts all private keys under the current encryption key, so that an older one can leave
   * the configuration. For when every node has the new key: one that lacks it could no longer
   * start.
   *
   * @returns how many were encrypted under an older one
   */
  reseal(): Promise<number>
  /** Reads the keys again and tells the listeners if they have changed. */
  refresh(): Promise<void>
  /** Calls the listener after the keys have changed; returns what ends that. */
  onChange(listener: () => void): () => void
}

/** In this order they are made, shown and locked. */
const ALGORITHMS: readonly SigningAlg[] = ['ES256', 'RS256']
const STATUS_ORDER: Record<KeyStatus, number> = { current: 0, next: 1, retired: 2 }

/** When everybody who keeps the key set knows a key. */
const known = (published: Date): Date => new Date(published.getTime() + JWKS_CACHE_SECONDS * SECOND)

const tooYoung = (from: Date): AppError =>
  new AppError('keys_too_young', { about: from.toISOString() })

/** Makes the next keys current; returns whether this call did it. */
async function rotateCurrent(
  { store, box }: { store: KeyStore; box: Encryption },
  keys: readonly OpenKey[],
  { at, isEmergency, forgetBefore }: { at: Date; isEmergency: boolean; forgetBefore: Date },
): Promise<boolean> {
  const successions = keys
    .filter(({ status }) => status === 'current')
    .map(async ({ kid, alg }) => ({
      alg,
      currentId: kid,
      next: await makeKey(box, alg, 'next', at),
    }))
  return store.rotate({
    successions: await Promise.all(successions),
    at,
    forgetBefore,
    publishedBefore: isEmergency ? undefined : new Date(at.getTime() - JWKS_CACHE_SECONDS * SECOND),
  })
}

/**
 * Makes the first current and next key of each algorithm that has none. Whether this node or
 * another one wrote them: what is in the database afterwards is what counts.
 *
 * @returns whether one was missing
 */
async function makeMissing(
  { store, box, clock }: { store: KeyStore; box: Encryption; clock: Clock },
  keys: readonly OpenKey[],
): Promise<boolean> {
  const has = (alg: SigningAlg): boolean =>
    keys.some((key) => key.alg === alg && key.status === 'current')
  const missing = ALGORITHMS.filter((alg) => !has(alg))
  const at = dateNow(clock)
  const made = missing.map(async (alg) =>
    store.insertFirst(
      alg,
      await Promise.all([makeKey(box, alg, 'current', at), makeKey(box, alg, 'next', at)]),
    ),
  )
  await Promise.all(made)
  return missing.length > 0
}

/**
 * Opens the ring: reads the keys, and makes the first current and next one of each algorithm where
 * there are none.
 *
 * @param deps.retiredPublishedSeconds how long a retired key still verifies; 7 days by default
 * @param deps.onRefreshFailed hears why a reading in the background failed; the keys in memory stay
 * @throws {Error} naming OTESSE_ENCRYPTION_KEY when a key does not open with it
 */
export async function openKeyRing(deps: {
  store: KeyStore
  box: Encryption
  clock: Clock
  invalidation: Invalidation
  retiredPublishedSeconds?: number
  onRefreshFailed?: (error: unknown) => void
}): Promise<KeyRing> {
  const { store, box, clock, invalidation } = deps
  const retiredPublishedMillis =
    (deps.retiredPublishedSeconds ?? DEFAULT_RETIRED_PUBLISHED_SECONDS) * SECOND
  const listeners = new Set<() => void>()
  const publisher = createChangePublisher(invalidation, 'keys', deps.onRefreshFailed)
  let keys: readonly OpenKey[] = []

  const byUse = (left: OpenKey, right: OpenKey): number =>
    STATUS_ORDER[left.status] - STATUS_ORDER[right.status] ||
    ALGORITHMS.indexOf(left.alg) - ALGORITHMS.indexOf(right.alg)
  const isPublished = (key: OpenKey): boolean =>
    key.retiredAt === undefined || key.retiredAt.getTime() + retiredPublishedMillis > clock()

  const copy = createPolledCopy({
    async read() {
      const stored = await store.list()
      const found = stored.map((one) => openKey(box, one)).sort(byUse)
      const isSame =
        found.length === keys.length &&
        found.every((key, at) => key.kid === keys[at]?.kid && key.status === keys[at].status)
      keys = found
      if (!isSame) for (const listener of listeners) listener()
    },
    everyMillis: POLL_MILLIS,
    onFailed: deps.onRefreshFailed,
  })

  /** Takes over and publishes what was written; a failure to do so does not undo it. */
  async function changed(): Promise<void> {
    await copy.refresh().catch((error: unknown) => deps.onRefreshFailed?.(error))
    await publisher.publish('')
  }

  function rotatableFrom(): Date | undefined {
    const from = keys.filter(({ status }) => status === 'next').map((key) => known(key.createdAt))
    const latest = from.sort((left, right) => left.getTime() - right.getTime()).at(-1)
    return latest !== undefined && latest.getTime() > clock() ? latest : undefined
  }

  try {
    await copy.refresh()
    if (await makeMissing(deps, keys)) await copy.refresh()
  } catch (error) {
    await copy[Symbol.asyncDispose]()
    throw error
  }
  invalidation.on('keys', () => copy.refreshSoon())
  invalidation.onGap(() => copy.refreshSoon())

  return {
    privateJwks: () => ({ keys: keys.filter(isPublished).map(({ jwk }) => jwk) }),
    list: () =>
      keys.map(({ kid, alg, status, createdAt, activatedAt, retiredAt }) => ({
        kid,
        alg,
        status,
        createdAt,
        activatedAt,
        retiredAt,
      })),

    rotatableFrom,

    async rotate({ isEmergency = false } = {}) {
      const at = dateNow(clock)
      const from = rotatableFrom()
      if (from !== undefined && !isEmergency) throw tooYoung(from)
      const forgetBefore = new Date(at.getTime() - retiredPublishedMillis)
      const rotated = await rotateCurrent(deps, keys, { at, isEmergency, forgetBefore })
      await changed()
      return rotated
    },

    async reseal() {
      let resealed = 0
      for (const key of keys) {
        const anew = encryptAnew(box, key)
        if (anew !== undefined && (await store.replaceEncrypted(key, anew))) resealed += 1
      }
      await changed()
      return resealed
    },

    refresh: () => copy.refresh(),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      publisher[Symbol.dispose]()
      await copy[Symbol.asyncDispose]()
    },
  }
}
