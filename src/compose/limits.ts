// The limits of hot paths and pages, and what they count: clients by their id, strangers by the
// network that they come from. Invariant:
// what writes or hashes is counted for the network and for the whole server too; tokens,
// introspection and verify pay for one count.
import type { IncomingMessage } from 'node:http'
import type { Foundation } from '../foundation.ts'
import { clientAddress, createTrustedProxies, limitKey } from '../http/client-address.ts'
import { createFailedProofs, type FailedProofs } from '../http/failed-proofs.ts'
import { createNetworkLimit, sizeOfNetwork } from '../http/network-limit.ts'
import { type BatchedLimit, createRateLimiter, type RateLimiter } from '../http/rate-limit.ts'
import type { LimitSize } from '../http/limit.ts'
import type { LoginLimits } from '../sign-in/login.ts'

/** The limits by what they bound. */
export type Limits = Record<
  | 'tokenPerClient'
  | 'tokenPerAddress'
  | 'introspectPerClient'
  | 'introspectPerAddress'
  | 'verifyPerGateway'
  | 'authorizePerAddress'
  | 'authorizeEverywhere'
  | 'readsPerAddress'
  | 'probesPerAddress'
  | 'adminPerClient'
  | 'adminPerStranger',
  BatchedLimit
> & {
  /** What wrong secrets and tokens are counted by. */
  failedProofs: FailedProofs
}

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
    // One gateway is one address: who asks is bounded by its credentials, and its address by the
    // same budget.
    introspectPerAddress: perAddress('introspect-address', limits.introspectPerClient),
    verifyPerGateway: limiter.createBatchedLimit('verify-gateway', limits.verifyPerGateway),
    adminPerClient: limiter.createBatchedLimit('admin-client', limits.adminPerClient),
    // What the admin API tells everybody: its description.
    adminPerStranger: createNetworkLimit(limiter, 'admin-stranger', limits.adminPerClient),
    authorizePerAddress: createNetworkLimit(
      limiter,
      'authorize-address',
      limits.authorizePerAddress,
      limits.authorizePerNetwork,
    ),
    authorizeEverywhere: limiter.createBatchedLimit(
      'authorize-everywhere',
      limits.authorizeEverywhere,
    ),
    readsPerAddress: createNetworkLimit(limiter, 'reads-address', limits.readsPerAddress),
    // Apart from what pages and apps read, so that neither keeps an orchestrator from asking; and
    // without a count of the network,
    // which orchestrators share with what they watch.
    probesPerAddress: perAddress('probes-address', limits.readsPerAddress),
    failedProofs: createFailedProofs({
      perAddress: createNetworkLimit(limiter, 'proof-address', limits.failedProofsPerAddress),
      perClient: limiter.createBatchedLimit('proof-client', limits.failedProofsPerClient),
      // Honest apps are in memory, all but the first time.
      lookUpsPerAddress: createNetworkLimit(
        limiter,
        'look-up-address',
        sizeOfNetwork(limits.failedProofsPerAddress),
      ),
    }),
  }
  return { limiter, limits: all }
}

/** Creates the limits of failed sign-ins. */
export function createLoginLimits(
  limiter: RateLimiter,
  limits: Foundation['config']['limits'],
): LoginLimits {
  const { loginPerAccountAddress, loginPerAccount } = limits
  // A browser that is known is bounded also where addresses are not.
  const perBrowser = loginPerAccountAddress.points > 0 ? loginPerAccountAddress : loginPerAccount
  return {
    perAddress: limiter.createStrictLimit('login-address', limits.loginPerAddress),
    perNetwork: limiter.createStrictLimit('login-network', limits.loginPerNetwork),
    perAccountAddress: limiter.createStrictLimit('login-account-address', loginPerAccountAddress),
    perAccount: limiter.createStrictLimit('login-account', loginPerAccount),
    everywhere: limiter.createStrictLimit('login-everywhere', limits.loginEverywhere),
    perBrowser: limiter.createStrictLimit('login-browser', perBrowser),
  }
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
