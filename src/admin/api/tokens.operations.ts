// The operations on tokens: look into one, end what it stands for, report one that leaked. Tokens
// come in bodies only: addresses end up in logs.
import type { LeakOutcome, RevokeOutcome, TokenService, TokenInspection } from '../token-service.ts'
import {
  BEGUN,
  type Call,
  done,
  type ApiResource,
  createResource,
  type OperationRow,
  refused,
  type Reply,
} from './operation.ts'
import {
  answer,
  boolean,
  input,
  listOf,
  timestamp,
  choice,
  orNull,
  ref,
  type Schema,
  text,
} from './schema.ts'

const SCOPE = 'admin:tokens:write'
const TOKEN = text('A token, code or client secret.', { format: 'password' })
const ONE = input({ token: TOKEN }, ['token'])
const REPORT = input({ token: TOKEN, revoke: boolean('Whether to end it.', { default: true }) }, [
  'token',
])
const WHAT = text('Like `access token` or `client secret`.')

const SCHEMAS: Readonly<Record<string, Schema>> = {
  TokenInspection: answer({
    form: choice('`damaged` has a prefix of ours and a checksum that does not fit.', [
      'ours',
      'damaged',
      'foreign',
    ]),
    what: orNull(WHAT),
    alive: orNull(boolean('Whether it works right now; null where the form is not ours.')),
    reason: orNull(
      choice('Why it does not; `unknown` is expired, revoked, replaced or never issued here.', [
        'unknown',
        'app_inactive',
        'account_inactive',
      ]),
    ),
    app: orNull(answer({ id: text('The client id.'), name: text('The name of the app.') })),
    account_id: orNull(text('The account; null if the app acts for itself.')),
    grant_id: orNull(text('The authorization that it belongs to.')),
    secret_id: orNull(text('Which secret of the app it is.')),
    scopes: orNull(listOf({ type: 'string' })),
    audience: orNull(listOf({ type: 'string' })),
    issued_at: orNull(timestamp('When it was made.')),
    expires_at: orNull(timestamp('When it ends.')),
  }),
  TokenRevocation: answer({
    revoked: boolean('False where there was nothing alive to end.'),
    whole: boolean('False where one access token ended and its authorization lives on.'),
    grant_id: orNull(text('The authorization.')),
    app_id: orNull(text('Its app.')),
  }),
  LeakReport: answer({
    known: boolean('False where it ended long ago or was never issued here.'),
    what: orNull(WHAT),
    app_id: orNull(text('The app that it belongs to.')),
    account_id: orNull(text('The account that it belongs to.')),
    grant_id: orNull(text('The authorization that it belongs to.')),
    secret_id: orNull(text('Which secret of the app it is.')),
    was_live: boolean('Whether it worked until then.'),
    revoked: boolean('Whether it was ended with this report.'),
  }),
}

const showInspection = (found: TokenInspection): object => ({
  form: found.form,
  what: found.what ?? null,
  alive: found.isAlive ?? null,
  reason: found.reason ?? null,
  app: found.app ?? null,
  account_id: found.accountId ?? null,
  grant_id: found.grantId ?? null,
  secret_id: found.secretId ?? null,
  scopes: found.scopes ?? null,
  audience: found.audience ?? null,
  issued_at: found.issuedAt ?? null,
  expires_at: found.expiresAt ?? null,
})

const FOREIGN = refused([
  {
    field: 'token',
    rule: 'token-foreign',
    sentence:
      'This is not a token of this server: it is mistyped, cut off, or from another server.',
  },
])
const SECRET = refused([
  {
    field: 'token',
    rule: 'token-is-secret',
    sentence: 'This is a client secret: revoke it with its app, or report it as leaked.',
  },
])
const NO_GRANT = refused([
  { field: 'grantId', rule: 'grant-form', sentence: 'This is no id of an authorization.' },
])

function answerRevocation(outcome: RevokeOutcome, foreign: Reply): Reply {
  switch (outcome.kind) {
    case 'revoked': {
      const { whole, grantId, appId } = outcome
      return done({ revoked: true, whole, grant_id: grantId, app_id: appId })
    }
    case 'nothing_alive':
      return done({ revoked: false, whole: false, grant_id: null, app_id: null })
    case 'client_secret':
      return SECRET
    case 'foreign':
      return foreign
  }
}

