// POST /oauth/token: code, refresh token or the app's own credentials in, tokens out (RFC 6749 §3.2). Ours and not the engine's, so that a
// redemption is one atomic commit and a request costs one to two store round trips (src/README.md, Decisions).
import type { App } from '../model/app.ts'
import { canActForItself, isConfidential } from '../model/app.ts'
import { isAdminScope, needsPerson } from '../apps/scope.ts'
import type { CodeRecord, Grant } from '../grants/grant.ts'
import type { Grants } from '../grants/grants.ts'
import type { Issued, Refused } from '../grants/issue.ts'
import { limitKey } from '../http/client-address.ts'
import type { HttpCall } from '../http/http-call.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { getParameter, type Parameters } from '../http/parameters.ts'
import { requestFacts } from '../http/request-context.ts'
import { pkceChallenge, equalInConstantTime } from '../shared/crypto.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import { parseTokenOf } from '../shared/token-format.ts'
import { answer, type BackChannelRequest, type IntakeDeps, refuse, takeIn } from './back-channel.ts'
import type { ClientDirectory } from './client-authentication.ts'
import type { IssueIdToken } from './id-token.ts'
import { grantTypesOf, type GrantType, termsFor, type TokenSettings } from './policy.ts'
import { assertScopes, parseScopeList, type ScopeExists } from './scope-list.ts'

/** What the token endpoint tells the event log. */
export interface TokenEvents {
  tokenIssued(facts: {
    appId: string
    accountId: string | undefined
    grantId: string
    grantType: GrantType
    requestId: string
    address: string
  }): void
  tokenRefreshed(facts: {
    appId: string
    accountId: string | undefined
    grantId: string
    how: 'kept' | 'rotated' | 'repeated'
    /**
     * A replaced token came back within the grace, from another network than the one that has its
     * successor.
     */
    isFromElsewhere: boolean
    requestId: string
    address: string
  }): void
  familyRevoked(facts: {
    appId: string
    accountId: string | undefined
    grantId: string
    reason: 'code_replay' | 'refresh_reuse' | 'client'
    requestId: string
    address: string
  }): void
}

export interface TokenRouteDeps {
  grants: Grants
  clients: ClientDirectory
  /** Returns whether an account is active and its grants of that generation count. */
  admitsGrant: (accountId: string, generation: number) => Promise<boolean>
  scopeExists: ScopeExists
  issueIdToken: IssueIdToken
  settings: TokenSettings
  /** The admin API as tokens name it (RFC 8707). */
  adminAudience: string
  limits: Omit<IntakeDeps, 'clients'>
  events: TokenEvents
}

/** What redeeming needs. */
export type RedemptionDeps = Pick<
  TokenRouteDeps,
  'grants' | 'scopeExists' | 'settings' | 'adminAudience'
>

type Redemption = (request: BackChannelRequest, deps: RedemptionDeps) => Promise<Issued | Refused>

const REDEMPTIONS: Record<GrantType, Redemption> = {
  authorization_code: exchangeCode,
  refresh_token: exchangeRefreshToken,
  client_credentials: exchangeCredentials,
}

const isGrantType = (text: string): text is GrantType => Object.hasOwn(REDEMPTIONS, text)

function grantTypeOf(parameters: Parameters): GrantType {
  const grantType = getParameter(parameters, 'grant_type')
  if (isGrantType(grantType)) return grantType
  throw new AppError(grantType === 'password' ? 'grant_type_password' : 'grant_type_unsupported')
}

/** Creates the token endpoint. */
export function createTokenEndpoint(deps: TokenRouteDeps): Endpoint {
  const intake = { clients: deps.clients, ...deps.limits }
  return async function issueTokens(call) {
    const request = await takeIn(call, intake, grantTypeOf)
    try {
      await issue(call, request, deps)
    } catch (error) {
      throw error instanceof AppError ? refuse(error, request.app) : error
    }
  }
}

/**
 * Redeems what an app that has proved itself presents.
 *
 * @throws {AppError} where the request cannot be taken to the store at all
 */
