// The operations on the accounts of people.
import type { Invited, OneTimeLink } from '../../accounts/account-links.ts'
import { type Account, ROLES } from '../../model/account.ts'
import type { Accounts, NewAccount } from '../../accounts/accounts.ts'
import type { ListAccountConnections } from '../account-connections.ts'
import type { AccountService } from '../account-service.ts'
import {
  ACCOUNT_CHANGE,
  ACCOUNT_SCHEMAS,
  INVITATION,
  NEW_ACCOUNT,
  REASON_BODY,
  showAccount,
  showLink,
} from './account-schemas.ts'
import { pageParameters } from './lists.ts'
import { wireName } from './members.ts'
import {
  type Answer,
  type Call,
  created,
  type Done,
  done,
  keeping,
  type ApiResource,
  createResource,
  type OperationRow,
  pageOf,
  type Reply,
} from './operation.ts'
import { versionToChange } from './preconditions.ts'
import {
  answer,
  boolean,
  choice,
  listOf,
  orNull,
  pageSchema,
  ref,
  text,
  timestamp,
} from './schema.ts'

const READ = 'admin:accounts:read'
const WRITE = 'admin:accounts:write'
const ONE = { accountId: text('The account id.') }
const ACCOUNT: Answer = { description: 'The account.', schema: ref('Account') }
const ACCOUNT_CONNECTIONS = answer({
  items: listOf(
    answer({
      grant_id: text('The authorization.'),
      app_id: text('The app.'),
      scopes: listOf(text('A scope.')),
      since: timestamp('When the user allowed it.'),
      last_used_at: orNull(timestamp('When an access token was used last.')),
      last_refreshed_at: orNull(timestamp('When it was refreshed last.')),
      ends_at: timestamp('When it ends unless it is refreshed.'),
    }),
  ),
  has_more: boolean('Whether there are more than are listed.'),
})
const LAST_ADMIN = { 409: 'This is the last active admin.' }

const shown = (account: Account) => done(showAccount(account), { version: account.version })
const placeOf = ({ id }: Account): string => `/accounts/${id}`

interface Deps {
  accounts: Pick<Accounts, 'list' | 'get'>
  service: AccountService
  connections: ListAccountConnections
}

const idOf = (call: Call): string => call.path('accountId')

async function list({ accounts }: Deps, call: Call): Promise<Reply> {
  const found = await accounts.list({
    search: call.text('search'),
    status: call.text('status') as Account['status'] | undefined,
    role: call.text('role') as Account['role'] | undefined,
    cursor: call.text('cursor'),
    limit: call.number('limit'),
  })
  return pageOf(found.accounts.map(showAccount), found.next)
}

async function listConnections({ accounts, connections }: Deps, call: Call): Promise<Reply> {
  const { id } = await accounts.get(idOf(call))
  const found = await connections(id)
  return done({
    items: found.connections.map((each) => ({
      grant_id: each.grantId,
      app_id: each.appId,
      scopes: each.scopes,
      since: each.since.toISOString(),
      last_used_at: each.lastUsedAt?.toISOString() ?? null,
      last_refreshed_at: each.lastRefreshedAt?.toISOString() ?? null,
      ends_at: each.endsAt.toISOString(),
    })),
    has_more: found.isMore,
  })
}

async function create({ service }: Deps, call: Call): Promise<Reply> {
  const given = call.input as unknown as NewAccount
  const outcome = await service.create(given, call.by, keeping(call, shownNew))
  return outcome.kind === 'refused' ? outcome : shownNew(outcome.account)
}

const shownNew = (account: Account): Done =>
  created(showAccount(account), { version: account.version, location: placeOf(account) })

async function invite({ service }: Deps, call: Call): Promise<Reply> {
  const given = call.input as unknown as NewAccount
  const outcome = await service.invite(given, call.by, keeping(call, invited))
  return outcome.kind === 'refused' ? outcome : invited(outcome)
}

const invited = ({ account, link }: Invited): Done =>
  created(
    { account: showAccount(account), link: showLink(link) },
    { version: account.version, location: placeOf(account) },
  )

async function update({ accounts, service }: Deps, call: Call): Promise<Reply> {
  const current = await accounts.get(idOf(call))
  const version = versionToChange(call.expected, current.version)
  if (version === undefined) return { kind: 'stale', version: current.version }
  const outcome = await service.update(current.id, version, call.input, call.by)
  if (outcome.kind === 'conflict') return { kind: 'stale', version: outcome.account.version }
  return outcome.kind === 'refused' ? outcome : shown(outcome.account)
}

async function reset({ service }: Deps, call: Call): Promise<Reply> {
  const shownLink = (link: OneTimeLink): Done =>
    created({ link: showLink(link) }, { location: `/accounts/${idOf(call)}` })
  return shownLink(await service.reset(idOf(call), call.by, keeping(call, shownLink)))
}