function answerReport(outcome: LeakOutcome): Reply {
  const nothing = {
    known: false,
    what: null,
    app_id: null,
    account_id: null,
    grant_id: null,
    secret_id: null,
    was_live: false,
    revoked: false,
  }
  switch (outcome.kind) {
    case 'foreign':
      return FOREIGN
    case 'unknown':
      return done({ ...nothing, what: outcome.what })
    case 'secret':
    case 'token': {
      const { what, appId, wasLive, revoked } = outcome
      const own =
        outcome.kind === 'secret'
          ? { secret_id: outcome.secretId }
          : { grant_id: outcome.grantId, account_id: outcome.accountId ?? null }
      return done({
        ...nothing,
        known: true,
        what,
        app_id: appId,
        was_live: wasLive,
        revoked,
        ...own,
      })
    }
  }
}

interface Deps {
  service: TokenService
}

const tokenOf = (call: Call): string => String(call.input['token']).trim()

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'inspectToken',
    method: 'POST',
    path: '/tokens/inspect',
    summary: 'Show what a token is, and whether it works',
    scope: SCOPE,
    body: { kind: 'json', schema: ONE, checkedBy: 'schema' },
    answers: { 200: { description: 'What is known about it.', schema: ref('TokenInspection') } },
    handle: async ({ service }, call) =>
      done(showInspection(await service.inspect(tokenOf(call), call.by))),
  },
  {
    id: 'revokeToken',
    method: 'POST',
    path: '/tokens/revoke',
    summary: 'Revoke a token',
    description:
      'An access token alone; with a refresh token or a code the whole authorization (RFC 7009 §2.1).',
    scope: SCOPE,
    body: { kind: 'json', schema: ONE, checkedBy: 'schema' },
    answers: { 200: { description: 'What was revoked.', schema: ref('TokenRevocation') } },
    handle: async ({ service }, call) =>
      answerRevocation(await service.revoke(tokenOf(call), call.by), FOREIGN),
  },
  {
    id: 'reportLeak',
    method: 'POST',
    path: '/tokens/report',
    summary: 'Report a leaked token or secret',
    description:
      'Revokes it unless `revoke` is false: a secret alone, a token with its whole authorization. The checksum shows whether it is from this server.',
    scope: SCOPE,
    body: { kind: 'json', schema: REPORT, checkedBy: 'schema' },
    answers: { 200: { description: 'What it is.', schema: ref('LeakReport') } },
    async handle({ service }, call) {
      const options = { revoke: call.input['revoke'] !== false }
      return answerReport(await service.report(tokenOf(call), options, call.by))
    },
  },
  {
    id: 'revokeGrant',
    method: 'POST',
    path: '/grants/{grantId}/revoke',
    summary: 'Revoke an authorization with all its tokens',
    scope: SCOPE,
    inPath: { grantId: text('The id of the authorization.') },
    answers: { 200: { description: 'What was revoked.', schema: ref('TokenRevocation') } },
    errors: { 422: 'It is not the ID of an authorization.' },
    handle: async ({ service }, call) =>
      answerRevocation(await service.revokeGrant(call.path('grantId'), call.by), NO_GRANT),
  },
  {
    id: 'revokeTokensOfApp',
    method: 'POST',
    path: '/apps/{appId}/revoke-tokens',
    summary: 'Revoke all authorizations of an app, and the tokens that it got for itself',
    scope: SCOPE,
    inPath: { appId: text('The client id.') },
    answers: { 202: { description: 'Accepted; the revocation has begun.' } },
    async handle({ service }, call) {
      await service.revokeAllOfApp(call.path('appId'), call.by)
      return BEGUN
    },
  },
  {
    id: 'revokeTokensOfAccount',
    method: 'POST',
    path: '/accounts/{accountId}/revoke-tokens',
    summary: 'Revoke all authorizations and sessions of an account; its owner can sign in again',
    scope: SCOPE,
    inPath: { accountId: text('The account id.') },
    answers: { 202: { description: 'Accepted; the revocation has begun.' } },
    async handle({ service }, call) {
      await service.revokeAllOfAccount(call.path('accountId'), call.by)
      return BEGUN
    },
  },
]

/** Creates the operations. */
export const tokenOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Tokens',
    description: 'Tokens, authorizations and leaks.',
    schemas: SCHEMAS,
    operations: OPERATIONS,
  })
