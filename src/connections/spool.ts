// Where received tokens wait while the database cannot take them: a provider that rotates refresh
// tokens has already ended the ones that the database knows. Invariants: what waits is encrypted,
// and belongs to one generation of its connection; it is forgotten after a day.
import type { Encryption } from '../shared/encryption.ts'
import { Secret } from '../shared/secret.ts'
import { type RedisClient, withRedis } from '../storage/redis.ts'
import type { ReceivedTokens } from './renewal.ts'

/** Tokens that wait, and the generation that they follow. */
export interface SpooledTokens {
  readonly generation: number
  readonly tokens: ReceivedTokens
}

/** Keeps tokens that wait. */
export interface Spool {
  put(connectionId: string, spooled: SpooledTokens): Promise<void>
  find(connectionId: string): Promise<SpooledTokens | undefined>
  remove(connectionId: string): Promise<void>
}

const TTL_SECONDS = 86_400

/** Creates the spool over Redis. */
export function createRedisSpool(
  redis: RedisClient,
  keyPrefix: string,
  encryption: Encryption,
): Spool {
  const keyOf = (id: string): string => `${keyPrefix}spool:${id}`
  const placeOf = (rowId: string) => ({ table: 'spool', column: 'tokens', rowId })
  return {
    async put(id, spooled) {
      const text = encryption.encrypt(JSON.stringify(toPlain(spooled)), placeOf(id))
      await withRedis(() => redis.set(keyOf(id), text, 'EX', TTL_SECONDS))
    },
    async find(id) {
      const text = await withRedis(() => redis.get(keyOf(id)))
      if (text === null) return undefined
      return fromPlain(JSON.parse(encryption.decrypt(text, placeOf(id))) as PlainTokens)
    },
    async remove(id) {
      await withRedis(() => redis.del(keyOf(id)))
    },
  }
}

/** Creates the spool of a single process without Redis: its memory is all that there is. */
export function createMemorySpool(): Spool {
  const waiting = new Map<string, SpooledTokens>()
  return {
    put: (id, spooled) => Promise.resolve(void waiting.set(id, spooled)),
    find: (id) => Promise.resolve(waiting.get(id)),
    remove: (id) => Promise.resolve(void waiting.delete(id)),
  }
}

interface PlainTokens {
  generation: number
  accessToken: string
  refreshToken?: string | undefined
  accessExpiresAt?: number | undefined
  refreshExpiresAt?: number | undefined
  scopes?: readonly string[] | undefined
}

const toPlain = ({ generation, tokens }: SpooledTokens): PlainTokens => ({
  generation,
  accessToken: tokens.accessToken.reveal(),
  refreshToken: tokens.refreshToken?.reveal(),
  accessExpiresAt: tokens.accessExpiresAt?.getTime(),
  refreshExpiresAt: tokens.refreshExpiresAt?.getTime(),
  scopes: tokens.scopes,
})

const fromPlain = (plain: PlainTokens): SpooledTokens => ({
  generation: plain.generation,
  tokens: {
    accessToken: new Secret(plain.accessToken),
    refreshToken: plain.refreshToken === undefined ? undefined : new Secret(plain.refreshToken),
    accessExpiresAt: dateOf(plain.accessExpiresAt),
    refreshExpiresAt: dateOf(plain.refreshExpiresAt),
    scopes: plain.scopes,
  },
})

const dateOf = (millis: number | undefined): Date | undefined =>
  millis === undefined ? undefined : new Date(millis)
