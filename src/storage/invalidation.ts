// Tells every process that something durable changed, so that caches forget it within milliseconds.
// Redis pub/sub, or only this process when embedded. Invariant: whoever missed messages is told so
// (onGap) and must empty its caches.
import { EventEmitter } from 'node:events'
import { Cluster, type Redis } from 'ioredis'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { withRedis, type RedisClient } from './redis.ts'

const TOPICS = ['app', 'account', 'scopes', 'keys'] as const
export type InvalidationTopic = (typeof TOPICS)[number]

const isTopic = (text: string): text is InvalidationTopic =>
  (TOPICS as readonly string[]).includes(text)

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

const channelOf = (keyPrefix: string): string => `${keyPrefix}invalidate`

/**
 * Returns how many processes listen on the channel over Redis, of all that share the prefix.
 *
 * @throws {AppError} `temporarily_unavailable`
 */
export async function countListeners(client: RedisClient, keyPrefix: string): Promise<number> {
  const channel = channelOf(keyPrefix)
  // A Cluster knows its nodes only when it is connected.
  await withRedis(() => client.ping())
  let count = 0
  // A node counts its own listeners alone.
  for (const node of client instanceof Cluster ? client.nodes() : [client]) {
    const [, listeners] = await withRedis(() => node.pubsub('NUMSUB', channel))
    count += Number(listeners)
  }
  return count
}

const RECONNECT_MILLIS = 200
const HEARTBEAT_MILLIS = 5000

/**
 * Opens the channel over Redis pub/sub, on a connection of its own.
 *
 * @param keyPrefix keeps several servers on one Redis apart
 * @throws {AppError} `temporarily_unavailable`
 */
export async function openRedisInvalidation(
  client: RedisClient,
  keyPrefix: string,
  hooks: { logger: Logger; onLost: () => void },
): Promise<Invalidation> {
  const local = createLocalInvalidation()
  const gapListeners: (() => void)[] = []
  const channel = channelOf(keyPrefix)
  let subscriber: Redis | undefined
  let reconnecting: NodeJS.Timeout | undefined
  let isClosed = false

  // ioredis' own reconnecting and its Cluster subscriber are not used: they tell nobody when the
  // subscription is back, and only from then on is nothing missed any more.
  async function subscribe(): Promise<void> {
    const connection = connectionFor(client)
    subscriber = connection
    connection.on('error', (error: unknown) =>
      hooks.logger.debug({ err: error }, 'invalidation channel error'),
    )
    connection.on('message', (_channel: string, message: string) => {
      const [topic = '', id = ''] = message.split(' ')
      if (isTopic(topic)) void local.publish(topic, id)
    })
    try {
      await withRedis(() => connection.subscribe(channel))
    } catch (error) {
      connection.disconnect()
      throw error
    }
    // Who only listens does not notice that nobody is there any more. An answer that does not come
    // ends the connection (redis.ts).
    const heartbeat = setInterval(() => {
      connection.ping().catch(() => undefined)
    }, HEARTBEAT_MILLIS).unref()
    const startAnew = (): void => {
      clearInterval(heartbeat)
      subscribeAgain()
    }
    connection.once('end', startAnew)
    if (connection.status === 'end') startAnew()
  }

  function subscribeAgain(): void {
    clearTimeout(reconnecting)
    if (isClosed) return
    reconnecting = setTimeout(() => {
      subscribe().then(tellOfGap, subscribeAgain)
    }, RECONNECT_MILLIS).unref()
  }

  function tellOfGap(): void {
    if (isClosed) return
    hooks.onLost()
    for (const listener of gapListeners) listener()
  }

  // A Cluster knows its nodes only when it is connected.
  await withRedis(() => client.ping())
  await subscribe()
  return {
    async publish(topic, id) {
      await local.publish(topic, id)
      await withRedis(() => client.publish(channel, `${topic} ${id}`))
    },
    on: (topic, listener) => local.on(topic, listener),
    onGap: (listener) => void gapListeners.push(listener),
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(reconnecting)
      subscriber?.disconnect()
      await local[Symbol.asyncDispose]()
    },
  }
}

/** Makes a connection that ends when it is lost; any node of a Cluster hears every message. */
function connectionFor(client: RedisClient): Redis {
  const nodes = client instanceof Cluster ? client.nodes() : [client]
  const node = nodes[Math.floor(Math.random() * nodes.length)]
  if (node === undefined)
    throw new AppError('temporarily_unavailable', { detail: 'redis: no node of the Cluster' })
  return node.duplicate({ retryStrategy: () => null, autoResubscribe: false })
}
