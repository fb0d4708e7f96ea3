// Sets of IP addresses and networks, as settings name them.
import { BlockList, isIP } from 'node:net'

/** Addresses and networks. */
export interface NetworkSet {
  has(address: string): boolean
}

/**
 * Creates a set.
 *
 * @param networks addresses and CIDR networks, IPv4 and IPv6
 * @throws {Error} for what is neither
 */
export function createNetworkSet(networks: readonly string[]): NetworkSet {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address)
    if (family === 0) throw new Error(`"${network}" is neither an address nor a network`)
    const type = family === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, type)
    else list.addSubnet(address, Number(bits), type)
  }
  return {
    has(address) {
      const family = networks.length === 0 ? 0 : isIP(address)
      return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
    },
  }
}
