// The rows of integrations. Invariants: a handle is there once; the client secret is encrypted and
// bound to its row, and only `clientSecret` gives it out.
import { type Selectable, sql, type Updateable } from 'kysely'
import type { Encryption, EncryptedPlace } from '../shared/encryption.ts'
import { newConnectionId } from '../shared/ids.ts'
import { Secret } from '../shared/secret.ts'
import { type Database, type OpenTransaction, withDatabase } from '../storage/database.ts'
import type { IntegrationRow } from '../storage/schema.ts'
import type { Integration, IntegrationSettings, IntegrationStatus } from './integration.ts'
import { writeWithdrawals } from './withdrawal-writes.store.ts'

/** The database as integrations need it. */
export interface IntegrationStore {
  find(id: string): Promise<Integration | undefined>
  findByHandle(handle: string): Promise<Integration | undefined>
  list(): Promise<Integration[]>
  /**
   * Inserts one in an open transaction; one of client credentials with its only connection, which
   * is the company's.
   *
   * @throws a unique violation where the handle is taken
   */
  insert(
    transaction: OpenTransaction,
    integration: Integration,
    clientSecret: Secret<string> | undefined,
  ): Promise<void>
  /**
   * Writes the settings if the version is still that one, which goes up by one. With a new client
   * secret, or other settings, a misconfigured integration is active again.
   *
   * @returns whether it was
   */
  update(
    id: string,
    version: number,
    change: { settings: IntegrationSettings; clientSecret?: Secret<string> | undefined; at: Date },
  ): Promise<boolean>
  /** Returns the client secret, in clear. */
  clientSecret(id: string): Promise<Secret<string> | undefined>
  /**
   * Sets the status, if it is one of `from`.
   *
   * @returns whether this call changed it
   */
  setStatus(
    id: string,
    change: {
      from: readonly IntegrationStatus[]
      to: IntegrationStatus
      reason: string | undefined
      nextProbeAt?: Date | undefined
      at: Date
    },
  ): Promise<boolean>
  /**
   * Takes the one try that a misconfigured integration has at that time, and sets the next.
   *
   * @returns whether this call has it
   */
  takeProbe(id: string, now: Date, next: Date): Promise<boolean>
  countConnections(id: string): Promise<number>
  /**
   * Removes it with its connections and their credentials; tokens are withdrawn later. Returns
   * whether there was one.
   */
  remove(id: string, at: Date): Promise<boolean>
}

const secretPlace = (id: string): EncryptedPlace => ({
  table: 'integrations',
  column: 'client_secret',
  rowId: id,
})

