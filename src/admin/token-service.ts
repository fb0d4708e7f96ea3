// What admins do about tokens: look into one, end what one stands for, hand in one that was found
// where it must not be. Console, API and command line all come through here. Invariants: the text
// that is handed in goes nowhere but into look-ups by its hash, never into an event, a log or an
// error; what is not of our form costs no I/O; of any number of reports of one token one writes the
// event of its end.
import type { App } from '../model/app.ts'
import type { InspectToken } from '../model/token-status.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import type { RevocationReason } from '../audit/event-names.ts'
import type { Events } from '../audit/events.ts'
import { appFamily } from '../grants/app-tokens.ts'
import type { Grant } from '../grants/grant.ts'
import type { Grants } from '../grants/grants.ts'
import { type Clock, dateNow, SECOND } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { isGrantId, parseToken, type ParsedToken } from '../shared/token-format.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'
import { TOKEN_KINDS, type TokenForm, formOf } from './token-form.ts'

/** Everything that can be told of a text that looks like a token. */
export interface TokenInspection extends TokenForm {
  /** Absent where the form is not ours. */
  isAlive: boolean | undefined
  /** Why it is dead: `unknown` is expired, revoked, replaced or never issued here. */
  reason: 'unknown' | 'app_inactive' | 'account_inactive' | undefined
  /** Also of a dead token, as long as its family or its app is there. */
  app: Pick<App, 'id' | 'name'> | undefined
  accountId: string | undefined
  secretId: string | undefined
  scopes: readonly string[] | undefined
  audience: readonly string[] | undefined
  issuedAt: Date | undefined
  expiresAt: Date | undefined
}

/** What became of a revocation. */
export type RevokeOutcome =
  /** `whole` is false where one access token ended and its family lives on. */
  | { kind: 'revoked'; grantId: string; appId: string; whole: boolean }
  /** There is nothing alive that it could end. */
  | { kind: 'nothing_alive' }
  /** Not a token of ours by its form: mistyped, cut off, or somebody else's. */
  | { kind: 'foreign' }
  /** Client secrets are revoked with their app, or reported. */
  | { kind: 'client_secret' }

/** What a report of a leak came to. */
export type LeakOutcome =
  /** Its form or its checksum is not ours. */
  | { kind: 'foreign' }
  /** Of our form, but nothing is known by it: it ended long ago, or was invented. */
  | { kind: 'unknown'; what: string }
  | ({ kind: 'secret'; what: string; appId: string; secretId: string; wasLive: boolean } & Ended)
  | ({
      kind: 'token'
      what: string
      grantId: string
      appId: string
      accountId: string | undefined
      wasLive: boolean
    } & Ended)

interface Ended {
  /** Whether it has ended with this report, or with one that came at the same time. */
  revoked: boolean
}

/** Each throws `power_missing` for an operator without `admin:tokens:write`. */
export interface TokenService {
  /** Says what a text is that looks like a token, and its status. */
  inspect(text: string, by: Operator): Promise<TokenInspection>
  /** Ends what a token stands for: an access token alone, with a refresh token or a code the whole family (RFC 7009 §2.1). */
  revoke(text: string, by: Operator): Promise<RevokeOutcome>
  /** Ends a grant with every token of it. */
  revokeGrant(grantId: string, by: Operator): Promise<RevokeOutcome>
  /**
   * Ends all grants and sessions of an account: writes the job down and has it begun at once. The
   * account can sign in again.
   *
   * @throws {AppError} `not_found`
   */
  revokeAllOfAccount(accountId: string, by: Operator): Promise<void>
  /** Ends all grants of an app and the tokens that it got for itself, in the same way. @throws {AppError} `not_found` */
  revokeAllOfApp(appId: string, by: Operator): Promise<void>
  /**
   * Takes in a secret, token or code that was found where it must not be, and with `revoke` ends
   * it: a secret with the tokens that the app got for itself, a token with its whole family, also
   * where that very token is dead already, because whoever leaked it may have leaked its
   * successors. It needs no admin scope of the app: the holder of the text could act as the app.
   */
  report(text: string, options: { revoke: boolean }, by: Operator): Promise<LeakOutcome>
}

