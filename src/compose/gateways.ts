// What gateways and resource servers use beside introspection: verify, and the stream of
// revocations.
import { createCertificateReader } from '../gateway/client-certificate.ts'
import { createGatewayLog } from '../gateway/gateway-log.ts'
import { createVerifyRoutes } from '../gateway/verify-endpoint.ts'
import { createRevocationStreams } from '../gateway/revocation-stream.routes.ts'
import { requestFacts } from '../http/request-context.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import { authenticateByHeader, checkClient, NO_PARAMETERS } from '../oauth/client-authentication.ts'
import type { Services } from '../services.ts'
import type { Limits } from '../http/limits.ts'
import { createNetworkSet } from '../shared/network-set.ts'

// One for each process of an API, on one of our processes; more are a mistake.
const STREAMS_PER_CLIENT = 200

/** Creates the routes of verify and the streams. */
export function createGateways(
  { config, logger, clock, revocations, invalidation }: Infrastructure,
  { apps, audit }: Services,
  limits: Limits,
  inspect: InspectToken,
) {
  const clients = { clients: apps, failedProofs: limits.failedProofs }
  const networks = createNetworkSet(config.gateways.trustedNetworks)
  const proxies = createNetworkSet(config.server.trustedProxies)
  return {
    streams: createRevocationStreams({
      log: revocations,
      authenticate: (authorization, address) =>
        authenticateByHeader(clients, authorization, address),
      changes: invalidation,
      perAddress: limits.introspectPerAddress,
      streamsPerClient: STREAMS_PER_CLIENT,
    }),
    verify: createVerifyRoutes({
      issuer: config.server.issuer,
      inspect,
      authenticate: (authorization, address) =>
        checkClient(clients, authorization, NO_PARAMETERS, address),
      findClient: (appId) => apps.find(appId),
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
      onGatewayRefused: createGatewayLog(logger, clock),
    }),
  }
}
