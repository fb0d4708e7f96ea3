// What gateways and resource servers use beside introspection: verification in sub-requests and the stream of revocations.
import type { App as RegisteredApp } from '../model/app.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import { createRefusalValve } from '../audit/refusal-valve.ts'
import type { Foundation } from '../foundation.ts'
import type { Authenticate, Refusal } from '../gateway/caller.ts'
import { createCertificateReader } from '../gateway/client-certificate.ts'
import { createVerifyRoutes } from '../gateway/gateway.routes.ts'
import { createRevocationStreams } from '../gateway/revocation-stream.routes.ts'
import { createTrustedProxies } from '../http/client-address.ts'
import type { FailedProofs } from '../http/failed-proofs.ts'
import { requestFacts } from '../http/request-context.ts'
import { appOfRefusal, refuse } from '../oauth/back-channel.ts'
import {
  checkClient,
  type PresentedClient,
  presentedClient,
} from '../oauth/client-authentication.ts'
import type { InspectToken } from '../model/token-status.ts'
import { AppError } from '../shared/errors.ts'
import type { Limits } from './limits.ts'

// One for each process of an API, on one of our processes; more are a mistake.
const STREAMS_PER_CLIENT = 200

/** Creates the routes of verify and the streams. */
export function createGateways(foundation: Foundation, inspect: InspectToken, limits: Limits) {
  const { config, audit } = foundation
  const networks = createTrustedProxies(config.gateways.trustedNetworks)
  const proxies = createTrustedProxies(config.server.trustedProxies)
  const streams = createRevocationStreams({
    log: foundation.revocations,
    authenticate: authenticateByHeader(foundation, limits.failedProofs),
    changes: foundation.invalidation,
    perAddress: limits.introspectPerAddress,
    streamsPerClient: STREAMS_PER_CLIENT,
  })
  const verify = createVerifyRoutes({
    inspect,
    authenticate: gatewayAuthenticator(foundation, limits.failedProofs),
    findResourceServer: resourceServerFinder(foundation),
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
    onGatewayRefused: createGatewayLog(foundation),
  })
  return { streams, verify }
}

const NO_PARAMETERS: ReadonlyMap<string, string> = new Map()

/** Lets gateways authenticate as what they are, resource servers, by the credentials in their own header. */
function gatewayAuthenticator({ apps }: Foundation, failedProofs: FailedProofs): Authenticate {
  return async function authenticate(authorization, address) {
    try {
      const presented = presentedClient(authorization, NO_PARAMETERS)
      assertMayLookUp(apps, presented, failedProofs, address)
      const check = await checkClient(apps, presented)
      return check.kind === 'authenticated'
        ? check.app
        : { reason: check.error.code, appId: check.app?.id }
    } catch (error) {
      if (error instanceof AppError && error.status < 500) return { reason: error.code }
      throw error
    }
  }
}

/** Finds the resource server of a certificate; a suspended one proves nothing. */
function resourceServerFinder({ apps }: Foundation) {
  return async function find(appId: string): Promise<RegisteredApp | Refusal> {
    const app = await apps.find(appId)
    if (app === undefined) return { reason: 'client_unknown' }
    return app.status === 'active' ? app : { reason: 'client_suspended', appId }
  }
}

/** Authenticates a client by its Authorization header alone. */
function authenticateByHeader({ apps }: Foundation, failedProofs: FailedProofs) {
  return async function authenticate(
    authorization: string | undefined,
    address: string,
  ): Promise<RegisteredApp> {
    try {
      const presented = presentedClient(authorization, NO_PARAMETERS)
      assertMayLookUp(apps, presented, failedProofs, address)
      const check = await checkClient(apps, presented)
      if (check.kind === 'authenticated') return check.app
      throw refuse(check.error, check.app)
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500 || error.code === 'rate_limited')
        throw error
      const app = appOfRefusal(error)
      const verdict = failedProofs.count(address, app?.id)
      if (verdict.allowed) throw error
      const { retryAfterSeconds } = verdict
      throw refuse(new AppError('rate_limited', { retryAfterSeconds }), app)
    }
  }
}

/**
 * @throws {AppError} `rate_limited` where the address named too many clients that are not in memory
 */
function assertMayLookUp(
  apps: AppRegistry,
  { clientId }: PresentedClient,
  failedProofs: FailedProofs,
  address: string,
): void {
  const verdict = apps.isAtHand(clientId) ? undefined : failedProofs.countLookUp(address)
  if (verdict?.allowed === false)
    throw new AppError('rate_limited', { retryAfterSeconds: verdict.retryAfterSeconds })
}

/** Writes why a gateway was refused, once a second for each reason: its operator looks here when an API answers 403 to everybody. */
function createGatewayLog({ logger, clock }: Foundation) {
  const isLetThrough = createRefusalValve(clock, 1)
  return (facts: { reason: string; address: string; requestId: string }): void => {
    if (isLetThrough(facts.reason)) logger.warn(facts, 'a gateway was refused')
  }
}
