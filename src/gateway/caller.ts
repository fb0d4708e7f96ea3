// Which gateway asks: the credentials of a resource server in a header of their own, a client
// certificate that our own proxy verified, or an address of a network that the operator named.
// Invariant: a caller that proves none of these learns nothing about any token. Authorization
// itself belongs to the API's client, so it is never looked at.
import { type CertificateOrigin, withoutMapping } from './client-certificate.ts'
import type { Caller } from './decision.ts'
import { countOf } from '../http/bearer.ts'

/** The header with the gateway's own credentials, `Basic …`. */
export const CREDENTIALS_HEADER = 'x-otesse-gateway-authorization'

/** A client that authenticated. */
export interface ResourceServer {
  readonly id: string
  readonly type: string
  readonly audiences: readonly string[]
}

/** The port to client authentication. @param address of the client that presents the credentials */
export type Authenticate = (
  authorization: string,
  address: string,
) => ClientCheck | Promise<ClientCheck>

type ClientCheck =
  | { kind: 'authenticated'; app: ResourceServer }
  | { kind: 'refused'; app: { readonly id: string } | undefined; error: { readonly code: string } }

export type CallerProof = { readonly kind: 'proven'; readonly caller: Caller } | Unproven

/** The reason is for the log of the operator; the app is there where it is known. */
export interface Unproven {
  readonly kind: 'unproven'
  readonly reason: string
  readonly appId: string | undefined
}

/** Finds out which gateway asks; a promise only where a client has to be loaded. */
export type Prove = (origin: Origin) => CallerProof | Promise<CallerProof>

/** What is known of the connection that a question came over. */
export interface Origin {
  /** The client's address, as far as our own proxies wrote it. */
  readonly address: string
  /** The address of the connection itself. */
  readonly remoteAddress: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
}

/** What proving needs. */
export interface ProverDeps {
  authenticate: Authenticate
  /** Finds a client that proved itself otherwise. */
  findClient: (appId: string) => Promise<(ResourceServer & { status: string }) | undefined>
  /** Returns the client id whose certificate was seen. */
  readCertificate: (origin: CertificateOrigin) => string | undefined
  /** Whether the address is in a network whose machines are answered without credentials. */
  isTrusted: (address: string) => boolean
  /** Whether the address is one of our own proxies. */
  isProxy: (address: string) => boolean
}

/** Creates the check. Costs no I/O for a known resource server. */
export function createProver(deps: ProverDeps): Prove {
  return function prove(origin) {
    const credentials = origin.headers[CREDENTIALS_HEADER]
    if (credentials !== undefined && typeof credentials !== 'string')
      return unproven('credentials_sent_twice')
    if (credentials !== undefined) return proveByCredentials(credentials, origin.address, deps)
    const certified = deps.readCertificate(origin)
    return certified === undefined
      ? proveByNetwork(origin, deps)
      : proveByCertificate(certified, deps)
  }
}

const unproven = (reason: string, appId?: string): CallerProof => ({
  kind: 'unproven',
  reason,
  appId,
})

function proveByCredentials(
  credentials: string,
  address: string,
  { authenticate }: ProverDeps,
): CallerProof | Promise<CallerProof> {
  const check = authenticate(credentials, address)
  return check instanceof Promise ? check.then(proofOf) : proofOf(check)
}

const proofOf = (check: ClientCheck): CallerProof =>
  check.kind === 'authenticated' ? provenBy(check.app) : unproven(check.error.code, check.app?.id)

async function proveByCertificate(appId: string, { findClient }: ProverDeps): Promise<CallerProof> {
  const app = await findClient(appId)
  if (app === undefined) return unproven('client_unknown')
  // A suspended resource server proves nothing.
  return app.status === 'active' ? provenBy(app) : unproven('client_suspended', appId)
}

const provenBy = (app: ResourceServer): CallerProof =>
  app.type === 'resource_server'
    ? { kind: 'proven', caller: { key: app.id, audiences: app.audiences } }
    : unproven('not_a_resource_server')

function proveByNetwork(
  { address, remoteAddress, rawHeaders }: Origin,
  { isTrusted, isProxy }: Pick<ProverDeps, 'isTrusted' | 'isProxy'>,
): CallerProof {
  const connected = withoutMapping(remoteAddress?.split('%', 1)[0] ?? '')
  const isForwarded = countOf('x-forwarded-for', rawHeaders) > 0
  if (!isTrusted(address))
    return unproven(
      // A gateway that is one of our own proxies and sends its client's address along, as
      // forward_auth of Caddy does by default.
      isForwarded && isTrusted(connected)
        ? 'x_forwarded_for_names_an_address_that_is_not_trusted'
        : 'no_credentials_and_network_not_trusted',
    )
  // The connection is from a trusted network, but a machine on it passes on a request whose origin
  // we cannot check: it may be anybody's.
  if (connected === address && isForwarded)
    return unproven(
      isProxy(address)
        ? 'x_forwarded_for_names_nobody_but_the_proxy_itself'
        : 'forwarded_by_a_proxy_that_is_not_trusted',
    )
  return { kind: 'proven', caller: { key: address, audiences: undefined } }
}
