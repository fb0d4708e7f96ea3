// The key ring when its store fails. The store itself is tested in test/contract/keys.test.ts.
import { jest } from '@jest/globals'
import { openKeyRing } from '../../../src/keys/key-ring.ts'
import type { KeyStore, StoredKey } from '../../../src/keys/key.store.ts'
import { createEncryption } from '../../../src/shared/encryption.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { createLocalInvalidation } from '../../../src/storage/invalidation.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function createMemoryStore(): KeyStore & { isAway: boolean } {
  let keys: StoredKey[] = []
  return {
    isAway: false,
    list() {
      return this.isAway ? Promise.reject(new Error('away')) : Promise.resolve(keys)
    },
    insertFirst(_alg, first) {
      keys = [...keys, ...first]
      return Promise.resolve()
    },
    rotate: () => Promise.resolve(false),
    replaceEncrypted: () => Promise.resolve(false),
  }
}

const openOn = async (store: KeyStore) => {
  const failures: unknown[] = []
  const invalidation = createLocalInvalidation()
  const ring = await openKeyRing({
    store,
    box: createEncryption([new Secret('k'.repeat(43))]),
    clock: () => 0,
    invalidation,
    onRefreshFailed: (error) => failures.push(error),
  })
  return { ring, failures, invalidation }
}

test('while the database is away the keys in memory stay in service, and the failure is reported', async () => {
  const store = createMemoryStore()
  const { ring, failures, invalidation } = await openOn(store)
  const before = ring.privateJwks()
  store.isAway = true
  await invalidation.publish('keys', '')
  await jest.advanceTimersByTimeAsync(30_000)
  expect(failures).toHaveLength(2)
  expect(ring.privateJwks()).toEqual(before)
  store.isAway = false
  await jest.advanceTimersByTimeAsync(30_000)
  expect(failures).toHaveLength(2)
  await ring[Symbol.asyncDispose]()
})

test('a ring that cannot be opened leaves no timer behind', async () => {
  const store = createMemoryStore()
  store.isAway = true
  await expect(openOn(store)).rejects.toThrow('away')
  expect(jest.getTimerCount()).toBe(0)
})

test('reading the same keys again tells nobody', async () => {
  const { ring } = await openOn(createMemoryStore())
  let told = 0
  ring.onChange(() => (told += 1))
  await ring.refresh()
  expect(told).toBe(0)
  await ring[Symbol.asyncDispose]()
})
