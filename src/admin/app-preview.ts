// Trying an app out: the real flow, run by an admin to see what the app would get. Invariants: what
// comes of it is ended before it is shown, and what is shown opens nothing; it counts only for the
// admin who began it; the app's own address is never called, and nothing is remembered for the app.
// Called by the console.
import { actsForUsers, type App } from '../model/app.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import type { EventContext, Events } from '../audit/events.ts'
import type { Grants } from '../grants/grants.ts'
import type { Preview, Previews } from '../grants/previews.ts'
import { AppError, type ErrorCode, ERRORS } from '../shared/errors.ts'
import { parseTokenOf } from '../shared/token-format.ts'
import { assertMay, assertMayHandOn, contextOf, type Operator } from './operator.ts'

type Members = Readonly<Record<string, unknown>>

/** Tokens that an app would get, or why it would get none. */
type TokenOutcome =
  | {
      kind: 'issued'
      grantId: string
      accessToken: string
      answer: Members
      introspection: Members
      idTokenClaims: Members | undefined
    }
  | { kind: 'refused'; reason: ErrorCode }

/** Issues in process what the token endpoint would issue; see oauth/token/in-process.ts. */
export interface PreviewTokens {
  redeemCode(
    app: App,
    request: { code: string; redirectUri: string; verifier: string },
  ): Promise<TokenOutcome>
  issueToApp(app: App, scopes: readonly string[]): Promise<TokenOutcome>
}

/** The parameters of a redirect, as the app would get them; a code is cut short. */
export type RedirectParameters = readonly (readonly [name: string, value: string])[]

/** How a preview ended. */
export type PreviewOutcome = { app: App; redirect: RedirectParameters | undefined } & (
  | { kind: 'issued'; answer: Members; introspection: Members; idTokenClaims: Members | undefined }
  | { kind: 'denied' }
  | { kind: 'refused'; reason: ErrorCode }
)

/** Runs previews; each throws `power_missing` for an operator who may not, and `not_found` where there is no such app, or none to try. */
export interface AppPreviews {
  /** Begins the flow of an app for people; returns where the browser goes on. */
  begin(
    appId: string,
    scopes: readonly string[],
    by: Operator,
  ): Promise<{ kind: 'begun'; url: string } | (PreviewOutcome & { kind: 'refused' })>
  /** Ends it with what came back. @throws {AppError} `preview_over` for anybody but who began it, and the second time */
  finish(query: URLSearchParams, by: Operator): Promise<PreviewOutcome>
  /** Runs the flow of a machine app. */
  runMachine(appId: string, scopes: readonly string[], by: Operator): Promise<PreviewOutcome>
}

const SHOWN_END = 4
const PREFIX = /^otesse_[a-z]{2}_/

/** Cuts a token short: its kind and its last characters, which are part of its checksum. */
const masked = (token: string): string =>
  `${PREFIX.exec(token)?.[0] ?? token.slice(0, 2)}…${token.slice(-SHOWN_END)}`

const SECRETS = ['access_token', 'refresh_token', 'id_token']
const maskedAnswer = (answer: Members): Members =>
  Object.fromEntries(
    Object.entries(answer)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        name,
        SECRETS.includes(name) && typeof value === 'string' ? masked(value) : value,
      ]),
  )

