// The operations on connections of everybody. Invariant: no answer shows a credential.
import { CONNECTION_STATUSES, type ConnectionStatus } from '../../connections/connection.ts'
import type { ConnectionService, KnownConnection } from '../connection-service.ts'
import { pageParameters } from './lists.ts'
import {
  type Answer,
  type ApiResource,
  type Call,
  createResource,
  done,
  NOTHING_TO_SAY,
  type OperationRow,
  pageOf,
  type Reply,
} from './operation.ts'
import {
  answer,
  choice,
  listOf,
  orNull,
  pageSchema,
  ref,
  text,
  timestamp,
  whole,
} from './schema.ts'

const READ = 'admin:connections:read'
const WRITE = 'admin:connections:write'
const STATUS = choice('Expired: its owner must connect again.', CONNECTION_STATUSES)
const ONE = { connectionId: text('The id of the connection.') }
const CONNECTION: Answer = { description: 'The connection.', schema: ref('Connection') }
const PAGE = 200

interface Deps {
  service: ConnectionService
}

const idOf = (call: Call): string => call.path('connectionId')

const show = ({ connection, integration }: KnownConnection) => ({
  id: connection.id,
  integration: integration.handle,
  owner_kind: connection.owner.kind,
  account_id: connection.owner.kind === 'account' ? connection.owner.id : null,
  external_id: connection.externalId ?? null,
  external_label: connection.externalLabel ?? null,
  scopes: connection.grantedScopes,
  missing_scopes: connection.missingScopes,
  status: connection.status,
  status_reason: connection.statusReason ?? null,
  status_since: connection.statusSince,
  expires_at: connection.accessExpiresAt ?? null,
  last_refreshed_at: connection.lastRefreshedAt ?? null,
  last_used_at: connection.lastUsedAt ?? null,
  last_checked_at: connection.lastCheckedAt ?? null,
  last_check: connection.lastCheck ?? null,
  refresh_failures: connection.refreshFailures,
  created_at: connection.createdAt,
})

async function list({ service }: Deps, call: Call): Promise<Reply> {
  const accountId = call.text('account_id')
  const query = {
    integration: call.text('integration'),
    status: call.text('status') as ConnectionStatus | undefined,
    owners: accountId === undefined ? undefined : [accountId],
    cursor: call.text('cursor'),
    limit: call.number('limit') ?? PAGE,
  }
  const { connections, next } = await service.list(query, call.by)
  return pageOf(connections.map(show), next)
}

/** Does something with a connection and shows it. */
const acting =
  (act: (service: ConnectionService, id: string, call: Call) => Promise<unknown>) =>
  async ({ service }: Deps, call: Call): Promise<Reply> => {
    await act(service, idOf(call), call)
    return done(show(await service.get(idOf(call), call.by)))
  }

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listConnections',
    method: 'GET',
    path: '/connections',
    summary: 'List connections, newest first',
    scope: READ,
    query: [
      { name: 'integration', schema: text('The handle of an integration.') },
      { name: 'status', schema: STATUS },
      { name: 'account_id', schema: text('Those of one person.') },
      ...pageParameters(PAGE),
    ],
    answers: { 200: { description: 'One page.', schema: pageSchema(ref('Connection')) } },
    handle: list,
  },
  {
    id: 'getConnection',
    method: 'GET',
    path: '/connections/{connectionId}',
    summary: 'Get a connection',
    scope: READ,
    inPath: ONE,
    answers: { 200: CONNECTION },
    handle: acting((service, id, { by }) => service.get(id, by)),
  },
  {
    id: 'refreshConnection',
    method: 'POST',
    path: '/connections/{connectionId}/refresh',
    summary: 'Renew the access token now',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: CONNECTION },
    errors: {
      409: 'The provider refuses, or the connection is switched off.',
      503: 'The provider does not answer.',
    },
    handle: acting((service, id, { by }) => service.refresh(id, by)),
  },
  {
    id: 'checkConnection',
    method: 'POST',
    path: '/connections/{connectionId}/check',
    summary: 'Try a connection by the test call of its provider',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: CONNECTION },
    errors: {
      409: 'The provider refuses, or the connection is switched off.',
      503: 'The provider does not answer.',
    },
    handle: acting((service, id, { by }) => service.check(id, by)),
  },
  {
    id: 'disableConnection',
    method: 'POST',
    path: '/connections/{connectionId}/disable',
    summary: 'Keep apps from using a connection',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: CONNECTION },
    handle: acting((service, id, { by }) => service.disable(id, by)),
  },
  {
    id: 'enableConnection',
    method: 'POST',
    path: '/connections/{connectionId}/enable',
    summary: 'Let apps use a connection again',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: CONNECTION },
    handle: acting((service, id, { by }) => service.enable(id, by)),
  },
  {
    id: 'deleteConnection',
    method: 'DELETE',
    path: '/connections/{connectionId}',
    summary: 'Delete a connection with its credentials; the provider is told in the background',
    scope: WRITE,
    inPath: ONE,
    answers: { 204: { description: 'It is deleted.' } },
    handle: async ({ service }, call) => {
      await service.remove(idOf(call), call.by)
      return NOTHING_TO_SAY
    },
  },
]

/** Creates the operations. */
export const connectionOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Connections',
    description: 'What people and the company have connected.',
    schemas: {
      Connection: answer({
        id: text('The id.'),
        integration: text('The handle of its integration.'),
        owner_kind: choice('Whose it is.', ['account', 'company']),
        account_id: orNull(text('The account that owns it; null for the company.')),
        external_id: orNull(text('The account at the provider.')),
        external_label: orNull(text('How people recognize that account.')),
        scopes: listOf(text('One of them.'), 'What the provider granted.'),
        missing_scopes: listOf(text('One of them.'), 'What the provider did not grant.'),
        status: STATUS,
        status_reason: orNull(text('A code, such as refused_by_provider.')),
        status_since: timestamp('Since when.'),
        expires_at: orNull(timestamp('When the access token ends; null where nobody knows.')),
        last_refreshed_at: orNull(timestamp('When it was renewed last.')),
        last_used_at: orNull(timestamp('When an app used it last.')),
        last_checked_at: orNull(timestamp('When it was tried last.')),
        last_check: orNull(choice('What that showed.', ['ok', 'revoked', 'unknown'])),
        refresh_failures: whole('Failures since the provider answered last.'),
        created_at: timestamp('When it was made.'),
      }),
    },
    operations: OPERATIONS,
  })
