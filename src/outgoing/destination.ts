// Where requests may go. A name is resolved once, every address of it is checked, and the
// connection goes to the checked addresses, so that DNS cannot answer differently a second time. No
// redirects, no proxies from the environment.
//
// Node's own client, and not fetch: fetch has no public way to choose the address.
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { Agent as HttpAgent, type ClientRequest, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { NetworkSet } from '../shared/network-set.ts'
import { OutgoingError } from './failure.ts'
import { isGlobalAddress } from './global-address.ts'

export interface OutgoingRules {
  /**
   * What may be reached beside https on the public Internet, by http and at any port too; nothing
   * where it is left out.
   */
  privateNetworks?: NetworkSet | undefined
  /** Finds all addresses of a name. */
  resolve: (name: string) => Promise<LookupAddress[]>
}

/** Only https on the public Internet. */
export const GUARDED: OutgoingRules = { resolve: resolveByDns }
/** Everything, for addresses that the operator wrote. */
export const UNSAFE_DESTINATIONS: OutgoingRules = {
  ...GUARDED,
  privateNetworks: { has: () => true },
}

/** A place that was checked. */
export interface CheckedDestination {
  readonly url: URL
  readonly addresses: readonly LookupAddress[]
}

/** Headers as Node takes them: several values of one name are a list. */
export type OutgoingHeaders = Readonly<Record<string, string | string[]>>

/** Checks a URL and finds its addresses. @throws {OutgoingError} `refused`, or as `signal` says */
export async function findDestination(
  text: string,
  rules: OutgoingRules,
  signal: AbortSignal,
): Promise<CheckedDestination> {
  const url = checkedUrl(text, rules)
  return { url, addresses: await withSignal(checkedAddresses(url, rules), signal) }
}

function checkedUrl(text: string, { privateNetworks }: OutgoingRules): URL {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') throw new OutgoingError('refused')
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  if (privateNetworks === undefined ? !isPublicWay(url) : !isWeb) throw new OutgoingError('refused')
  return url
}

const isPublicWay = ({ protocol, port }: URL): boolean => protocol === 'https:' && port === ''

// One address that may not be reached refuses the name: whoever answers that is not to be trusted.
async function checkedAddresses(url: URL, rules: OutgoingRules): Promise<LookupAddress[]> {
  const host = nameOf(url)
  const family = isIP(host)
  const found = family === 0 ? await rules.resolve(host) : [{ address: host, family }]
  const isAllowed = ({ address }: LookupAddress): boolean =>
    (isPublicWay(url) && isGlobalAddress(address)) || rules.privateNetworks?.has(address) === true
  if (found.length === 0 || !found.every(isAllowed)) throw new OutgoingError('refused')
  return found
}

/**
 * Begins a request. The body is for the caller to write.
 *
 * @param options.headers as they are; what belongs to the connection must not be in them
 * @param options.agent opens the connection; where it is left out, the request has one of its own
 */
export function beginRequest(
  { url, addresses }: CheckedDestination,
  options: {
    method: string
    headers: OutgoingHeaders
    signal: AbortSignal
    agent?: HttpAgent | undefined
  },
): ClientRequest {
  const host = nameOf(url)
  const { method, headers, signal, agent } = options
  const all = {
    method,
    host,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host },
    lookup: pinnedTo(addresses),
    signal,
  }
  // An agent of its own keeps no connection and knows no proxy.
  return url.protocol === 'https:'
    ? requestHttps({ ...all, agent: agent ?? new HttpsAgent(), ...serverName(host) })
    : requestHttp({ ...all, agent: agent ?? new HttpAgent() })
}

// TLS knows no addresses and no trailing dot as names.
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}
}

function pinnedTo(addresses: readonly LookupAddress[]): LookupFunction {
  return (_name, { all }, done) => {
    const first = addresses[0]
    if (all === true || first === undefined) done(null, [...addresses])
    else done(null, first.address, first.family)
  }
}

// A look-up cannot be stopped, but it need not be waited for.
function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    work.then(resolve, reject)
  })
}

function resolveByDns(name: string): Promise<LookupAddress[]> {
  return lookup(name, { all: true })
}

function nameOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

// What belongs to the connection and not to the caller.
const CONNECTION_HEADERS =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|proxy-.*)$/i

/** Returns the headers that a caller may set. */
export function withoutConnectionHeaders(
  headers: OutgoingHeaders,
): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.test(name)),
  )
}
