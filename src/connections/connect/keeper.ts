// What waits for a person to come back from somewhere else. Invariants: it is known by the hash of
// its name alone and encrypted, so a dump of the store completes nothing; it lives for minutes; and
// one caller takes it, whatever becomes of it then.
import { type Clock, MINUTE } from '../../shared/clock.ts'
import { randomBase62, sha256 } from '../../shared/crypto.ts'
import type { Encryption, EncryptedPlace } from '../../shared/encryption.ts'

/** What the keeper needs of the short-lived store. */
export interface KeeperStore {
  read(family: string, names: readonly string[]): Promise<(string | undefined)[]>
  commit(
    family: string,
    change: {
      expect: readonly { name: string; state: 'equals'; value: string }[]
      put?: readonly { name: string; value: string; ttlMillis: number }[]
      remove?: readonly string[]
    },
  ): Promise<boolean>
}

export interface KeeperDeps {
  store: KeeperStore
  box: Encryption
  clock: Clock
}

/** Keeps values of one kind. */
export interface Keeper<Kept> {
  /** Keeps a value. Returns its name: 256 random bits. */
  keep(value: Kept): Promise<string>
  /** Returns a value and leaves it there. */
  find(name: string): Promise<Kept | undefined>
  /** Ends a value and returns it, to one caller alone. */
  take(name: string): Promise<Kept | undefined>
}

interface Envelope {
  value: unknown
  /** Milliseconds since the epoch. */
  endsAt: number
}

const NAME_LENGTH = 43

/** Creates the keeper of a kind. @param kind the last part of the key in the store */
export function createKeeper<Kept>(
  { store, box, clock }: KeeperDeps,
  kind: 'connect' | 'connect-choice' | 'connect-session',
  lifeMillis = 10 * MINUTE,
): Keeper<Kept> {
  const familyOf = (name: string): string => sha256(`${kind} ${name}`)
  const placeOf = (rowId: string): EncryptedPlace => ({ table: '', column: kind, rowId })

  async function read(family: string) {
    const [encrypted] = await store.read(family, [kind])
    if (encrypted === undefined) return undefined
    const { value, endsAt } = JSON.parse(box.decrypt(encrypted, placeOf(family))) as Envelope
    return { encrypted, value: value as Kept, isOver: endsAt <= clock() }
  }

  return {
    async keep(value) {
      const name = randomBase62(NAME_LENGTH)
      const family = familyOf(name)
      const envelope: Envelope = { value, endsAt: clock() + lifeMillis }
      const encrypted = box.encrypt(JSON.stringify(envelope), placeOf(family))
      await store.commit(family, {
        expect: [],
        put: [{ name: kind, value: encrypted, ttlMillis: lifeMillis }],
      })
      return name
    },
    async find(name) {
      const found = await read(familyOf(name))
      return found === undefined || found.isOver ? undefined : found.value
    },
    async take(name) {
      const family = familyOf(name)
      const found = await read(family)
      if (found === undefined) return undefined
      const isTaken = await store.commit(family, {
        expect: [{ name: kind, state: 'equals', value: found.encrypted }],
        remove: [kind],
      })
      return isTaken && !found.isOver ? found.value : undefined
    },
  }
}
