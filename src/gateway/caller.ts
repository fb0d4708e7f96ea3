// Which gateway asks: the credentials of a resource server in a header of their own, or an address of a network that the operator named.
// Invariant: whoever proves neither learns nothing about any token. Authorization itself belongs to the API's client, so it is never looked at.
import type { Caller } from './decision.ts'
import { countOf } from '../http/bearer.ts'

/** The header with the gateway's own credentials, `Basic …`. */
export const CREDENTIALS_HEADER = 'x-otesse-gateway-authorization'

/** A resource server that authenticated. */
export interface ResourceServer {
  readonly id: string
  readonly type: string
  readonly audiences: readonly string[]
}

/** The port to client authentication. @returns the app, or the reason code of the refusal */
export type Authenticate = (authorization: string) => Promise<ResourceServer | string>

export type Proof =
  | { readonly kind: 'proven'; readonly caller: Caller }
  /** The reason is for the log of the operator. */
  | { readonly kind: 'unproven'; readonly reason: string }

/** What is known of the connection that a question came over. */
export interface Origin {
  /** The client's address, as far as our own proxies are to be believed. */
  readonly address: string
  /** The address of the connection itself. */
  readonly remoteAddress: string | undefined
  readonly credentials: string | string[] | undefined
  readonly rawHeaders: readonly string[]
}

/** Creates the check. Costs no I/O for a known resource server. */
export function createProver(deps: {
  authenticate: Authenticate
  isTrusted: (address: string) => boolean
}): (origin: Origin) => Promise<Proof> {
  return async function prove(origin) {
    const { credentials } = origin
    if (credentials === undefined) return proveByNetwork(origin, deps.isTrusted)
    if (typeof credentials !== 'string') return unproven('credentials_sent_twice')
    const app = await deps.authenticate(credentials)
    if (typeof app === 'string') return unproven(app)
    if (app.type !== 'resource_server') return unproven('not_a_resource_server')
    return { kind: 'proven', caller: { key: app.id, audiences: app.audiences } }
  }
}

const unproven = (reason: string): Proof => ({ kind: 'unproven', reason })

function proveByNetwork(
  { address, remoteAddress, rawHeaders }: Origin,
  isTrusted: (address: string) => boolean,
): Proof {
  if (!isTrusted(address)) return unproven('no_credentials_and_network_not_trusted')
  // The connection is from a trusted network, but somebody on it passes a request on whose origin we cannot believe: it may be anybody's.
  const isDirect = remoteAddress?.split('%', 1)[0]?.endsWith(address) === true
  if (isDirect && countOf('x-forwarded-for', rawHeaders) > 0)
    return unproven('forwarded_by_a_proxy_that_is_not_trusted')
  return { kind: 'proven', caller: { key: address, audiences: undefined } }
}
