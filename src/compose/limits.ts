// The limits of hot paths and what they count: clients by their id, strangers by the network that they come from.
import type { IncomingMessage } from 'node:http'
import type { Foundation } from '../foundation.ts'
import { clientAddress, createTrustedProxies, limitKey } from '../http/client-address.ts'
import {
  type BatchedLimit,
  createRateLimiter,
  type LimitSize,
  type RateLimiter,
} from '../http/rate-limit.ts'

/** The limits by what they bound. */
export type Limits = Record<
  | 'tokenPerClient'
  | 'tokenPerAddress'
  | 'introspectPerClient'
  | 'introspectPerAddress'
  | 'verifyPerGateway'
  | 'verifyPerStranger'
  | 'authorizePerAddress'
  | 'adminPerClient'
  | 'adminPerStranger',
  BatchedLimit
>

/** Creates the limits, and the limiter that they share. */
export function createLimits({ config, redis, clock, logger }: Foundation): {
  limiter: RateLimiter
  limits: Limits
} {
  const { stores, limits } = config
  const keyPrefix = stores.kind === 'networked' ? stores.redis.prefix : ''
  const limiter = createRateLimiter({ redis, keyPrefix, clock, logger })
  const perAddress = (name: string, size: LimitSize): BatchedLimit => {
    const limit = limiter.createBatchedLimit(name, size)
    return { size, hit: (address) => limit.hit(limitKey(address)) }
  }
  const all = {
    tokenPerClient: limiter.createBatchedLimit('token-client', limits.tokenPerClient),
    tokenPerAddress: perAddress('token-address', limits.tokenPerAddress),
    introspectPerClient: limiter.createBatchedLimit(
      'introspect-client',
      limits.introspectPerClient,
    ),
    // One gateway is one address: who asks is bounded by its credentials, and strangers by the same budget.
    introspectPerAddress: perAddress('introspect-address', limits.introspectPerClient),
    verifyPerGateway: limiter.createBatchedLimit('verify-gateway', limits.verifyPerGateway),
    verifyPerStranger: perAddress('verify-stranger', limits.verifyPerGateway),
    adminPerClient: limiter.createBatchedLimit('admin-client', limits.adminPerClient),
    adminPerStranger: perAddress('admin-stranger', limits.adminPerClient),
    authorizePerAddress: perAddress('authorize-address', limits.authorizePerAddress),
  }
  return { limiter, limits: all }
}

/** Creates the function that tells a request's address; only configured proxies are believed. */
export function addressReader(networks: readonly string[]): (request: IncomingMessage) => string {
  const proxies = createTrustedProxies(networks)
  return (request) => {
    const forwarded = request.headers['x-forwarded-for']
    return clientAddress(
      request.socket.remoteAddress,
      Array.isArray(forwarded) ? forwarded.join(',') : forwarded,
      proxies,
    )
  }
}
