// The rows of connections. Invariant: credentials change together with the generation of their
// connection, in one transaction; nobody reaches a connection of another owner.
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Provider } from '../providers/provider.ts'
import type { Encryption } from '../shared/encryption.ts'
import { AppError } from '../shared/errors.ts'
import { newConnectionId } from '../shared/ids.ts'
import type { Secret } from '../shared/secret.ts'
import {
  type Database,
  isUniqueViolation,
  type OpenTransaction,
  withDatabase,
} from '../storage/database.ts'
import type { ConnectionRow, IntegrationRow } from '../storage/schema.ts'
import {
  COMPANY,
  type Connection,
  type Credential,
  type CredentialKind,
  type NewConnection,
  type Owner,
} from './connection.ts'
import { decryptCredential, type StoredCredential, writeCredentials } from './credential.store.ts'
import type { Integration } from './integration.ts'
import { forgetWithdrawals } from './withdrawal-writes.store.ts'
import { clientSecretOf, toIntegration } from './integration.store.ts'

/** A connection with all that is needed to use it; values are decrypted when they are asked for. */
export interface UsableConnection {
  readonly connection: Connection
  readonly integration: Integration
  /** The provider, where an admin wrote it; those of the catalogue win over it. */
  readonly customProvider: Provider | undefined
  clientSecret(): Secret<string> | undefined
  credentials(): Credential[]
  hasCredential(kind: CredentialKind): boolean
  credential(kind: CredentialKind): Secret<string> | undefined
}

/** When an app used a connection last. */
export interface LastUse {
  readonly connectionId: string
  readonly appId: string
  readonly usedAt: Date
}

/** The database as connections need it. */
export interface ConnectionStore {
  find(id: string): Promise<Connection | undefined>
  /** Lists what an owner has, oldest first. */
  listOf(owner: Owner, integrationId?: string): Promise<Connection[]>
  /** Lists which apps used these connections when, the last use first. */
  listUses(ids: readonly string[]): Promise<LastUse[]>
  /** Reads a connection, its integration and its credentials in one trip. */
  findUsable(id: string): Promise<UsableConnection | undefined>
  /**
   * Writes a connection and its credentials, or replaces those of the connection that the owner has
   * with the same external account, which keeps its id.
   *
   * @throws {AppError} `not_found` where the connection to be made again is not the owner's,
   * `already_exists` where the external account belongs to another connection of the owner
   */
  establish(made: NewConnection, at: Date): Promise<Connection>
}

const idOf = (owner: Owner): string => (owner.kind === 'account' ? owner.id : '')

export const toConnection = (row: Selectable<ConnectionRow>): Connection => ({
  id: row.id,
  integrationId: row.integration_id,
  owner: row.owner_kind === 'account' ? { kind: 'account', id: row.owner_id } : COMPANY,
  establishedBy: row.established_by ?? undefined,
  externalId: row.external_id === '' ? undefined : row.external_id,
  externalLabel: row.external_label ?? undefined,
  grantedScopes: row.granted_scopes,
  missingScopes: row.missing_scopes,
  config: row.config,
  status: row.status,
  statusReason: row.status_reason ?? undefined,
  statusSince: row.status_since,
  accessExpiresAt: row.access_expires_at ?? undefined,
  refreshExpiresAt: row.refresh_expires_at ?? undefined,
  refreshFailures: row.refresh_failures,
  nextTryAt: row.next_try_at ?? undefined,
  lastRefreshedAt: row.last_refreshed_at ?? undefined,
  lastUsedAt: row.last_used_at ?? undefined,
  lastCheckedAt: row.last_checked_at ?? undefined,
  lastCheck: row.last_check ?? undefined,
  endingToldFor: row.ending_told_for ?? undefined,
  generation: row.generation,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

type UsableRow = Selectable<ConnectionRow> & {
  /** As JSON, where timestamps are texts. */
  integration: Selectable<IntegrationRow>
  definition: unknown
  stored: readonly StoredCredential[]
}

/** Creates the store over the database. */
export function createConnectionStore(db: Database, encryption: Encryption): ConnectionStore {
  return {
    find: (id) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('connections')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst()
        return row && toConnection(row)
      }),

    listOf: (owner, integrationId) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('connections')
          .selectAll()
          .where('owner_kind', '=', owner.kind)
          .where('owner_id', '=', idOf(owner))
          .$if(integrationId !== undefined, (query) =>
            query.where('integration_id', '=', integrationId ?? ''),
          )
          .orderBy('created_at')
          .orderBy('id')
          .execute()
        return rows.map(toConnection)
      }),

    listUses: (ids) =>
      withDatabase(async () => {
        if (ids.length === 0) return []
        const rows = await db
          .selectFrom('connection_uses')
          .select(['connection_id', 'app_id', 'used_at'])
          .where('connection_id', 'in', ids)
          .orderBy('used_at', 'desc')
          .execute()
        return rows.map((row) => ({
          connectionId: row.connection_id,
          appId: row.app_id,
          usedAt: row.used_at,
        }))
      }),

    findUsable: (id) => withDatabase(() => findUsable(db, encryption, id)),
    establish: (made, at) => withDatabase(() => establish(db, encryption, made, at)),
  }
}