export function redeem(
  grantType: GrantType,
  request: BackChannelRequest,
  deps: RedemptionDeps,
): Promise<Issued | Refused> {
  const { app } = request
  if (!grantTypesOf(app).includes(grantType)) throw new AppError(whyNot(grantType, app))
  return REDEMPTIONS[grantType](request, deps)
}

function whyNot(grantType: GrantType, app: App): ErrorCode {
  if (grantType !== 'client_credentials') return 'grant_not_allowed'
  if (!isConfidential(app)) return 'client_not_confidential'
  return canActForItself(app.type) ? 'client_credentials_off' : 'grant_not_allowed'
}

async function issue(call: HttpCall, request: BackChannelRequest, deps: TokenRouteDeps) {
  const { app, parameters } = request
  const grantType = grantTypeOf(parameters)
  const outcome = await redeem(grantType, request, deps)
  const facts = requestFacts(call)
  if (outcome.kind === 'refused') {
    if (outcome.revoked !== undefined)
      deps.events.familyRevoked({
        appId: app.id,
        accountId: outcome.revoked.accountId,
        grantId: outcome.revoked.id,
        reason: outcome.because ?? 'refresh_reuse',
        ...facts,
      })
    throw new AppError(outcome.reason, {
      ...(outcome.about !== undefined && { about: outcome.about }),
      ...(outcome.reason === 'temporarily_unavailable' && { retryAfterSeconds: 1 }),
    })
  }
  const members = await membersOrNothing(outcome, app, deps)
  const { accountId, id: grantId } = outcome.grant
  if (outcome.refresh === undefined)
    deps.events.tokenIssued({ appId: app.id, accountId, grantId, grantType, ...facts })
  else
    deps.events.tokenRefreshed({
      appId: app.id,
      accountId,
      grantId,
      how: outcome.refresh,
      isFromElsewhere: outcome.isFromElsewhere === true,
      ...facts,
    })
  answer(call, members)
}

/**
 * Returns the members of the answer. Where they cannot be made now, what was issued is taken back:
 * the app will try again, and must not find that its code was used.
 *
 * @throws {AppError} `account_deactivated`, and what the stores throw
 */
async function membersOrNothing(outcome: Issued, app: App, deps: TokenRouteDeps) {
  const { accountId, id: grantId, accountGeneration = 0 } = outcome.grant
  try {
    // Checked after the commit and before the answer: tokens of an account that was shut down
    // meanwhile are never handed out.
    const isAdmitted =
      accountId === undefined || (await deps.admitsGrant(accountId, accountGeneration))
    if (isAdmitted) return await tokenAnswer(outcome, app, deps)
  } catch (error) {
    await deps.grants.takeBack(outcome)
    throw error
  }
  await deps.grants.revoke(grantId)
  throw new AppError('account_deactivated')
}

/** Returns the members of the answer (RFC 6749 §5.1). */
export async function tokenAnswer(
  outcome: Issued,
  app: App,
  deps: Pick<TokenRouteDeps, 'issueIdToken'>,
) {
  const { grant, code, accessToken } = outcome
  return {
    access_token: accessToken,
    refresh_token: outcome.refreshToken,
    token_type: 'Bearer',
    expires_in: outcome.expiresInSeconds,
    scope: outcome.scopes.join(' '),
    ...(code !== undefined &&
      grant.accountId !== undefined &&
      outcome.scopes.includes('openid') && {
        id_token: await deps.issueIdToken({
          appId: app.id,
          accountId: grant.accountId,
          accessToken,
          nonce: code.nonce,
          authTime: code.authTime,
        }),
      }),
  }
}

/** Whether a granted scope may still be issued: scopes can be taken from an app or leave the catalogue. */
const permits =
  (app: App, deps: RedemptionDeps) =>
  (scope: string, grant: Grant): boolean =>
    deps.scopeExists(scope, grant) && app.scopes.includes(scope)