interface TokenServiceDeps {
  apps: Pick<AppRegistry, 'find' | 'get' | 'findBySecret' | 'revokeSecret'>
  accounts: { find(id: string): Promise<object | undefined> }
  grants: Pick<
    Grants,
    | 'find'
    | 'findAccess'
    | 'findRefresh'
    | 'findCode'
    | 'isGenuineRefresh'
    | 'revoke'
    | 'revokeAccess'
    | 'repeatRevocation'
  >
  inspect: InspectToken
  /**
   * End everything of an account or an app and write the purge job, in one transaction; return
   * whether there is such a one.
   */
  accountStore: { endAll(id: string, reason: string, at: Date): Promise<boolean> }
  appStore: { endAll(id: string, reason: string, at: Date): Promise<boolean> }
  /** Has the purgers of all processes look for jobs. */
  announce(topic: 'app' | 'account', id: string): Promise<void>
  clock: Clock
  events: Pick<
    Events,
    'leakReported' | 'grantRevoked' | 'grantsRevoked' | 'tokenRevoked' | 'secretRevoked'
  >
}

const SCOPE = 'admin:tokens:write'

/** Creates the service. */
export function createTokenService(deps: TokenServiceDeps): TokenService {
  return {
    async inspect(text, by) {
      assertMay(by, SCOPE)
      const form = formOf(text)
      const presented = parseToken(text)
      const known =
        presented !== undefined
          ? await inspectToken(deps, presented)
          : form.form === 'ours'
            ? await inspectSecret(deps, text)
            : {}
      return { ...NOTHING_KNOWN, ...form, ...known }
    },

    revoke: (text, by) => revokeText(deps, text, by),

    async revokeGrant(grantId, by) {
      assertMay(by, SCOPE)
      return isGrantId(grantId) ? revokeFamily(deps, grantId, by) : { kind: 'foreign' }
    },

    async revokeAllOfAccount(accountId, by) {
      assertMay(by, SCOPE)
      if ((await deps.accounts.find(accountId)) === undefined)
        throw new AppError('not_found', { detail: 'account' })
      await revokeAll(deps, { kind: 'account', accountId }, by)
    },
    async revokeAllOfApp(appId, by) {
      assertMay(by, SCOPE)
      await deps.apps.get(appId)
      await revokeAll(deps, { kind: 'app', appId }, by)
    },

    async report(text, options, by) {
      assertMay(by, SCOPE)
      const presented = parseToken(text)
      if (presented !== undefined)
        return reportToken(deps, presented, TOKEN_KINDS[presented.kind], options, by)
      return formOf(text).form === 'ours'
        ? reportSecret(deps, text, TOKEN_KINDS.secret, options, by)
        : { kind: 'foreign' }
    },
  }
}

async function revokeText(
  deps: TokenServiceDeps,
  text: string,
  by: Operator,
): ReturnType<TokenService['revoke']> {
  assertMay(by, SCOPE)
  const presented = parseToken(text)
  if (presented === undefined)
    return { kind: formOf(text).form === 'ours' ? 'client_secret' : 'foreign' }
  const live = presented.kind === 'access' ? await deps.grants.findAccess(presented) : undefined
  const grant = live?.grant ?? (await familyToEnd(deps, presented))
  if (grant === undefined) {
    // An earlier revocation may have failed before everybody was told of it.
    await deps.grants.repeatRevocation(presented)
    return { kind: 'nothing_alive' }
  }
  const { id: grantId, appId, accountId } = grant
  if (presented.kind !== 'access') return revokeFamily(deps, grantId, by)
  await deps.grants.revokeAccess(presented, 'admin', live?.access.expiresAt)
  deps.events.tokenRevoked({ grantId, appId, accountId, reason: 'admin' }, contextOf(by))
  return { kind: 'revoked', grantId, appId, whole: false }
}