async function findUsable(
  db: Database,
  encryption: Encryption,
  id: string,
): Promise<UsableConnection | undefined> {
  const { rows } = await sql<UsableRow>`
    select c.*, to_jsonb(i) as integration, p.definition, coalesce((
      select jsonb_agg(jsonb_build_object('kind', kind, 'name', name, 'value', encrypted_value,
        'expires', expires_at))
      from credentials where connection_id = c.id), '[]') as stored
    from connections c join integrations i on i.id = c.integration_id
    left join providers p on p.key = i.provider_key
    where c.id = ${id}`.execute(db)
  const [row] = rows
  return row && usableOf(row, encryption)
}

function usableOf(row: UsableRow, encryption: Encryption): UsableConnection {
  const { id, stored } = row
  const integration = withDates(row.integration)
  const open = (one: StoredCredential): Secret<string> => decryptCredential(encryption, id, one)
  return {
    connection: toConnection(row),
    integration: toIntegration(integration),
    customProvider: (row.definition ?? undefined) as Provider | undefined,
    clientSecret: () => clientSecretOf(integration, encryption),
    credentials: () =>
      stored.map((one) => ({
        kind: one.kind,
        name: one.name,
        value: open(one),
        expiresAt: one.expires === null ? undefined : new Date(one.expires),
      })),
    hasCredential: (kind) => stored.some((one) => one.kind === kind),
    credential(kind) {
      const found = stored.find((one) => one.kind === kind)
      return found && open(found)
    },
  }
}

const withDates = (row: Selectable<IntegrationRow>): Selectable<IntegrationRow> => ({
  ...row,
  status_since: new Date(row.status_since),
  next_probe_at: row.next_probe_at === null ? null : new Date(row.next_probe_at),
  created_at: new Date(row.created_at),
  updated_at: new Date(row.updated_at),
})

async function establish(
  db: Database,
  encryption: Encryption,
  made: NewConnection,
  at: Date,
): Promise<Connection> {
  const write = (): Promise<Connection> =>
    db.transaction().execute(async (trx) => {
      const row = await upsertConnection(trx, made, at)
      await trx.deleteFrom('credentials').where('connection_id', '=', row.id).execute()
      await forgetWithdrawals(trx, row)
      await writeCredentials(trx, encryption, row.id, made.credentials, at)
      return toConnection(row)
    })
  try {
    return await write()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    if (made.id !== undefined) throw new AppError('already_exists', { cause: error })
    // Somebody else connected the same account at the same moment: now it is there to be replaced.
    return await write()
  }
}

async function upsertConnection(
  trx: OpenTransaction,
  made: NewConnection,
  at: Date,
): Promise<Selectable<ConnectionRow>> {
  const ofOwner = trx
    .selectFrom('connections')
    .select('id')
    .where('integration_id', '=', made.integrationId)
    .where('owner_kind', '=', made.owner.kind)
    .where('owner_id', '=', idOf(made.owner))
    .forUpdate()
  const { id } = made
  const found =
    id === undefined
      ? await ofOwner.where('external_id', '=', made.externalId ?? '').executeTakeFirst()
      : await ofOwner.where('id', '=', id).executeTakeFirst()
  if (id !== undefined && found === undefined)
    throw new AppError('not_found', { detail: 'connection' })
  const columns = columnsOf(made, at)
  return found === undefined
    ? await trx
        .insertInto('connections')
        .values({ ...columns, id: newConnectionId(), created_at: at })
        .returningAll()
        .executeTakeFirstOrThrow()
    : await trx
        .updateTable('connections')
        .set((eb) => ({
          ...columns,
          generation: eb('generation', '+', 1),
          version: eb('version', '+', 1),
        }))
        .where('id', '=', found.id)
        .returningAll()
        .executeTakeFirstOrThrow()
}

const columnsOf = (made: NewConnection, at: Date) =>
  ({
    integration_id: made.integrationId,
    owner_kind: made.owner.kind,
    owner_id: idOf(made.owner),
    established_by: made.establishedBy ?? null,
    external_id: made.externalId ?? '',
    external_label: made.externalLabel ?? null,
    granted_scopes: JSON.stringify(made.grantedScopes),
    missing_scopes: JSON.stringify(made.missingScopes),
    config: JSON.stringify(made.config),
    status: 'active',
    status_reason: null,
    status_since: at,
    access_expires_at: made.accessExpiresAt ?? null,
    refresh_expires_at: made.refreshExpiresAt ?? null,
    refresh_failures: 0,
    next_try_at: null,
    // Work in the background looks at it first and finds out when it is due.
    due_at: at,
    last_refreshed_at: null,
    last_checked_at: made.lastCheck === undefined ? null : at,
    last_check: made.lastCheck ?? null,
    lease_until: null,
    updated_at: at,
  }) satisfies Partial<Insertable<ConnectionRow>>
