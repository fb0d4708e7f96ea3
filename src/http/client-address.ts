// Tells where a request came from. Invariant: X-Forwarded-For counts only as far as our own proxies
// wrote it; what a client puts there itself is never trusted. Called once for each request; limits,
// events and logs use the answer.
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { NetworkSet } from '../shared/network-set.ts'

/** The address of a request whose connection has gone. */
const UNKNOWN_ADDRESS = 'unknown'

/**
 * Returns the address of the client: the nearest hop that is not one of our proxies.
 *
 * Walks from the connection to the left through X-Forwarded-For, one entry for each proxy of ours;
 * an entry that is no address ends the walk at the proxy that passed it on.
 *
 * @param remoteAddress of the connection; a closed one has none
 * @param xForwardedFor the header, several of them joined by commas as Node does
 */
export function clientAddress(
  remoteAddress: string | undefined,
  xForwardedFor: string | undefined,
  trustedProxies: NetworkSet,
): string {
  let nearest = normalAddress(remoteAddress ?? '') ?? UNKNOWN_ADDRESS
  if (xForwardedFor === undefined || !trustedProxies.has(nearest)) return nearest
  for (const entry of xForwardedFor.split(',').reverse()) {
    const address = normalAddress(withoutPort(entry.trim()))
    if (address === undefined) return nearest
    nearest = address
    if (!trustedProxies.has(nearest)) return nearest
  }
  return nearest
}

/** Creates the reader of a request's address. */
export const createAddressReader =
  (proxies: NetworkSet) =>
  ({ headers, socket }: IncomingMessage): string => {
    const forwarded = headers['x-forwarded-for']
    return clientAddress(
      socket.remoteAddress,
      Array.isArray(forwarded) ? forwarded.join(',') : forwarded,
      proxies,
    )
  }

/** Some proxies add the port: `192.0.2.7:443`, `[2001:db8::7]:443`. */
function withoutPort(entry: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(entry) ?? []
  if (bracketed !== undefined) return bracketed
  const [, dotted] = /^([\d.]+):\d+$/.exec(entry) ?? []
  return dotted ?? entry
}

const MAPPED = '::ffff:'

/**
 * Returns the address in the form that we compare: no zone, IPv4 as IPv4 also where IPv6 carries
 * it.
 */
function normalAddress(text: string): string | undefined {
  const zone = text.indexOf('%')
  const address = zone === -1 ? text : text.slice(0, zone)
  const family = isIP(address)
  if (family === 0) return undefined
  if (family === 4) return address
  // How a server that listens on IPv6 names its IPv4 clients: nearly every request.
  if (address.startsWith(MAPPED) && isIP(address.slice(MAPPED.length)) === 4)
    return address.slice(MAPPED.length)
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (!isMapped) return address.toLowerCase()
  const [high = 0, low = 0] = groups.slice(6)
  return dotted(high, low)
}

/**
 * Returns what a limit counts for the address: IPv4 as it is, IPv6 by its /64 network, which is
 * what one subscriber has; by single addresses a limit would never be reached. An IPv6 address that
 * carries an IPv4 one counts as that: behind 6to4, Teredo and NAT64 (RFC 3056, 4380, 6052) the IPv4
 * address is the subscriber, and the /64 belongs to everybody or to nobody.
 */
export function limitKey(address: string): string {
  if (!address.includes(':')) return address
  const groups = groupsOf(address)
  const carried = carriedIpv4(groups)
  return carried ?? `${prefixOf(groups, 4)}::/64`
}

/**
 * Returns the network around an address, of which somebody may have all: IPv6 by /48, which anybody
 * gets from a tunnel broker, IPv4 by /24. For a second, wider count on what writes or hashes.
 */
export function networkKey(address: string): string {
  const key = limitKey(address)
  if (key.includes(':')) return `${prefixOf(groupsOf(address), 3)}::/48`
  const bytes = key.split('.')
  return bytes.length === 4 ? `${bytes.slice(0, 3).join('.')}.0/24` : key
}

const prefixOf = (groups: readonly number[], count: number): string =>
  groups
    .slice(0, count)
    .map((group) => group.toString(16))
    .join(':')

/** Returns the IPv4 address that an IPv6 address stands for, where it stands for one. */
function carriedIpv4(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups
  // 6to4: the IPv4 address has the whole /48.
  if (a === 0x2002) return dotted(b, c)
  // Teredo: all clients of one Teredo server share a /64; theirs is at the end, with all bits
  // turned over.
  if (a === 0x2001 && b === 0) return dotted(high ^ 0xffff, low ^ 0xffff)
  // NAT64, the well-known prefix and the one for local use.
  if (a === 0x64 && b === 0xff9b && (c === 1 || (c === 0 && d === 0 && e === 0 && f === 0)))
    return dotted(high, low)
  // IPv4-mapped, IPv4-translated (RFC 2765) and IPv4-compatible addresses; `::` and `::1` are none.
  const isZero = a === 0 && b === 0 && c === 0 && d === 0
  const isMapped = isZero && e === 0 && f === 0xffff
  const isTranslated = isZero && e === 0xffff && f === 0
  const isCompatible = isZero && e === 0 && f === 0 && high !== 0
  return isMapped || isTranslated || isCompatible ? dotted(high, low) : undefined
}

const dotted = (high: number, low: number): string =>
  [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')

/** Returns the eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const before = readGroups(head)
  if (tail === undefined) return before
  const after = readGroups(tail)
  const zeros = new Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0)
  return [...before, ...zeros, ...after]
}

function readGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