/** Ends a family; whoever ended it first writes the event. */
async function end(
  deps: TokenServiceDeps,
  grantId: string,
  reason: RevocationReason,
  by: Operator,
) {
  const grant = await deps.grants.revoke(grantId, undefined, reason)
  if (grant !== undefined)
    deps.events.grantRevoked(
      { grantId, appId: grant.appId, accountId: grant.accountId, reason },
      contextOf(by),
    )
  return grant
}

async function revokeFamily(
  deps: TokenServiceDeps,
  grantId: string,
  by: Operator,
): Promise<RevokeOutcome> {
  const grant = await end(deps, grantId, 'admin', by)
  return grant === undefined
    ? { kind: 'nothing_alive' }
    : { kind: 'revoked', grantId, appId: grant.appId, whole: true }
}

/** Ends everything of an account or an app, by a job that whichever process is free carries out. */
async function revokeAll(
  deps: TokenServiceDeps,
  of: { kind: 'account'; accountId: string } | { kind: 'app'; appId: string },
  by: Operator,
): Promise<void> {
  const reason: RevocationReason = 'admin'
  const [store, id] =
    of.kind === 'account' ? [deps.accountStore, of.accountId] : [deps.appStore, of.appId]
  if (!(await store.endAll(id, reason, dateNow(deps.clock))))
    throw new AppError('not_found', { detail: of.kind })
  deps.events.grantsRevoked({ ...of, reason }, contextOf(by))
  await deps.announce(of.kind, id)
}

/** The grant by which a token of that kind still does something. */
async function liveGrant(
  deps: TokenServiceDeps,
  presented: ParsedToken,
): Promise<Grant | undefined> {
  switch (presented.kind) {
    case 'access':
      return (await deps.grants.findAccess(presented))?.grant
    case 'refresh': {
      const found = await deps.grants.findRefresh(presented)
      return found?.isCurrent === true ? found.grant : undefined
    }
    case 'code':
      return deps.grants.findCode(presented)
  }
}

/**
 * The grant whose token this is, or was. A refresh token proves itself, however old; of a dead
 * access token only the form is known, and that its family is there.
 */
async function familyOf(
  deps: TokenServiceDeps,
  presented: ParsedToken,
): Promise<Grant | undefined> {
  if (presented.kind === 'refresh' && !deps.grants.isGenuineRefresh(presented))
    // Invented, or made under a server key that has left: then only its stored hash proves it.
    return (await deps.grants.findRefresh(presented))?.grant
  return deps.grants.find(presented.grantId)
}

/** The family that ends with the token: a replaced refresh token means it as well. */
async function familyToEnd(
  deps: TokenServiceDeps,
  presented: ParsedToken,
): Promise<Grant | undefined> {
  switch (presented.kind) {
    case 'access':
      return undefined
    case 'refresh':
      return familyOf(deps, presented)
    case 'code':
      return deps.grants.findCode(presented)
  }
}

async function reportSecret(
  deps: TokenServiceDeps,
  text: string,
  what: string,
  options: { revoke: boolean },
  by: Operator,
): Promise<LeakOutcome> {
  const found = await deps.apps.findBySecret(text)
  if (found === undefined) {
    deps.events.leakReported({ kind: what, wasLive: false }, contextOf(by))
    return { kind: 'unknown', what }
  }
  const { app, secret, isLive: wasLive } = found
  const facts = { appId: app.id, secretId: secret.id, wasLive }
  deps.events.leakReported({ ...facts, kind: what }, contextOf(by))
  const outcome = { kind: 'secret', what, ...facts } as const
  if (!options.revoke || app.status === 'deleted') return { ...outcome, revoked: false }
  // The holder of the secret can act as the app already: ending it needs none of the app's admin
  // scopes.
  try {
    // With a secret anybody gets tokens of the app's own; the app gets new ones with its other
    // secret.
    await deps.apps.revokeSecret(app.id, secret.id, { endOwn: wasLive })
    deps.events.secretRevoked({ appId: app.id, secretId: secret.id }, contextOf(by))
    if (wasLive) await end(deps, appFamily(app.id), 'leaked', by)
  } catch (error) {
    // Another report of it came first.
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error
  }
  return { ...outcome, revoked: true }
}

