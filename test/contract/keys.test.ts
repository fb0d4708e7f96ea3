// The key ring on both databases: first keys are made once under races, rotation breaks no client,
// private halves are encrypted.
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose'
import { JWKS_CACHE_SECONDS, openKeyRing, type KeyRing } from '../../src/keys/key-ring.ts'
import { createKeyStore } from '../../src/keys/key.store.ts'
import { DAY, HOUR } from '../../src/shared/clock.ts'
import { createEncryption } from '../../src/shared/encryption.ts'
import { Secret } from '../../src/shared/secret.ts'
import { createLocalInvalidation, type Invalidation } from '../../src/storage/invalidation.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'

const START = Date.UTC(2026, 0, 1)
const oldKey = new Secret('o'.repeat(43))
const newKey = new Secret('n'.repeat(43))

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  let now = START
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    now = START
    await durable.db.deleteFrom('signing_keys').execute()
  })
  afterAll(async () => {
    await durable[Symbol.asyncDispose]()
  })

  const openRing = (
    options: {
      box?: Secret<string>[]
      algorithms?: ('ES256' | 'EdDSA')[]
      invalidation?: Invalidation
    } = {},
  ): Promise<KeyRing> =>
    openKeyRing({
      store: createKeyStore(durable.db),
      box: createEncryption(options.box ?? [oldKey]),
      clock: () => now,
      invalidation: options.invalidation ?? createLocalInvalidation(),
      ...(options.algorithms && { algorithms: options.algorithms }),
    })

  const statuses = (ring: KeyRing) => ring.list().map(({ alg, status }) => `${alg} ${status}`)
  const sign = async (ring: KeyRing, at = 0): Promise<string> => {
    const jwk = ring.privateJwks().keys[at]!
    const key = await importJWK({ ...jwk })
    return new SignJWT({ sub: 'acc_1' })
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid })
      .sign(key)
  }
  const verify = (token: string, ring: KeyRing) =>
    jwtVerify(token, createLocalJWKSet({ keys: ring.publicJwks().keys.map((jwk) => ({ ...jwk })) }))

  test('makes the first keys once, and finds them again', async () => {
    await using ring = await openRing()
    expect(statuses(ring)).toEqual(['ES256 current', 'ES256 next'])
    await using again = await openRing()
    expect(again.list()).toEqual(ring.list())
    expect(again.privateJwks()).toEqual(ring.privateJwks())
  })

  test('nodes that start at once on an empty database agree', async () => {
    const rings = await Promise.all(
      Array.from({ length: 6 }, () => openRing({ algorithms: ['ES256', 'EdDSA'] })),
    )
    for (const ring of rings) {
      expect(ring.list()).toEqual(rings[0]!.list())
      expect(statuses(ring)).toEqual(['ES256 current', 'EdDSA current', 'ES256 next', 'EdDSA next'])
    }
    for (const ring of rings) await ring[Symbol.asyncDispose]()
  })

  test.each([
    ['ES256', 0],
    ['EdDSA', 1],
  ] as const)(
    'RFC 7517 §4, RFC 8037 §2 — what %s signs is verified by the published keys, which hold nothing private',
    async (alg, at) => {
      await using ring = await openRing({ algorithms: ['ES256', 'EdDSA'] })
      const { protectedHeader } = await verify(await sign(ring, at), ring)
      expect(protectedHeader.alg).toBe(alg)
      for (const jwk of ring.publicJwks().keys) {
        expect(Object.keys(jwk).sort()).toEqual(
          jwk.alg === 'ES256'
            ? ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']
            : ['alg', 'crv', 'kid', 'kty', 'use', 'x'],
        )
        expect(jwk.use).toBe('sig')
      }
    },
  )

  test('the database holds no private half in clear', async () => {
    await using ring = await openRing()
    const rows = JSON.stringify(await durable.db.selectFrom('signing_keys').selectAll().execute())
    for (const { d } of ring.privateJwks().keys) expect(rows).not.toContain(d)
  })

  test('a rotation breaks nobody: before, with either key set, and after', async () => {
    await using ring = await openRing()
    const [current, next] = ring.list()
    const published = ring.publicJwks().keys
    const token = await sign(ring)
    now += HOUR
    expect(await ring.rotate()).toBe(true)
    expect(statuses(ring)).toEqual(['ES256 current', 'ES256 next', 'ES256 retired'])
    expect(ring.privateJwks().keys[0]?.kid).toBe(next?.kid)
    await verify(token, ring)
    // Whoever still has the old key set knows the key that signs now.
    const cached = createLocalJWKSet({ keys: published.map((jwk) => ({ ...jwk })) })
    await jwtVerify(await sign(ring), cached)

    now += 7 * DAY
    expect(ring.publicJwks().keys.map(({ kid }) => kid)).not.toContain(current?.kid)
    await expect(verify(token, ring)).rejects.toThrow()
    now += 1
    await ring.rotate()
    expect(ring.list().map(({ kid }) => kid)).not.toContain(current?.kid)
  })

  test('the next key signs once every cache of the key set knows it, or in an emergency', async () => {
    const invalidation = createLocalInvalidation()
    await using ring = await openRing({ invalidation })
    await using late = await openRing()
    const made = ring.list()[1]!.createdAt.getTime()
    const possible = new Date(made + JWKS_CACHE_SECONDS * 1000)
    expect(ring.rotatableFrom()).toEqual(possible)
    await expect(ring.rotate()).rejects.toMatchObject({
      code: 'keys_too_young',
      about: possible.toISOString(),
    })
    now = possible.getTime()
    expect(ring.rotatableFrom()).toBeUndefined()
    const [, next] = ring.list()
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
      expect(statuses(ring)).toEqual(['ES256 current', 'ES256 next', 'ES256 retired'])
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

  test('a second algorithm can be switched on later', async () => {
    await using before = await openRing()
    await using after = await openRing({ algorithms: ['ES256', 'EdDSA'] })
    expect(statuses(after)).toEqual(['ES256 current', 'EdDSA current', 'ES256 next', 'EdDSA next'])
    expect(after.privateJwks().keys[0]).toEqual(before.privateJwks().keys[0])
  })

  test('a key that does not open names the setting', async () => {
    await using ring = await openRing()
    expect(ring.list()).toHaveLength(2)
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
    expect(ring.privateJwks().keys).toHaveLength(2)
  })

  test('sealing anew lets the old encryption key leave', async () => {
    await using before = await openRing()
    await using during = await openRing({ box: [newKey, oldKey] })
    expect(await during.reseal()).toBe(2)
    expect(await during.reseal()).toBe(0)
    await using after = await openRing({ box: [newKey] })
    expect(after.privateJwks()).toEqual(before.privateJwks())
  })
})
