// The key ring on both databases: first keys are made once under races, rotation breaks no client,
// private halves are encrypted.
import { createLocalJWKSet, importJWK, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose'
import { JWKS_CACHE_SECONDS, openKeyRing, type KeyRing } from '../../src/keys/key-ring.ts'
import { createKeyStore } from '../../src/keys/key.store.ts'
import type { SigningAlg } from '../../src/model/signing-alg.ts'
import { DAY, HOUR } from '../../src/shared/clock.ts'
import { createEncryption } from '../../src/shared/encryption.ts'
import { Secret } from '../../src/shared/secret.ts'
import { createLocalInvalidation, type Invalidation } from '../../src/storage/invalidation.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'

const START = Date.UTC(2026, 0, 1)
const oldKey = new Secret('o'.repeat(43))
const newKey = new Secret('n'.repeat(43))
const FIRST = ['ES256 current', 'RS256 current', 'ES256 next', 'RS256 next']

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  let now = START
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    now = START
    await durable.db.deleteFrom('signing_keys').execute()
    await durable.db.deleteFrom('rsa_signing_keys').execute()
  })
  afterAll(async () => {
    await durable[Symbol.asyncDispose]()
  })

  const openRing = (
    options: {
      box?: Secret<string>[]
      invalidation?: Invalidation
    } = {},
  ): Promise<KeyRing> =>
    openKeyRing({
      store: createKeyStore(durable.db),
      box: createEncryption(options.box ?? [oldKey]),
      clock: () => now,
      invalidation: options.invalidation ?? createLocalInvalidation(),
    })

  const statuses = (ring: KeyRing) => ring.list().map(({ alg, status }) => `${alg} ${status}`)
  const sign = async (ring: KeyRing, alg: SigningAlg = 'ES256'): Promise<string> => {
    const jwk = ring.privateJwks().keys.find((key) => key.alg === alg)!
    return new SignJWT({ sub: 'acc_1' })
      .setProtectedHeader({ alg, kid: jwk.kid })
      .sign(await importJWK({ ...jwk }))
  }
  const published = (ring: KeyRing) =>
    ring.privateJwks().keys.map(({ kid, alg, use, kty, crv, x, y, n, e }) => ({
      ...{ kid, alg, use, kty },
      ...(alg === 'ES256' ? { crv, x, y } : { n, e }),
    }))
  const verify = (token: string, keys: ReturnType<typeof published>) =>
    jwtVerify(token, createLocalJWKSet({ keys } as JSONWebKeySet))

  test('makes the first keys once, and finds them again', async () => {
    await using ring = await openRing()
    expect(statuses(ring)).toEqual(FIRST)
    await using again = await openRing()
    expect(again.list()).toEqual(ring.list())
    expect(again.privateJwks()).toEqual(ring.privateJwks())
  })

  test('nodes that start at once on an empty database agree', async () => {
    const rings = await Promise.all(Array.from({ length: 6 }, () => openRing()))
    for (const ring of rings) {
      expect(ring.list()).toEqual(rings[0]!.list())
      expect(statuses(ring)).toEqual(FIRST)
    }
    for (const ring of rings) await ring[Symbol.asyncDispose]()
  })

  test('an installation from before RS256 gets its keys at the next start, and keeps those it has', async () => {
    await using before = await openRing()
    await durable.db.deleteFrom('rsa_signing_keys').execute()
    const rings = await Promise.all([openRing(), openRing()])
    for (const ring of rings) {
      expect(statuses(ring)).toEqual(FIRST)
      expect(ring.list()).toEqual(rings[0].list())
      expect(ring.privateJwks().keys[0]).toEqual(before.privateJwks().keys[0])
      await ring[Symbol.asyncDispose]()
    }
  })

  test('the release before reads no key that it does not know', async () => {
    await using _ring = await openRing()
    const rows = await durable.db.selectFrom('signing_keys').select(['alg', 'public_jwk']).execute()
    expect(rows.map(({ alg }) => alg)).toEqual(['ES256', 'ES256'])
    for (const { public_jwk } of rows) expect(public_jwk).toMatchObject({ kty: 'EC', crv: 'P-256' })
  })

  test.each(['ES256', 'RS256'] as const)(
    'RFC 7517 §4, RFC 7518 §3.1, RFC 7518 §6.2, RFC 7518 §6.3 — what %s signs is verified by the public halves',
    async (alg) => {
      await using ring = await openRing()
      const { protectedHeader } = await verify(await sign(ring, alg), published(ring))
      expect(protectedHeader.alg).toBe(alg)
      for (const { use } of ring.privateJwks().keys) expect(use).toBe('sig')
    },
  )

  test('the database holds no private half in clear', async () => {
    await using ring = await openRing()
    const rows = JSON.stringify([
      await durable.db.selectFrom('signing_keys').selectAll().execute(),
      await durable.db.selectFrom('rsa_signing_keys').selectAll().execute(),
    ])
    for (const { d, p, q, dp, dq, qi } of ring.privateJwks().keys)
      for (const secret of [d, p, q, dp, dq, qi])
        if (secret !== undefined) expect(rows).not.toContain(secret)
  })

  test.each(['ES256', 'RS256'] as const)(
    'a rotation breaks nobody who verifies %s: before, with either key set, and after',
    async (alg) => {
      await using ring = await openRing()
      const [current, next] = ring.list().filter((key) => key.alg === alg)
      const cached = published(ring)
      const token = await sign(ring, alg)
      now += HOUR
      expect(await ring.rotate()).toBe(true)
      expect(statuses(ring)).toEqual([...FIRST, 'ES256 retired', 'RS256 retired'])
      expect(ring.list().find((key) => key.alg === alg)?.kid).toBe(next?.kid)
      await verify(token, published(ring))
      // Whoever still has the old key set knows the key that signs now.
      await verify(await sign(ring, alg), cached)

      now += 7 * DAY
      expect(published(ring).map(({ kid }) => kid)).not.toContain(current?.kid)
      await expect(verify(token, published(ring))).rejects.toThrow()
      now += 1
      await ring.rotate()
      expect(ring.list().map(({ kid }) => kid)).not.toContain(current?.kid)
    },
  )

  test('keys of all algorithms rotate, or none: where the release before rotates its own at the same moment', async () => {
    await using ring = await openRing()
    now += 2 * HOUR
    const before = ring.list()
    // That release moves ES256 alone.
    const set = (from: 'current' | 'next', to: 'retired' | 'current') =>
      durable.db
        .updateTable('signing_keys')
        .set({ status: to, retired_at: to === 'retired' ? new Date(now) : null })
        .where('status', '=', from)
        .execute()
    await set('current', 'retired')
    await set('next', 'current')
    expect(await ring.rotate()).toBe(false)
    const ofRsa = (keys: readonly { alg: string }[]) => keys.filter(({ alg }) => alg === 'RS256')
    expect(ofRsa(ring.list())).toEqual(ofRsa(before))
  })

  test('the next key signs once every cache of the key set knows it, or in an emergency', async () => {
    const invalidation = createLocalInvalidation()
    await using ring = await openRing({ invalidation })
    await using late = await openRing()
    const made = ring.list()[2]!.createdAt.getTime()
    const possible = new Date(made + JWKS_CACHE_SECONDS * 1000)
    expect(ring.rotatableFrom()).toEqual(possible)
    await expect(ring.rotate()).rejects.toMatchObject({
      code: 'keys_too_young',
      about: possible.toISOString(),
    })
    now = possible.getTime()
    expect(ring.rotatableFrom()).toBeUndefined()
    const next = ring.list().find(({ status }) => status === 'next')
    expect(await ring.rotate()).toBe(true)
    expect(ring.list()[0]!.kid).toBe(next!.kid)
    // Sent twice: the second is refused, also by a node that has not heard of the first.
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'keys_too_young' })
    expect(await late.rotate()).toBe(false)
    expect(late.list()).toEqual(ring.list())
    expect(await ring.rotate({ isEmergency: true })).toBe(true)
  })

  test('of rotations at the same moment one counts, and all nodes agree afterwards', async () => {
    const invalidation = createLocalInvalidation()
    const rings = []
    while (rings.length < 5) rings.push(await openRing({ invalidation }))
    now += 2 * HOUR
    const outcomes = await Promise.all(rings.map((ring) => ring.rotate()))
    expect(outcomes.filter(Boolean)).toHaveLength(1)
    for (const ring of rings) {
      await ring.refresh()
      expect(statuses(ring)).toEqual([...FIRST, 'ES256 retired', 'RS256 retired'])
      expect(ring.list()).toEqual(rings[0]!.list())
    }
    for (const ring of rings) await ring[Symbol.asyncDispose]()
  })

  test('another node hears of a rotation and tells its listeners once', async () => {
    const invalidation = createLocalInvalidation()
    await using one = await openRing({ invalidation })
    await using other = await openRing({ invalidation })
    let told = 0
    const heard = new Promise<void>((resolve) => {
      other.onChange(() => {
        told += 1
        resolve()
      })
    })
    await one.rotate({ isEmergency: true })
    await heard
    expect(told).toBe(1)
    expect(other.list()).toEqual(one.list())
  })

  test('a key that does not open names the setting', async () => {
    await using ring = await openRing()
    expect(ring.list()).toHaveLength(4)
    await expect(openRing({ box: [newKey] })).rejects.toThrow(/OTESSE_ENCRYPTION_KEY/)
  })

  test('a sealed key that was moved to another row does not open', async () => {
    await using ring = await openRing()
    const { db } = durable
    const [one, other] = await createKeyStore(db).list()
    await db
      .updateTable('signing_keys')
      .set({ sealed_private_jwk: one!.encryptedPrivateJwk })
      .where('id', '=', other!.id)
      .execute()
    await expect(ring.refresh()).rejects.toThrow(/does not open/)
    // What is in memory stays in service.
    expect(ring.privateJwks().keys).toHaveLength(4)
  })

  test('sealing anew lets the old encryption key leave', async () => {
    await using before = await openRing()
    await using during = await openRing({ box: [newKey, oldKey] })
    expect(await during.reseal()).toBe(4)
    expect(await during.reseal()).toBe(0)
    await using after = await openRing({ box: [newKey] })
    expect(after.privateJwks()).toEqual(before.privateJwks())
  })
})
