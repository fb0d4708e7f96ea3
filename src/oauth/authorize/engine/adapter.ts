// The engine's seven-method storage interface over our stores. The engine keeps login sessions and
// interactions here, and hands us each new authorization as a code to save; it never redeems,
// refreshes or revokes. Invariants: ids are hashed, no cookie value or code is stored in clear, and
// a model that the engine should not use fails loudly.
import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { Grant } from '../../../grants/grant.ts'
import type { IndexStore, RecordStore } from '../../../grants/family-store.ts'
import { type Clock, epochSeconds } from '../../../shared/clock.ts'
import { sha256 } from '../../../shared/crypto.ts'
import type { InspectToken } from '../../../model/token-status.ts'
import type { BeginAuthorization } from '../begin-authorization.ts'
import type { AdmitStranger } from '../stranger-limit.ts'
import { SELECT_ACCOUNT } from '../select-account.ts'
import { type LoginGeneration, requestGeneration } from './internals.ts'

/** What the adapter needs. */
export interface EngineAdapterDeps {
  records: RecordStore & IndexStore
  clock: Clock
  /**
   * Where the engine resumes an interaction; the stored record does not hold it, because it
   * contains the interaction's id.
   */
  resumeUrl: (uid: string) => string
  begin: BeginAuthorization
  /** Finds an account; logins count from its `sessionsFrom` on. */
  findAccount: (accountId: string) => Promise<{ sessionsFrom: number } | undefined>
  /** How long a login counts, however much it is used, in seconds. */
  sessionMaxSeconds: number
  findGrant: (grantId: string) => Promise<Grant | undefined>
  inspect: InspectToken
  admitStranger: AdmitStranger
}

const sessionKey = (id: string): string => `s:${sha256(id)}`
const sessionUidKey = (uid: string): string => `su:${sha256(uid)}`
/** What names a session to its owner; it opens nothing. */
export const sessionName = (uid: string): string => sha256(uid)
/** The mark of a session that was ended, by its name. */
export const endedSessionKey = (name: string): string => `se:${name}`
const endedKey = (uid: string): string => endedSessionKey(sessionName(uid))
const interactionKey = (uid: string): string => `i:${sha256(uid)}`

/** The index of an account's login sessions; members are record keys. */
export const sessionIndex = (accountId: string): string => `us:${accountId}`

/** Creates the factory that the engine calls with the name of each model. */
export function createEngineAdapter(deps: EngineAdapterDeps): (model: string) => Adapter {
  const adapters: Record<string, Partial<Adapter>> = {
    Session: sessionAdapter(deps),
    Interaction: interactionAdapter(deps),
    AuthorizationCode: codeAdapter(deps),
    AccessToken: accessTokenAdapter(deps),
    Grant: grantAdapter(deps),
  }
  return (model) => ({ ...refusing(model), ...adapters[model] })
}

/**
 * What is not implemented must not be reached: an engine upgrade that stores something new is
 * noticed at once.
 */
function refusing(model: string): Adapter {
  const refuse = (method: string) => () =>
    Promise.reject(new Error(`the engine must not use ${method} of ${model}`))
  return {
    upsert: refuse('upsert'),
    find: refuse('find'),
    findByUserCode: refuse('findByUserCode'),
    findByUid: refuse('findByUid'),
    consume: refuse('consume'),
    destroy: refuse('destroy'),
    revokeByGrantId: refuse('revokeByGrantId'),
  }
}

/** Returns from which generation of the account on logins count. */
const loginsCountFrom = async (
  { findAccount }: Pick<EngineAdapterDeps, 'findAccount'>,
  accountId: string,
): Promise<number> => (await findAccount(accountId))?.sessionsFrom ?? 0

const read = (text: string | undefined): AdapterPayload | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as AdapterPayload)

/** The engine's adapter of sessions, and how one is ended for good. */
interface SessionAdapter extends Partial<Adapter> {
  endUid(uid: string): Promise<void>
}

function sessionAdapter(deps: EngineAdapterDeps): SessionAdapter {
  const { records, clock, sessionMaxSeconds } = deps

  /**
   * Returns whether the session still counts; what was ended stays ended, whatever request writes
   * it back.
   */
  async function counts(stored: AdapterPayload): Promise<boolean> {
    const { accountId, uid, loginTs } = stored as AdapterPayload & { loginTs?: number }
    if (uid !== undefined && (await records.findRecord(endedKey(uid))) !== undefined) return false
    if (accountId === undefined) return true
    if (loginTs !== undefined && loginTs + sessionMaxSeconds <= epochSeconds(clock)) return false
    const { generation = 0 } = stored as LoginGeneration
    return generation >= (await loginsCountFrom(deps, accountId))
  }
  const counting = async (stored: AdapterPayload | undefined) =>
    stored !== undefined && (await counts(stored)) ? stored : undefined

  return {
    async upsert(id, payload, expiresIn = 0) {
      const { jti: _jti, ...stored } = payload
      const key = sessionKey(id)
      const ttlMillis = expiresIn * 1000
      const now = clock()
      await Promise.all([
        records.putRecord(key, JSON.stringify(stored), ttlMillis),
        payload.uid === undefined
          ? undefined
          : records.putRecord(sessionUidKey(payload.uid), key, ttlMillis),
        payload.accountId === undefined
          ? undefined
          : records.addToIndex(sessionIndex(payload.accountId), key, now + ttlMillis, now),
      ])
    },
    async find(id) {
      const stored = await counting(read(await records.findRecord(sessionKey(id))))
      return stored && { ...stored, jti: id }
    },
    async findByUid(uid) {
      const key = await records.findRecord(sessionUidKey(uid))
      return key === undefined ? undefined : counting(read(await records.findRecord(key)))
    },
    destroy: (id) => records.removeRecord(sessionKey(id)),
    endUid: (uid) => records.putRecord(endedKey(uid), '', sessionMaxSeconds * 1000),
  }
}

