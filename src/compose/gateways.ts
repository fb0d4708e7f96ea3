// What gateways and resource servers use beside introspection: verification in sub-requests and the stream of revocations.
import type { Foundation } from '../foundation.ts'
import { createCertificateReader } from '../gateway/client-certificate.ts'
import { createGatewayLog } from '../gateway/gateway-log.ts'
import { createVerifyRoutes } from '../gateway/gateway.routes.ts'
import { createRevocationStreams } from '../gateway/revocation-stream.routes.ts'
import { createTrustedProxies } from '../http/client-address.ts'
import { requestFacts } from '../http/request-context.ts'
import { authenticateByHeader, checkClient, NO_PARAMETERS } from '../oauth/client-authentication.ts'
import type { InspectToken } from '../model/token-status.ts'
import type { Limits } from './limits.ts'

// One for each process of an API, on one of our processes; more are a mistake.
const STREAMS_PER_CLIENT = 200

/** Creates the routes of verify and the streams. */
export function createGateways(foundation: Foundation, inspect: InspectToken, limits: Limits) {
  const { config, audit } = foundation
  const clients = { clients: foundation.apps, failedProofs: limits.failedProofs }
  const networks = createTrustedProxies(config.gateways.trustedNetworks)
  const proxies = createTrustedProxies(config.server.trustedProxies)
  const streams = createRevocationStreams({
    log: foundation.revocations,
    authenticate: (authorization, address) => authenticateByHeader(clients, authorization, address),
    changes: foundation.invalidation,
    perAddress: limits.introspectPerAddress,
    streamsPerClient: STREAMS_PER_CLIENT,
  })
  const verify = createVerifyRoutes({
    inspect,
    authenticate: (authorization, address) =>
      checkClient(clients, authorization, NO_PARAMETERS, address),
    findClient: (appId) => foundation.apps.find(appId),
    readCertificate: createCertificateReader({
      header: config.gateways.clientCertificateHeader.toLowerCase(),
      apps: config.gateways.clientCertificates,
      isProxy: (address) => proxies.has(address),
    }),
    isTrusted: (address) => networks.has(address),
    isProxy: (address) => proxies.has(address),
    headers: config.gateways.identityHeaders,
    ruleSets: config.gateways.rules,
    resourceMetadata: config.gateways.resourceMetadata,
    limits: { perGateway: limits.verifyPerGateway },
    countUnproven: (address, appId) => limits.failedProofs.count(address, appId),
    onVerified: (appId, outcome) => audit.count('token.verified', appId, outcome),
    onRefused: (call, reason, appId) =>
      audit.events.requestRefused({ appId, reason, endpoint: 'verify' }, requestFacts(call)),
    onGatewayRefused: createGatewayLog(foundation.logger, foundation.clock),
  })
  return { streams, verify }
}
