// Limits that hold against networks and not only against addresses: one count for the address
// (IPv6: the /64), a wider one for the network around it (IPv4 /24, IPv6 /48). Without the second,
// the owner of a /48 has 65 536 budgets. Invariant: a hit that one count refuses is not counted by
// the wider ones, so that one address alone never uses up what its neighbours share.
import { limitKey, networkKey } from './client-address.ts'
import type { BatchedLimit, RateLimiter } from './rate-limit.ts'
import type { LimitSize } from './limit.ts'

/** How many addresses at their limit one network may have, where it has no size of its own. */
const ADDRESSES_PER_NETWORK = 10

/** Returns the size of a network's limit where only that of an address is configured. */
export const sizeOfNetwork = ({ points, seconds }: LimitSize): LimitSize => ({
  points: points * ADDRESSES_PER_NETWORK,
  seconds,
})

/**
 * Creates a limit whose key is an address; it counts the network around it as well.
 *
 * @param name part of the Redis keys
 */
export function createNetworkLimit(
  limiter: Pick<RateLimiter, 'createBatchedLimit'>,
  name: string,
  ofAddress: LimitSize,
  ofNetwork: LimitSize = sizeOfNetwork(ofAddress),
): BatchedLimit {
  const perAddress = limiter.createBatchedLimit(name, ofAddress)
  const perNetwork = limiter.createBatchedLimit(`${name}-network`, ofNetwork)
  return {
    size: ofAddress,
    hit(address) {
      const outcome = perAddress.hit(limitKey(address))
      if (!outcome.allowed) return outcome
      const wider = perNetwork.hit(networkKey(address))
      return wider.allowed ? outcome : wider
    },
  }
}
