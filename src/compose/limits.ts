// The limits of hot paths and pages, and what they count: clients by their id, strangers by the
// network that they come from. Invariant:
// what writes or hashes is counted for the network and for the whole server too; tokens,
// introspection and verify pay for one count.
import type { Infrastructure } from '../infrastructure.ts'
import { limitKey } from '../http/client-address.ts'
import { createFailedProofs, type FailedProofs } from '../http/failed-proofs.ts'
import { createNetworkLimit, sizeOfNetwork } from '../http/network-limit.ts'
import { type BatchedLimit, createRateLimiter, type RateLimiter } from '../http/rate-limit.ts'
import type { LimitSize } from '../http/limit.ts'

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
export function createLimits({ config, redis, keyPrefix, clock, logger }: Infrastructure): {
  limiter: RateLimiter
  limits: Limits
} {
  const { limits } = config
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
