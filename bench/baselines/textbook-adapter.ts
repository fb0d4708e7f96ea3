// A storage adapter for oidc-provider on Redis as most projects write theirs: JSON values, one list
// of keys per grant, no scripts, tokens stored as they are. Every write is one pipelined
// transaction, so the baseline is not slowed down on purpose.
import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { Redis } from 'ioredis'

const GRANT_LIST_TTL_SECONDS = 31 * 86_400
const CONSUMABLE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode'])
const IN_GRANT_LIST = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode'])

/** Makes the adapter factory that oidc-provider calls once per model. */
export function createTextbookAdapter(redis: Redis): (model: string) => Adapter {
  return (model) => createModelAdapter(redis, model)
}

function createModelAdapter(redis: Redis, model: string): Adapter {
  const consumable = CONSUMABLE.has(model)
  const keyOf = (id: string): string => `oidc:${model}:${id}`
  const grantListOf = (grantId: string): string => `oidc:grant:${grantId}`
  const uidKeyOf = (uid: string): string => `oidc:uid:${uid}`
  const userCodeKeyOf = (userCode: string): string => `oidc:userCode:${userCode}`

  async function find(id: string): Promise<AdapterPayload | undefined> {
    if (!consumable) {
      const json = await redis.get(keyOf(id))
      return json === null ? undefined : (JSON.parse(json) as AdapterPayload)
    }
    const { payload, consumed } = await redis.hgetall(keyOf(id))
    if (payload === undefined) return undefined
    const parsed = JSON.parse(payload) as AdapterPayload
    return consumed === undefined ? parsed : { ...parsed, consumed: Number(consumed) }
  }

  async function findThrough(key: string): Promise<AdapterPayload | undefined> {
    const id = await redis.get(key)
    return id === null ? undefined : await find(id)
  }

  return {
    find,
    findByUid: (uid) => findThrough(uidKeyOf(uid)),
    findByUserCode: (userCode) => findThrough(userCodeKeyOf(userCode)),

    async upsert(id, payload, expiresIn) {
      const key = keyOf(id)
      const json = JSON.stringify(payload)
      const writes = redis.multi()
      if (consumable) {
        writes.hset(key, 'payload', json)
        if (expiresIn !== undefined) writes.expire(key, expiresIn)
      } else if (expiresIn === undefined) {
        writes.set(key, json)
      } else {
        writes.set(key, json, 'EX', expiresIn)
      }
      if (IN_GRANT_LIST.has(model) && payload.grantId !== undefined) {
        const list = grantListOf(payload.grantId)
        writes.rpush(list, key).expire(list, GRANT_LIST_TTL_SECONDS)
      }
      if (payload.uid !== undefined)
        writes.set(uidKeyOf(payload.uid), id, 'EX', expiresIn ?? 86_400)
      if (payload.userCode !== undefined) {
        writes.set(userCodeKeyOf(payload.userCode), id, 'EX', expiresIn ?? 86_400)
      }
      await writes.exec()
    },

    async consume(id) {
      await redis.hset(keyOf(id), 'consumed', Math.floor(Date.now() / 1000))
    },

    async destroy(id) {
      await redis.del(keyOf(id))
    },

    async revokeByGrantId(grantId) {
      const list = grantListOf(grantId)
      const keys = await redis.lrange(list, 0, -1)
      await redis.del(list, ...keys)
    },
  }
}