async function reportToken(
  deps: TokenServiceDeps,
  presented: ParsedToken,
  what: string,
  options: { revoke: boolean },
  by: Operator,
): Promise<LeakOutcome> {
  const live = await liveGrant(deps, presented)
  const wasLive = live !== undefined
  const grant = live ?? (await familyOf(deps, presented))
  if (grant === undefined) {
    deps.events.leakReported({ kind: what, wasLive }, contextOf(by))
    // An earlier revocation may have failed before everybody was told of it.
    if (options.revoke) await deps.grants.repeatRevocation(presented)
    return { kind: 'unknown', what }
  }
  const { id: grantId, appId, accountId } = grant
  const facts = { grantId, appId, accountId, wasLive }
  deps.events.leakReported({ ...facts, kind: what }, contextOf(by))
  const revoked = options.revoke && endsFamily(presented, grant, wasLive)
  if (revoked) await end(deps, grantId, 'leaked', by)
  return { kind: 'token', what, ...facts, revoked }
}

async function inspectSecret(
  deps: TokenServiceDeps,
  text: string,
): Promise<Partial<TokenInspection>> {
  const found = await deps.apps.findBySecret(text)
  if (found === undefined) return { isAlive: false, reason: 'unknown' }
  const { app, secret, isLive } = found
  const works = isLive && app.status === 'active'
  return {
    isAlive: works,
    reason: works ? undefined : isLive ? 'app_inactive' : 'unknown',
    app: nameOf(app),
    secretId: secret.id,
    issuedAt: secret.createdAt,
    expiresAt: secret.expiresAt,
  }
}

async function inspectToken(
  deps: TokenServiceDeps,
  presented: ParsedToken,
): Promise<Partial<TokenInspection>> {
  const status =
    presented.kind === 'code'
      ? ({ active: false, reason: 'unknown' } as const)
      : await deps.inspect(presented.token)
  if (status.active) {
    const { app, accountId, scopes, audience, issuedAt, expiresAt } = status
    return {
      isAlive: true,
      app: nameOf(app),
      accountId,
      scopes,
      audience,
      issuedAt: issuedAt === undefined ? undefined : new Date(issuedAt * SECOND),
      expiresAt: new Date(expiresAt * SECOND),
    }
  }
  const live = presented.kind === 'code' ? await deps.grants.findCode(presented) : undefined
  const grant = live ?? (await familyOf(deps, presented))
  const app = grant && (await deps.apps.find(grant.appId))
  return {
    isAlive: live !== undefined,
    reason: live === undefined ? (status.reason as TokenInspection['reason']) : undefined,
    app: app && nameOf(app),
    accountId: grant?.accountId,
    scopes: live?.scopes,
  }
}

/**
 * Whether the whole family is lost with this token. A code that was used up lies in many histories
 * and opens nothing; an app's own tokens do not follow from one another, so that a dead one says
 * nothing of the others.
 */
const endsFamily = ({ kind }: ParsedToken, grant: Grant, wasLive: boolean): boolean =>
  wasLive || (kind !== 'code' && grant.accountId !== undefined)

const nameOf = ({ id, name }: App): Pick<App, 'id' | 'name'> => ({ id, name })

const NOTHING_KNOWN: Omit<TokenInspection, keyof TokenForm> = {
  isAlive: undefined,
  reason: undefined,
  app: undefined,
  accountId: undefined,
  secretId: undefined,
  scopes: undefined,
  audience: undefined,
  issuedAt: undefined,
  expiresAt: undefined,
}
