// Tells every process that something durable changed, so that caches forget it within milliseconds. Redis pub/sub, or only this process
// when embedded. Invariant: whoever missed messages is told so (onGap) and must empty its caches.
import { EventEmitter } from 'node:events'
import { Cluster } from 'ioredis'
import type { Logger } from '../shared/logger.ts'
import { withRedis, type RedisClient } from './redis.ts'

export type InvalidationTopic = 'app' | 'account' | 'scopes' | 'keys'

/** The channel between processes. */
export interface Invalidation extends AsyncDisposable {
  /** Tells all processes, this one included, that the thing changed; resolves when this process has forgotten it. */
  publish(topic: InvalidationTopic, id: string): Promise<void>
  on(topic: InvalidationTopic, listener: (id: string) => void): void
  /** Calls the listener when messages may have been lost. */
  onGap(listener: () => void): void
}

/** Creates the channel of a single process. */
export function createLocalInvalidation(): Invalidation {
  const emitter = new EventEmitter().setMaxListeners(0)
  return {
    publish(topic, id) {
      emitter.emit(topic, id)
      return Promise.resolve()
    },
    on: (topic, listener) => void emitter.on(topic, listener),
    onGap: (listener) => void emitter.on('gap', listener),
    [Symbol.asyncDispose]() {
      emitter.removeAllListeners()
      return Promise.resolve()
    },
  }
}

/**
 * Opens the channel over Redis pub/sub, on a connection of its own.
 *
 * @param keyPrefix keeps several servers on one Redis apart
 */
export async function openRedisInvalidation(
  client: RedisClient,
  keyPrefix: string,
  hooks: { logger: Logger; onLost: () => void },
): Promise<Invalidation> {
  const local = createLocalInvalidation()
  const gapListeners: (() => void)[] = []
  const channel = `${keyPrefix}invalidate`
  // ioredis finds the Cluster's subscriber node itself; a single server needs a second connection.
  const subscriber =
    client instanceof Cluster
      ? client.duplicate()
      : client.duplicate({ commandTimeout: undefined as never })
  let subscribedBefore = false
  subscriber.on('error', (error: unknown) =>
    hooks.logger.debug({ err: error }, 'invalidation channel error'),
  )
  subscriber.on('message', (_channel: string, message: string) => {
    const [topic, id = ''] = message.split(' ')
    void local.publish(topic as InvalidationTopic, id)
  })
  subscriber.on('ready', () => {
    if (!subscribedBefore) return
    hooks.onLost()
    for (const listener of gapListeners) listener()
  })
  await withRedis(() => subscriber.subscribe(channel))
  subscribedBefore = true
  return {
    async publish(topic, id) {
      await local.publish(topic, id)
      await withRedis(() => client.publish(channel, `${topic} ${id}`))
    },
    on: (topic, listener) => local.on(topic, listener),
    onGap: (listener) => void gapListeners.push(listener),
    async [Symbol.asyncDispose]() {
      subscriber.disconnect()
      await local[Symbol.asyncDispose]()
    },
  }
}
