// The only home of requests to other hosts. A name is resolved once, every address of it is
// checked, and the connection goes to the checked addresses, so that DNS cannot answer differently
// a second time. No redirects, no proxies from the environment; size and time are bounded.
//
// Node's own client, and not fetch: fetch has no public way to choose the address.
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { isGlobalAddress } from './global-address.ts'

export interface OutgoingRequest {
  method: 'GET' | 'POST' | 'DELETE'
  url: string
  headers?: Readonly<Record<string, string>>
  body?: string
  /** For everything together: DNS, connecting, sending, and reading the whole answer. */
  timeoutMillis: number
  /** Of the body, as sent and after decompression. */
  maxBodyBytes: number
}

export interface OutgoingRules {
  /** Lets http, private addresses and any port pass: for destinations that the operator wrote. */
  unsafeDestinations: boolean
  /** Finds all addresses of a name. */
  resolve: (name: string) => Promise<LookupAddress[]>
}

/**
 * What became of a request. A redirect is an answer like any other, and is not followed.
 * - `refused`: the destination is not allowed; nothing was sent.
 * - `unreachable`: DNS, TCP or TLS failed, or the connection ended early; `code` is Node's.
 * - `unreadable`: the body has an unknown encoding or cannot be decompressed.
 */
export type OutgoingOutcome =
  | { kind: 'answered'; status: number; headers: IncomingMessage['headers']; body: Buffer }
  | { kind: 'failed'; reason: OutgoingFailure; code?: string }

type OutgoingFailure = 'refused' | 'unreachable' | 'timed_out' | 'too_large' | 'unreadable'

export const GUARDED: OutgoingRules = { unsafeDestinations: false, resolve: resolveByDns }
export const UNSAFE_DESTINATIONS: OutgoingRules = { ...GUARDED, unsafeDestinations: true }

// What belongs to the connection and not to the caller.
const CONNECTION_HEADERS =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|accept-encoding|proxy-.*)$/i

const DECODERS: Readonly<Record<string, typeof decodeGzip>> = {
  gzip: decodeGzip,
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

function decodeGzip(body: Buffer, bounds: { maxOutputLength: number }): Promise<Buffer> {
  return promisify(gunzip)(body, bounds)
}

class Failure extends Error {
  readonly reason: OutgoingFailure
  constructor(reason: OutgoingFailure) {
    super(reason)
    this.reason = reason
  }
}

/** Sends one request and reads its answer; never throws. */
export async function sendOutgoing(
  request: OutgoingRequest,
  rules: OutgoingRules,
): Promise<OutgoingOutcome> {
  const deadline = AbortSignal.timeout(request.timeoutMillis)
  try {
    const url = checkedUrl(request.url, rules)
    const addresses = await withDeadline(checkedAddresses(url, rules), deadline)
    const answer = await connect(request, url, addresses, deadline)
    const sent = await readBody(answer, request.maxBodyBytes)
    const body = await decode(sent, answer.headers['content-encoding'], request.maxBodyBytes)
    return { kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers, body }
  } catch (error) {
    if (error instanceof Failure) return { kind: 'failed', reason: error.reason }
    if (deadline.aborted) return { kind: 'failed', reason: 'timed_out' }
    return { kind: 'failed', reason: 'unreachable', ...codeOf(error) }
  }
}

function checkedUrl(text: string, rules: OutgoingRules): URL {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') throw new Failure('refused')
  const isSafe = url.protocol === 'https:' && url.port === ''
  const isUnsafe = url.protocol === 'https:' || url.protocol === 'http:'
  if (!(rules.unsafeDestinations ? isUnsafe : isSafe)) throw new Failure('refused')
  return url
}

// One address that is not public refuses the name: whoever answers that is not to be trusted.
async function checkedAddresses(url: URL, rules: OutgoingRules): Promise<LookupAddress[]> {
  const host = nameOf(url)
  const family = isIP(host)
  const found = family === 0 ? await rules.resolve(host) : [{ address: host, family }]
  const isAllowed =
    rules.unsafeDestinations || found.every(({ address }) => isGlobalAddress(address))
  if (found.length === 0 || !isAllowed) throw new Failure('refused')
  return found
}

function connect(
  { method, headers = {}, body }: OutgoingRequest,
  url: URL,
  addresses: LookupAddress[],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const host = nameOf(url)
  const own = Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.test(name))
  const options = {
    method,
    host,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: {
      ...Object.fromEntries(own),
      host: url.host,
      'accept-encoding': 'identity',
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    },
    lookup: pinnedTo(addresses),
    signal,
  }
  return new Promise((resolve, reject) => {
    // An agent of its own keeps no connection and knows no proxy.
    const sending =
      url.protocol === 'https:'
        ? requestHttps({ ...options, agent: new HttpsAgent(), ...serverName(host) })
        : requestHttp({ ...options, agent: new HttpAgent() })
    sending.on('response', resolve)
    sending.on('error', reject)
    // Also where no event told of an end, as after an upgrade that nobody asked for.
    sending.on('close', () => reject(new Failure('unreachable')))
    sending.end(body)
  })
}

// TLS knows no addresses and no trailing dot as names.
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}
}

function pinnedTo(addresses: LookupAddress[]): LookupFunction {
  return (_name, { all }, done) => {
    const first = addresses[0]
    if (all === true || first === undefined) done(null, addresses)
    else done(null, first.address, first.family)
  }
}

async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new Failure('too_large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function decode(body: Buffer, encoding: string | undefined, maxOutputLength: number) {
  if (encoding === undefined || encoding === 'identity' || body.length === 0) return body
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined
  if (decoder === undefined) throw new Failure('unreadable')
  try {
    return await decoder(body, { maxOutputLength })
  } catch (error) {
    const isTooLarge = codeOf(error).code === 'ERR_BUFFER_TOO_LARGE'
    throw new Failure(isTooLarge ? 'too_large' : 'unreadable')
  }
}

// A look-up cannot be stopped, but it need not be waited for.
function withDeadline<T>(work: Promise<T>, deadline: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Failure('timed_out')), { once: true })
    work.then(resolve, reject)
  })
}

function resolveByDns(name: string): Promise<LookupAddress[]> {
  return lookup(name, { all: true })
}

function nameOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function codeOf(error: unknown): { code?: string } {
  const isCoded = typeof error === 'object' && error !== null && 'code' in error
  return isCoded ? { code: String(error.code) } : {}
}