async function importAccounts({ service }: Deps, call: Call): Promise<Reply> {
  const format = call.contentType === 'text/csv' ? 'csv' : 'ndjson'
  const options = { format, dryRun: call.flag('dry_run') } as const
  const { problems, ...counts } = await service.import(call.lines, options, call.by)
  return done({
    ...counts,
    problems: problems.map(({ line, outcome }) => ({
      line,
      problems: outcome.problems.map((problem) => ({ ...problem, field: wireName(problem.field) })),
    })),
  })
}

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listAccounts',
    method: 'GET',
    path: '/accounts',
    summary: 'List accounts by e-mail',
    scope: READ,
    query: [
      { name: 'search', schema: text('Part of the e-mail or name, or a whole account ID.') },
      {
        name: 'status',
        schema: choice('Without it, both.', ['active', 'deactivated']),
      },
      { name: 'role', schema: choice('Without it, all.', [...ROLES]) },
      ...pageParameters(200),
    ],
    answers: { 200: { description: 'A page of accounts.', schema: pageSchema(ref('Account')) } },
    handle: list,
  },
  {
    id: 'createAccount',
    method: 'POST',
    path: '/accounts',
    summary: 'Create an account',
    scope: WRITE,
    body: { kind: 'json', schema: NEW_ACCOUNT, checkedBy: 'schema' },
    isRepeatable: true,
    isWhole: true,
    answers: { 201: ACCOUNT },
    handle: create,
  },
  {
    id: 'inviteAccount',
    method: 'POST',
    path: '/invitations',
    summary: 'Create an account and a one-time link with which its owner sets a password',
    scope: WRITE,
    body: { kind: 'json', schema: INVITATION, checkedBy: 'schema' },
    isRepeatable: true,
    isWhole: true,
    answers: {
      201: {
        description: 'The account and the link. The link is shown only this once.',
        schema: answer({ account: ref('Account'), link: ref('OneTimeLink') }),
      },
    },
    handle: invite,
  },
  {
    id: 'getAccount',
    method: 'GET',
    path: '/accounts/{accountId}',
    summary: 'Get an account',
    scope: READ,
    inPath: ONE,
    versioned: 'read',
    answers: { 200: ACCOUNT },
    handle: async ({ accounts }, call) => shown(await accounts.get(idOf(call))),
  },
  {
    id: 'updateAccount',
    method: 'PATCH',
    path: '/accounts/{accountId}',
    summary: 'Change the name or the role of an account',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: ACCOUNT_CHANGE, checkedBy: 'schema' },
    versioned: 'update',
    answers: { 200: ACCOUNT },
    errors: LAST_ADMIN,
    handle: update,
  },
  {
    id: 'resetAccount',
    method: 'POST',
    path: '/accounts/{accountId}/reset',
    summary: 'Create a link with which the owner sets a new password',
    description: 'Earlier links stop working.',
    scope: WRITE,
    inPath: ONE,
    isRepeatable: true,
    isWhole: true,
    answers: {
      201: {
        description: 'The link. It is shown only this once.',
        schema: answer({ link: ref('OneTimeLink') }),
      },
    },
    handle: reset,
  },
  {
    id: 'deactivateAccount',
    method: 'POST',
    path: '/accounts/{accountId}/deactivate',
    summary: 'Deactivate an account: all its tokens and sessions end at once',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: REASON_BODY, checkedBy: 'schema' },
    answers: { 200: ACCOUNT },
    errors: LAST_ADMIN,
    handle: async ({ service }, call) =>
      shown(await service.deactivate(idOf(call), String(call.input['reason']), call.by)),
  },
  {
    id: 'reactivateAccount',
    method: 'POST',
    path: '/accounts/{accountId}/reactivate',
    summary: 'Let the user sign in again; earlier tokens and sessions stay revoked',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: ACCOUNT },
    handle: async ({ service }, call) => shown(await service.reactivate(idOf(call), call.by)),
  },
  {
    id: 'endSessionsOfAccount',
    method: 'POST',
    path: '/accounts/{accountId}/end-sessions',
    summary: 'Sign the owner out everywhere; connected apps keep their access',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: ACCOUNT },
    handle: async ({ service }, call) => shown(await service.endSessions(idOf(call), call.by)),
  },
  {
    id: 'listConnectionsOfAccount',
    method: 'GET',
    path: '/accounts/{accountId}/connections',
    summary: 'List the live authorizations of an account, newest first',
    description: 'At most 200. The last use is up to 5 minutes behind.',
    scope: READ,
    inPath: ONE,
    answers: { 200: { description: 'The authorizations.', schema: ACCOUNT_CONNECTIONS } },
    handle: listConnections,
  },
  {
    id: 'importAccounts',
    method: 'POST',
    path: '/account-imports',
    summary: 'Create accounts from the rows of a file',
    description:
      'Existing accounts are left as they are, so an import can be repeated. A line that is refused does not stop the others. The whole file must arrive within a minute, so split a large one.',
    scope: WRITE,
    query: [
      {
        name: 'dry_run',
        schema: boolean('Look at everything and write nothing.', { default: false }),
      },
    ],
    body: {
      kind: 'lines',
      types: ['text/csv', 'application/x-ndjson'],
      description:
        'Rows with `email` and optionally `name`, `role` and `password_hash` (as other programs write it). The first line of CSV names the columns. A line has at most 64 KiB.',
    },
    answers: { 200: { description: 'The result.', schema: ref('ImportSummary') } },
    handle: importAccounts,
  },
]

/** Creates the operations. */
export const accountOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Accounts',
    description: 'User accounts.',
    schemas: ACCOUNT_SCHEMAS,
    operations: OPERATIONS,
  })