// A sign-in page that nobody has signed in on: anybody can open as many as they like. Afterwards
// the engine's own time counts.
const STRANGER_SECONDS = 600

function interactionAdapter(deps: EngineAdapterDeps): Partial<Adapter> {
  const { records, resumeUrl } = deps

  /** A login that waits here to be resumed counts no longer than a session would. */
  async function withoutEndedLogin(stored: AdapterPayload): Promise<AdapterPayload> {
    const login = stored.result?.['login'] as
      (LoginGeneration & { accountId: string; ts?: number }) | undefined
    if (login === undefined) return stored
    const countsFrom = await loginsCountFrom(deps, login.accountId)
    if ((login.generation ?? 0) >= countsFrom) return stored
    const { login: _login, ...result } = stored.result ?? {}
    return { ...stored, result }
  }
  return {
    async upsert(id, payload, expiresIn = 0) {
      const { jti: _jti, returnTo: _returnTo, session, ...stored } = payload
      const isStranger = session?.accountId === undefined && payload.result === undefined
      if (isStranger) deps.admitStranger()
      const seconds = isStranger ? Math.min(expiresIn, STRANGER_SECONDS) : expiresIn
      // The engine never reads the session's cookie value again; kept, it would open the session to
      // a reader of the store.
      const { cookie: _cookie, ...rest } = { cookie: undefined, ...session }
      // Which account to go on with is asked of whoever is signed in when the answer comes.
      const isTied = session !== undefined && payload.prompt?.name !== SELECT_ACCOUNT
      const value = { ...stored, ...(isTied && { session: rest }) }
      await records.putRecord(interactionKey(id), JSON.stringify(value), seconds * 1000)
    },
    async find(id) {
      const stored = read(await records.findRecord(interactionKey(id)))
      if (stored === undefined) return undefined
      return { ...(await withoutEndedLogin(stored)), jti: id, returnTo: resumeUrl(id) }
    },
    destroy: (id) => records.removeRecord(interactionKey(id)),
  }
}

function codeAdapter({ begin, clock }: EngineAdapterDeps): Partial<Adapter> {
  return {
    async upsert(id, payload, expiresIn = 0) {
      const { grantId, accountId, clientId, redirectUri, scope = '' } = payload
      if (
        grantId === undefined ||
        accountId === undefined ||
        clientId === undefined ||
        redirectUri === undefined
      )
        throw new Error('the engine saved a code without its grant')
      const now = epochSeconds(clock)
      const authTime = payload['authTime']
      await begin(
        { id: grantId, appId: clientId, accountId, scopes: scope.split(' '), createdAt: now },
        id,
        {
          redirectUri,
          expiresAt: now + expiresIn,
          ...(payload.codeChallenge === undefined ? {} : { codeChallenge: payload.codeChallenge }),
          ...(payload.nonce === undefined ? {} : { nonce: payload.nonce }),
          ...(typeof authTime === 'number' ? { authTime } : {}),
        },
        requestGeneration(),
      )
    },
  }
}

/** Read by userinfo. */
function accessTokenAdapter({ inspect }: EngineAdapterDeps): Partial<Adapter> {
  return {
    async find(id) {
      const token = await inspect(id)
      if (!token.active || token.kind !== 'access' || token.accountId === undefined)
        return undefined
      return {
        kind: 'AccessToken',
        jti: id,
        accountId: token.accountId,
        clientId: token.app.id,
        grantId: token.grantId,
        scope: token.scopes.join(' '),
        iat: token.issuedAt ?? 0,
        exp: token.expiresAt,
        ...(token.audience === undefined ? {} : { aud: [...token.audience] }),
      }
    },
  }
}

/** Read by userinfo; never written, because a grant is born with its code. */
function grantAdapter({ findGrant }: EngineAdapterDeps): Partial<Adapter> {
  return {
    async find(id) {
      const grant = await findGrant(id)
      if (grant?.accountId === undefined) return undefined
      return {
        kind: 'Grant',
        jti: id,
        accountId: grant.accountId,
        clientId: grant.appId,
        openid: { scope: grant.scopes.join(' ') },
      }
    },
  }
}
