// How gateways ask, and which answers they understand. A preset only says where things stand and
// which status a gateway can pass on; what is allowed is decided in decision.ts, the same for all.
import type { OriginalRequest } from './decision.ts'

/** The request of a gateway, as far as a preset looks at it. */
export interface GatewayRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What a gateway said: what it requires, and the call that it asks about where it sent it. */
export interface Question {
  /** Absent where the address is not written as the preset wants it. */
  readonly requirement: string | undefined
  readonly original: OriginalRequest | undefined
}

export interface GatewayPreset {
  readonly name: 'plain' | 'nginx' | 'envoy'
  readonly read: (request: GatewayRequest) => Question
  readonly allowStatus: 200 | 204
  /** Turns the status of a denial into one that the gateway takes for a denial. */
  readonly denyStatus: (status: number) => number
}

const ROOT = '/oauth/verify'
const NGINX = `${ROOT}/nginx`
const ENVOY = `${ROOT}/envoy/`
/** Stands for "nothing but a valid token" where Envoy's prefix would otherwise be empty. */
const NOTHING_MORE = '-'

const asIs = (status: number): number => status

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/**
 * Requirement in the query; the call in X-Forwarded-Method and X-Forwarded-Uri, which Caddy and
 * Traefik write and our recipes make others write.
 */
function readForwarded({ url, headers }: GatewayRequest): Question {
  const query = url.indexOf('?')
  const method = single(headers['x-forwarded-method'])
  const uri = single(headers['x-forwarded-uri'])
  return {
    requirement: query === -1 ? '' : url.slice(query + 1),
    original: method === undefined || uri === undefined ? undefined : { method, uri },
  }
}

/**
 * Envoy puts its configured prefix before the client's path and keeps the client's query: only the
 * first segment after /envoy/ is the gateway's own, and the rest is the call.
 */
function readPrefixed({ method, url }: GatewayRequest): Question {
  const from = ENVOY.length
  const slash = url.indexOf('/', from)
  if (slash <= from) return { requirement: undefined, original: undefined }
  const segment = url.slice(from, slash)
  return {
    requirement: segment === NOTHING_MORE ? '' : segment,
    original: { method, uri: url.slice(slash) },
  }
}

const PLAIN_PRESET: GatewayPreset = {
  name: 'plain',
  read: readForwarded,
  allowStatus: 204,
  denyStatus: asIs,
}

const NGINX_PRESET: GatewayPreset = {
  name: 'nginx',
  read: readForwarded,
  allowStatus: 204,
  // auth_request takes 401 and 403 for a denial, and everything else for a failure of its own; the
  // true status is in the answer's header.
  denyStatus: (status) => (status === 401 ? 401 : 403),
}

const ENVOY_PRESET: GatewayPreset = {
  name: 'envoy',
  read: readPrefixed,
  // Envoy's HTTP service takes 200 alone for a yes.
  allowStatus: 200,
  denyStatus: asIs,
}

/** Returns the preset that an address belongs to; `undefined` where it is not one of ours. */
export function presetOf(url: string): GatewayPreset | undefined {
  if (!url.startsWith(ROOT)) return undefined
  if (url.startsWith(ENVOY)) return ENVOY_PRESET
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  if (path === ROOT) return PLAIN_PRESET
  return path === NGINX ? NGINX_PRESET : undefined
}
