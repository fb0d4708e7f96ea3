// The limits of hot paths and pages, and what they count: clients by their id, strangers by the
// network that they come from. Invariant: what writes or hashes is counted for the network and for
// the whole server too; tokens, introspection and verify pay for one count.
import { limitKey } from './client-address.ts'
import { createFailedProofs, type FailedProofs } from './failed-proofs.ts'
import type { LimitSize } from './limit.ts'
import { createNetworkLimit, sizeOfNetwork } from './network-limit.ts'
import type { BatchedLimit, RateLimiter } from './rate-limit.ts'

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
  | 'adminPerStranger'
  | 'connectPerClient',
  BatchedLimit
> & {
  /** What wrong secrets and tokens are counted by. */
  failedProofs: FailedProofs
}

/** Their configured sizes. */
type LimitSizes = Record<
  | 'tokenPerClient'
  | 'tokenPerAddress'
  | 'introspectPerClient'
  | 'verifyPerGateway'
  | 'authorizePerAddress'
  | 'authorizePerNetwork'
  | 'authorizeEverywhere'
  | 'readsPerAddress'
  | 'adminPerClient'
  | 'connectPerClient'
  | 'failedProofsPerAddress'
  | 'failedProofsPerClient',
  LimitSize
>

/** Creates the sizes. */
export function createLimits(
  limiter: Pick<RateLimiter, 'createBatchedLimit'>,
  sizes: LimitSizes,
): Limits {
  const perAddress = (name: string, size: LimitSize): BatchedLimit => {
    const limit = limiter.createBatchedLimit(name, size)
    return { size, hit: (address) => limit.hit(limitKey(address)) }
  }
  return {
    tokenPerClient: limiter.createBatchedLimit('token-client', sizes.tokenPerClient),
    tokenPerAddress: perAddress('token-address', sizes.tokenPerAddress),
    introspectPerClient: limiter.createBatchedLimit('introspect-client', sizes.introspectPerClient),
    // One gateway is one address: who asks is bounded by its credentials, and its address by the
    // same budget.
    introspectPerAddress: perAddress('introspect-address', sizes.introspectPerClient),
    verifyPerGateway: limiter.createBatchedLimit('verify-gateway', sizes.verifyPerGateway),
    adminPerClient: limiter.createBatchedLimit('admin-client', sizes.adminPerClient),
    connectPerClient: limiter.createBatchedLimit('connect-client', sizes.connectPerClient),
    // What the admin API publishes: its description.
    adminPerStranger: createNetworkLimit(limiter, 'admin-stranger', sizes.adminPerClient),
    authorizePerAddress: createNetworkLimit(
      limiter,
      'authorize-address',
      sizes.authorizePerAddress,
      sizes.authorizePerNetwork,
    ),
    authorizeEverywhere: limiter.createBatchedLimit(
      'authorize-everywhere',
      sizes.authorizeEverywhere,
    ),
    readsPerAddress: createNetworkLimit(limiter, 'reads-address', sizes.readsPerAddress),
    // Apart from what pages and apps read, so that neither keeps an orchestrator from asking; and
    // without a count of the network, which orchestrators share with what they watch.
    probesPerAddress: perAddress('probes-address', sizes.readsPerAddress),
    failedProofs: createFailedProofs({
      perAddress: createNetworkLimit(limiter, 'proof-address', sizes.failedProofsPerAddress),
      perClient: limiter.createBatchedLimit('proof-client', sizes.failedProofsPerClient),
      // Honest apps are in memory, all but the first time.
      lookUpsPerAddress: createNetworkLimit(
        limiter,
        'look-up-address',
        sizeOfNetwork(sizes.failedProofsPerAddress),
      ),
    }),
  }
}