/** Creates the runner. */
export function createAppPreviews(deps: {
  previews: Previews
  apps: Pick<AppRegistry, 'get'>
  grants: Pick<Grants, 'revoke' | 'revokeAccess'>
  tokens: PreviewTokens
  authorizeUrl: string
  events: Pick<Events, 'appTried' | 'tokenIssued' | 'grantRevoked' | 'tokenRevoked'>
}): AppPreviews {
  const { previews, grants, tokens, events } = deps
  const contextFor = (by: Operator): EventContext => ({ ...contextOf(by), isPreview: true })

  async function target(appId: string, by: Operator, isMachine: boolean): Promise<App> {
    assertMay(by, 'admin:apps:write')
    const app = await deps.apps.get(appId)
    const isTried = isMachine ? app.type === 'machine' : actsForUsers(app.type)
    if (!isTried || app.status === 'deleted') throw new AppError('not_found', { detail: 'app' })
    assertMayHandOn(by, app)
    return app
  }

  function note(outcome: PreviewOutcome, by: Operator, grantId?: string): PreviewOutcome {
    const { app, kind } = outcome
    const reason = outcome.kind === 'refused' ? outcome.reason : undefined
    const facts = { appId: app.id, grantId, reason, outcome: kind }
    events.appTried(facts, contextFor(by))
    return outcome
  }

  async function redeemCode(
    { app, code, preview }: { app: App; code: string; preview: Preview },
    redirect: RedirectParameters,
    by: Operator,
  ): Promise<PreviewOutcome> {
    const { verifier, accountId } = preview
    const request = { code, redirectUri: previews.returnUri, verifier }
    const outcome = await tokens.redeemCode(app, request)
    if (outcome.kind === 'refused') return { app, redirect, ...outcome }
    const { answer, introspection, idTokenClaims, grantId } = outcome
    const facts = { appId: app.id, accountId, grantId, grantType: 'authorization_code' }
    events.tokenIssued(facts, contextFor(by))
    const shown = { answer: maskedAnswer(answer), introspection, idTokenClaims }
    return { kind: 'issued', app, redirect, ...shown }
  }

  return {
    async begin(appId, scopes, by) {
      const app = await target(appId, by, false)
      if (app.status !== 'active') {
        const reason = 'authorize_app_unknown'
        note({ kind: 'refused', app, redirect: undefined, reason }, by)
        return { kind: 'refused', app, redirect: undefined, reason }
      }
      const { id, nonce } = await previews.begin({ appId: app.id, accountId: by.id })
      const url = authorizeUrlOf(deps, app.id, scopes, { id, nonce })
      return { kind: 'begun', url }
    },

    async finish(query, by) {
      const state = query.get('state') ?? ''
      // Looked at before it is taken: nobody can end a preview of somebody else.
      const isOwn = (await previews.find(state))?.accountId === by.id
      const taken = isOwn ? await previews.take(state) : undefined
      if (taken === undefined) throw new AppError('preview_over')
      const { preview, grantId } = taken
      try {
        const app = await target(preview.appId, by, false)
        const redirect = redirectOf(query)
        const code = query.get('code')
        if (code === null) return note(withoutCode(app, redirect, query), by)
        // What the token endpoint finds out when the app proves itself.
        if (app.status !== 'active')
          return note({ kind: 'refused', app, redirect, reason: 'client_suspended' }, by, grantId)
        // A code of another flow, put in here by somebody, is not even looked at.
        if (grantId === undefined || parseTokenOf('code', code)?.grantId !== grantId)
          return note({ kind: 'refused', app, redirect, reason: 'code_unknown' }, by, grantId)
        return note(await redeemCode({ app, code, preview }, redirect, by), by, grantId)
      } finally {
        if (grantId !== undefined) {
          const { appId, accountId } = preview
          const revoked = await grants.revoke(grantId, { appId, accountId }, 'preview')
          if (revoked !== undefined)
            events.grantRevoked({ appId, accountId, grantId, reason: 'preview' }, contextFor(by))
        }
      }
    },

    async runMachine(appId, scopes, by) {
      const app = await target(appId, by, true)
      // What the token endpoint finds out when the app proves itself.
      if (app.status !== 'active')
        return note({ kind: 'refused', app, redirect: undefined, reason: 'client_suspended' }, by)
      const outcome = await tokens.issueToApp(app, scopes)
      if (outcome.kind === 'refused') return note({ app, redirect: undefined, ...outcome }, by)
      const { accessToken, answer, introspection, grantId } = outcome
      const facts = { appId: app.id, grantId }
      try {
        events.tokenIssued({ ...facts, grantType: 'client_credentials' }, contextFor(by))
        const shown = { answer: maskedAnswer(answer), introspection, idTokenClaims: undefined }
        return note({ kind: 'issued', app, redirect: undefined, ...shown }, by, grantId)
      } finally {
        // This token alone: those that the app has got for itself hang on the same grant.
        const presented = parseTokenOf('access', accessToken)
        if (presented !== undefined) await grants.revokeAccess(presented)
        events.tokenRevoked({ ...facts, reason: 'preview' }, contextFor(by))
      }
    },
  }
}

/** The address at which the flow of a preview begins. */
function authorizeUrlOf(
  { authorizeUrl, previews }: { authorizeUrl: string; previews: Pick<Previews, 'returnUri'> },
  clientId: string,
  scopes: readonly string[],
  { id, nonce }: { id: string; nonce: string },
): string {
  const url = new URL(authorizeUrl)
  const parameters = {
    client_id: clientId,
    redirect_uri: previews.returnUri,
    response_type: 'code',
    scope: scopes.join(' '),
    state: id,
    code_challenge: id,
    code_challenge_method: 'S256',
    // Who has allowed the app for themselves sees the page too.
    prompt: 'consent',
    ...(scopes.includes('openid') ? { nonce } : {}),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

const REDIRECTED = ['code', 'error', 'error_description', 'error_uri', 'request_id', 'state', 'iss']

function redirectOf(query: URLSearchParams): RedirectParameters {
  return REDIRECTED.flatMap((name) => {
    const value = query.get(name)
    if (value === null) return []
    return [[name, name === 'code' ? masked(value) : value] as const]
  })
}

function withoutCode(
  app: App,
  redirect: RedirectParameters,
  query: URLSearchParams,
): PreviewOutcome {
  const error = query.get('error') ?? ''
  if (error === 'access_denied') return { kind: 'denied', app, redirect }
  const reason = codeOf(query.get('error_uri') ?? '')
  return { kind: 'refused', app, redirect, reason }
}

/** Returns the reason of an error that came by redirect, which the address of its page names. */
function codeOf(errorUri: string): ErrorCode {
  const page = errorUri.slice(errorUri.lastIndexOf('/') + 1)
  return Object.hasOwn(ERRORS, page) ? (page as ErrorCode) : 'authorize_request_invalid'
}
