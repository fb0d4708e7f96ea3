// The keys that sign id_tokens: next → current → retired. A key is published while it is next,
// signs while it is current, and is still published for a while after it has retired, so that a
// rotation breaks nobody: not a relying party with an older JWKS, nor a node that has not heard
// yet. Invariant: a private key is in clear only in this process's memory; in the database it is
// encrypted and bound to its row.
import { DAY, SECOND, dateNow, type Clock } from '../shared/clock.ts'
import { createSigningKey } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { newKeyId } from '../shared/ids.ts'
import { createPolledCopy } from '../shared/polled-copy.ts'
import type { Encryption, EncryptedPlace } from '../shared/encryption.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { Invalidation } from '../storage/invalidation.ts'
import type { KeyStatus, KeyStore, SigningAlg, StoredKey } from './key.store.ts'

/**
 * How long a relying party may keep the key set, which is what it is told (RFC 9111 §5.2.2.1). The
 * next key has to be published for that long before it signs, or those who keep an older set refuse
 * what it signs.
 */
export const JWKS_CACHE_SECONDS = 3600

const POLL_MILLIS = 30 * SECOND
const DEFAULT_RETIRED_PUBLISHED_SECONDS = (7 * DAY) / SECOND

/** The public half of a signing key (RFC 7517 §4, RFC 8037 §2). */
export interface PublicJwk {
  readonly kid: string
  readonly alg: SigningAlg
  readonly use: 'sig'
  readonly kty: string
  readonly crv: string
  readonly x: string
  /** Absent for EdDSA. */
  readonly y?: string
}

/** A signing key with its private half. */
export interface PrivateJwk extends PublicJwk {
  readonly d: string
}

/** A key as an admin sees it. */
export interface KeyFacts {
  readonly kid: string
  readonly alg: SigningAlg
  readonly status: KeyStatus
  readonly createdAt: Date
  readonly activatedAt: Date | undefined
  readonly retiredAt: Date | undefined
}

