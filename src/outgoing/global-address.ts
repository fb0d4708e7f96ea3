// Which IP addresses are on the public Internet. All others are refused to foreign URLs: a URL that
// somebody else wrote must not reach this machine, its network or a cloud's metadata service.
import { BlockList, isIP } from 'node:net'

// The special-purpose registry of RFC 6890 as it is today, multicast, and Azure's host agent, which
// has a public address.
const REFUSED_V4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
])
// Only 2000::/3 is handed out. Loopback, mapped, NAT64, unique local, link-local and multicast
// addresses are outside it.
const HANDED_OUT_V6 = blockList('ipv6', [['2000::', 3]])
// Inside it: protocol assignments with Teredo, documentation twice, and 6to4, which carries IPv4.
const REFUSED_V6 = blockList('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
])

/** Says whether an address, as DNS or the URL parser writes it, is on the public Internet. */
export function isGlobalAddress(address: string): boolean {
  // A zone id names an interface of this machine.
  if (address.includes('%')) return false
  const family = isIP(address)
  if (family === 4) return !REFUSED_V4.check(address, 'ipv4')
  if (family === 6)
    return HANDED_OUT_V6.check(address, 'ipv6') && !REFUSED_V6.check(address, 'ipv6')
  return false
}

function blockList(
  family: 'ipv4' | 'ipv6',
  subnets: readonly (readonly [string, number])[],
): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, family)
  return list
}