/** Makes an integration of its row. */
export const toIntegration = (row: Selectable<IntegrationRow>): Integration => ({
  id: row.id,
  handle: row.handle,
  name: row.name,
  providerKey: row.provider_key,
  kind: row.kind,
  clientId: row.client_id ?? undefined,
  hasClientSecret: row.encrypted_client_secret !== null,
  scopes: row.scopes,
  requiredScopes: row.required_scopes,
  audience: row.audience ?? undefined,
  parameters: row.parameters,
  config: row.config,
  ownerKinds: row.owner_kinds,
  trustedApps: row.trusted_apps,
  returnAddresses: row.return_addresses,
  proxyHosts: row.proxy_hosts,
  proxyMethods: row.proxy_methods,
  status: row.status,
  statusReason: row.status_reason ?? undefined,
  statusSince: row.status_since,
  nextProbeAt: row.next_probe_at ?? undefined,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const settingColumns = (settings: IntegrationSettings) => ({
  name: settings.name,
  client_id: settings.clientId ?? null,
  scopes: JSON.stringify(settings.scopes),
  required_scopes: JSON.stringify(settings.requiredScopes),
  audience: settings.audience ?? null,
  parameters: JSON.stringify(settings.parameters),
  config: JSON.stringify(settings.config),
  owner_kinds: JSON.stringify(settings.ownerKinds),
  trusted_apps: JSON.stringify(settings.trustedApps),
  return_addresses: JSON.stringify(settings.returnAddresses),
  proxy_hosts: JSON.stringify(settings.proxyHosts),
  proxy_methods: JSON.stringify(settings.proxyMethods),
})

/**
 * Decrypts a client secret.
 *
 * @throws {Error} where it was moved, damaged, or its key is not configured
 */
export const decryptClientSecret = (
  encryption: Encryption,
  id: string,
  encrypted: string,
): Secret<string> => new Secret(encryption.decrypt(encrypted, secretPlace(id)))

/** Encrypts a client secret. */
export const encryptClientSecret = (
  encryption: Encryption,
  id: string,
  secret: Secret<string>,
): string => encryption.encrypt(secret.reveal(), secretPlace(id))

/** Decrypts the client secret of a row. */
export const clientSecretOf = (
  { id, encrypted_client_secret: encrypted }: Selectable<IntegrationRow>,
  encryption: Encryption,
): Secret<string> | undefined =>
  encrypted === null ? undefined : decryptClientSecret(encryption, id, encrypted)

/** Creates the store over the database. */
export function createIntegrationStore(db: Database, encryption: Encryption): IntegrationStore {
  const rowOf = (column: 'id' | 'handle', value: string) =>
    withDatabase(() =>
      db.selectFrom('integrations').selectAll().where(column, '=', value).executeTakeFirst(),
    )
  const encryptSecret = (id: string, secret: Secret<string>): string =>
    encryptClientSecret(encryption, id, secret)
  return {
    async find(id) {
      const row = await rowOf('id', id)
      return row && toIntegration(row)
    },
    async findByHandle(handle) {
      const row = await rowOf('handle', handle)
      return row && toIntegration(row)
    },
    async clientSecret(id) {
      const row = await rowOf('id', id)
      return row && clientSecretOf(row, encryption)
    },

    list: () =>
      withDatabase(async () => {
        const rows = await db.selectFrom('integrations').selectAll().orderBy('handle').execute()
        return rows.map(toIntegration)
      }),

    async insert(transaction, integration, clientSecret) {
      const { id, createdAt: at } = integration
      await transaction
        .insertInto('integrations')
        .values({
          id,
          handle: integration.handle,
          provider_key: integration.providerKey,
          kind: integration.kind,
          ...settingColumns(integration),
          encrypted_client_secret:
            clientSecret === undefined ? null : encryptSecret(id, clientSecret),
          status: integration.status,
          status_since: at,
          created_at: at,
          updated_at: at,
        })
        .execute()
      if (integration.kind === 'client_credentials') await insertOwn(transaction, integration)
    },

    update: (id, version, { settings, clientSecret, at }) =>
      withDatabase(async () => {
        const columns: Updateable<IntegrationRow> = {
          ...settingColumns(settings),
          ...(clientSecret && { encrypted_client_secret: encryptSecret(id, clientSecret) }),
        }
        const updated = await db
          .updateTable('integrations')
          .set((eb) => ({
            ...columns,
            status: sql`case status when 'misconfigured' then 'active' else status end`,
            status_reason: sql`case status when 'misconfigured' then null else status_reason end`,
            status_since: sql`
              case status when 'misconfigured' then ${at}::timestamptz else status_since end`,
            next_probe_at: null,
            version: eb('version', '+', 1),
            updated_at: at,
          }))
          .where('id', '=', id)
          .where('version', '=', version)
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    setStatus: (id, { from, to, reason, nextProbeAt, at }) =>
      withDatabase(async () => {
        const updated = await db
          .updateTable('integrations')
          .set({
            status: to,
            status_reason: reason ?? null,
            status_since: at,
            next_probe_at: nextProbeAt ?? null,
            updated_at: at,
          })
          .where('id', '=', id)
          .where('status', 'in', from)
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    takeProbe: (id, now, next) =>
      withDatabase(async () => {
        const taken = await db
          .updateTable('integrations')
          .set({ next_probe_at: next })
          .where('id', '=', id)
          .where('status', '=', 'misconfigured')
          .where((eb) => eb.or([eb('next_probe_at', 'is', null), eb('next_probe_at', '<=', now)]))
          .executeTakeFirst()
        return taken.numUpdatedRows > 0n
      }),

    countConnections: (id) =>
      withDatabase(async () => {
        const { count } = await db
          .selectFrom('connections')
          .select((eb) => eb.fn.countAll<string>().as('count'))
          .where('integration_id', '=', id)
          .executeTakeFirstOrThrow()
        return Number(count)
      }),

    remove: (id, at) => withDatabase(() => removeIntegration(db, id, at)),
  }
}

async function removeIntegration(db: Database, id: string, at: Date): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const locked = await trx
      .selectFrom('connections')
      .select('id')
      .where('integration_id', '=', id)
      .forUpdate()
      .execute()
    const ids = locked.map((one) => one.id)
    await writeWithdrawals(trx, ids, 'integration_deleted', at)
    const removed = await trx.deleteFrom('integrations').where('id', '=', id).executeTakeFirst()
    return removed.numDeletedRows > 0n
  })
}

/** The connection of an integration that gets tokens for the company itself. */
async function insertOwn(
  transaction: OpenTransaction,
  { id, createdAt: at, scopes }: Integration,
): Promise<void> {
  await transaction
    .insertInto('connections')
    .values({
      id: newConnectionId(),
      integration_id: id,
      owner_kind: 'company',
      owner_id: '',
      external_id: '',
      granted_scopes: JSON.stringify(scopes),
      missing_scopes: '[]',
      config: '{}',
      status: 'active',
      status_since: at,
      created_at: at,
      updated_at: at,
    })
    .execute()
}