async function exchangeCode({ app, parameters }: BackChannelRequest, deps: RedemptionDeps) {
  const codeText = getParameter(parameters, 'code')
  const redirectUri = getParameter(parameters, 'redirect_uri')
  const code = parseTokenOf('code', codeText)
  if (code === undefined) throw new AppError('code_malformed')
  const verifier = parameters.get('code_verifier')
  return deps.grants.redeem(
    code,
    app.id,
    termsFor(app, deps.settings),
    (record) => wrongRedemption(record, redirectUri, verifier),
    permits(app, deps),
  )
}

/** Says what is wrong with a redemption, if anything. */
function wrongRedemption(
  code: CodeRecord,
  redirectUri: string,
  verifier: string | undefined,
): ErrorCode | undefined {
  // RFC 6749 §4.1.3: ensure that the redirect_uri is identical to the one of the authorization request.
  if (code.redirectUri !== redirectUri) return 'redirect_uri_mismatch'
  if (code.codeChallenge === undefined)
    // RFC 9700 §2.1.1: a verifier without a challenge means that the challenge was taken out of the request on its way (PKCE downgrade).
    return verifier === undefined ? undefined : 'pkce_unexpected'
  if (verifier === undefined) return 'pkce_missing'
  // RFC 7636 §4.1: 43 to 128 characters. Which ones is left open, because clients in use send
  // others than the unreserved ones.
  if (verifier.length < 43 || verifier.length > 128) return 'pkce_verifier_malformed'
  // RFC 7636 §4.6: the server verifies code_verifier against the challenge.
  return equalInConstantTime(pkceChallenge(verifier), code.codeChallenge)
    ? undefined
    : 'pkce_mismatch'
}

async function exchangeRefreshToken(
  { app, parameters, address }: BackChannelRequest,
  deps: RedemptionDeps,
) {
  const presented = parseTokenOf('refresh', getParameter(parameters, 'refresh_token'))
  if (presented === undefined) throw new AppError('refresh_token_malformed')
  const scope = parameters.get('scope')
  return deps.grants.refresh(presented, {
    appId: app.id,
    terms: termsFor(app, deps.settings),
    scopes: scope === undefined ? undefined : parseScopeList(scope),
    isPermitted: permits(app, deps),
    isProven: isConfidential(app),
    ...(address !== undefined && { network: limitKey(address) }),
  })
}

async function exchangeCredentials({ app, parameters }: BackChannelRequest, deps: RedemptionDeps) {
  // There is no person behind such a token whom openid, profile or email could tell of.
  const allowed = app.scopes.filter((name) => deps.scopeExists(name) && !needsPerson(name))
  const scope = parameters.get('scope')
  const asked = scope === undefined ? allowed : parseScopeList(scope)
  assertScopes(asked, {
    exists: (name) => deps.scopeExists(name),
    isAllowed: (name) => app.scopes.includes(name) && !needsPerson(name),
  })
  if (asked.length === 0) throw new AppError('scope_missing')
  return deps.grants.issueToApp(
    app,
    asked,
    audienceOf(app, parameters, asked, deps.adminAudience),
    termsFor(app, deps.settings),
  )
}

/**
 * Reads the audience that a machine client asks for, as `resource` (RFC 8707 §2) or `audience`. An app without registered audiences may send
 * any, as generic connectors do, and gets a token that is not bound to one. A token with admin
 * scopes always names
 * its audience: what it was asked for, and without that the admin API alone. So none of another API
 * opens the
 * admin API, and an API that is shown one for the admin API can do nothing with it.
 */
function audienceOf(
  app: App,
  parameters: Parameters,
  scopes: readonly string[],
  adminAudience: string,
): readonly string[] | undefined {
  const asked = parameters.get('resource') ?? parameters.get('audience')
  const isForAdmin = scopes.some(isAdminScope)
  if (app.audiences.length === 0) return isForAdmin ? [asked ?? adminAudience] : undefined
  if (asked === undefined)
    return isForAdmin && app.audiences.includes(adminAudience) ? [adminAudience] : app.audiences
  if (!app.audiences.includes(asked)) throw new AppError('target_unknown')
  return [asked]
}