/** The ring; disposing ends the polling. All reads answer from memory. */
export interface KeyRing extends AsyncDisposable {
  /** Returns all keys that are published, with their private halves, for the engine: of each algorithm the current one comes first. */
  privateJwks(): { readonly keys: readonly PrivateJwk[] }
  /** Returns the key set that relying parties verify with (RFC 7517 §5). */
  publicJwks(): { readonly keys: readonly PublicJwk[] }
  list(): readonly KeyFacts[]
  /**
   * Makes the next keys current and new keys next.
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

interface OpenKey extends KeyFacts {
  readonly jwk: PrivateJwk
  readonly encrypted: string
}

const placeOf = (kid: string): EncryptedPlace => ({
  table: 'signing_keys',
  column: 'sealed_private_jwk',
  rowId: kid,
})

const STATUS_ORDER: Record<KeyStatus, number> = { current: 0, next: 1, retired: 2 }

function member(jwk: Readonly<Record<string, unknown>>, name: string): string {
  const value = jwk[name]
  if (typeof value !== 'string') throw new Error(`a signing key lacks its member ${name}`)
  return value
}

/** Takes over only the members that are known, so that nothing private can be among the public ones. */
function toPublicJwk(
  kid: string,
  alg: SigningAlg,
  jwk: Readonly<Record<string, unknown>>,
): PublicJwk {
  return {
    kid,
    alg,
    use: 'sig',
    kty: member(jwk, 'kty'),
    crv: member(jwk, 'crv'),
    x: member(jwk, 'x'),
    ...(alg === 'ES256' && { y: member(jwk, 'y') }),
  }
}

const withoutPrivateHalf = ({ d: _d, ...jwk }: PrivateJwk): PublicJwk => jwk

/** Makes a key; its private half is encrypted to its row. */
function makeKey(box: Encryption, alg: SigningAlg, status: KeyStatus, at: Date): StoredKey {
  const id = newKeyId()
  const { privateJwk, publicJwk } = createSigningKey(alg)
  return {
    id,
    alg,
    status,
    publicJwk: { ...publicJwk },
    encryptedPrivateJwk: box.encrypt(JSON.stringify(privateJwk), placeOf(id)),
    createdAt: at,
    activatedAt: status === 'current' ? at : undefined,
    retiredAt: undefined,
  }
}

/** @throws {Error} where OTESSE_ENCRYPTION_KEY is not the one that it was encrypted with */
function openKey(box: Encryption, stored: StoredKey): OpenKey {
  const { id: kid, alg, status, createdAt, activatedAt, retiredAt } = stored
  let text: string
  try {
    text = box.decrypt(stored.encryptedPrivateJwk, placeOf(kid))
  } catch (cause) {
    throw new Error(
      `The signing key ${kid} does not open: OTESSE_ENCRYPTION_KEY is not the one that it was encrypted with. ` +
        'Put that key back; while keys are being changed, name the new one first and the old one after it.',
      { cause },
    )
  }
  const secret = JSON.parse(text) as Readonly<Record<string, unknown>>
  const jwk: PrivateJwk = {
    ...toPublicJwk(kid, alg, stored.publicJwk),
    d: member(secret, 'd'),
  }
  return {
    kid,
    alg,
    status,
    createdAt,
    activatedAt,
    retiredAt,
    jwk,
    encrypted: stored.encryptedPrivateJwk,
  }
}

function orderOf(alg: SigningAlg, algorithms: readonly SigningAlg[]): number {
  const at = algorithms.indexOf(alg)
  return at < 0 ? algorithms.length : at
}

/** When everybody who keeps the key set knows a key. */
const known = (published: Date): Date => new Date(published.getTime() + JWKS_CACHE_SECONDS * SECOND)

const tooYoung = (from: Date): AppError =>
  new AppError('keys_too_young', { about: from.toISOString() })

/** Makes the next key of each algorithm current; returns for each whether this call did it. */
async function rotateCurrent(
  { store, box }: { store: KeyStore; box: Encryption },
  keys: readonly OpenKey[],
  { at, isEmergency, forgetBefore }: { at: Date; isEmergency: boolean; forgetBefore: Date },
): Promise<boolean[]> {
  const publishedBefore = isEmergency
    ? undefined
    : new Date(at.getTime() - JWKS_CACHE_SECONDS * SECOND)
  const outcomes: boolean[] = []
  for (const { kid, alg } of keys.filter(({ status }) => status === 'current')) {
    const next = makeKey(box, alg, 'next', at)
    outcomes.push(
      await store.rotate({ alg, currentId: kid, next, at, forgetBefore, publishedBefore }),
    )
  }
  return outcomes
}

/**
 * Opens the ring: reads the keys, and makes the first current and next one of each algorithm where
 * there are none.
 *
 * @param deps.algorithms the first is what id_tokens are signed with unless the app asks for
 * another; ES256 alone by default
 * @param deps.retiredPublishedSeconds how long a retired key still verifies; 7 days by default
 * @param deps.onRefreshFailed hears why a reading in the background failed; the keys in memory stay
 * @throws {Error} naming OTESSE_ENCRYPTION_KEY when a key does not open with it
 */
export async function openKeyRing(deps: {
  store: KeyStore
  box: Encryption
  clock: Clock
  invalidation: Invalidation
  algorithms?: readonly SigningAlg[]
  retiredPublishedSeconds?: number
  onRefreshFailed?: (error: unknown) => void
}): Promise<KeyRing> {
  const { store, box, clock, invalidation } = deps
  const algorithms = deps.algorithms ?? ['ES256']
  const retiredPublishedMillis =
    (deps.retiredPublishedSeconds ?? DEFAULT_RETIRED_PUBLISHED_SECONDS) * SECOND
  const listeners = new Set<() => void>()
  const publisher = createChangePublisher(invalidation, 'keys', deps.onRefreshFailed)
  let keys: readonly OpenKey[] = []

  const byUse = (left: OpenKey, right: OpenKey): number =>
    STATUS_ORDER[left.status] - STATUS_ORDER[right.status] ||
    orderOf(left.alg, algorithms) - orderOf(right.alg, algorithms)
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

  async function makeMissing(): Promise<void> {
    for (const alg of algorithms) {
      if (keys.some((key) => key.alg === alg && key.status === 'current')) continue
      const at = dateNow(clock)
      // Whether this node or another one wrote them: what is in the database now is what counts.
      await store.insertFirst([makeKey(box, alg, 'current', at), makeKey(box, alg, 'next', at)])
      await copy.refresh()
    }
  }

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
    await makeMissing()
  } catch (error) {
    await copy[Symbol.asyncDispose]()
    throw error
  }
  invalidation.on('keys', () => copy.refreshSoon())
  invalidation.onGap(() => copy.refreshSoon())

  return {
    privateJwks: () => ({ keys: keys.filter(isPublished).map(({ jwk }) => jwk) }),
    publicJwks: () => ({
      keys: keys.filter(isPublished).map(({ jwk }) => withoutPrivateHalf(jwk)),
    }),
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
      const outcomes = await rotateCurrent(deps, keys, { at, isEmergency, forgetBefore })
      await changed()
      return outcomes.some(Boolean)
    },

    async reseal() {
      let resealed = 0
      for (const { kid, encrypted } of keys) {
        if (!box.isStale(encrypted)) continue
        const place = placeOf(kid)
        const anew = box.encrypt(box.decrypt(encrypted, place), place)
        if (await store.replaceEncrypted(kid, encrypted, anew)) resealed += 1
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
