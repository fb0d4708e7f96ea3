// What admins do to connections of everybody, with audit events. Console, API and command line all
// come through here. Invariant: no admin is shown a credential.
import type { Events } from '../audit/events.ts'
import type {
  ConnectionAdminStore,
  ConnectionFilter,
  ConnectionQuery,
  StatusCounts,
} from '../connections/connection-admin.store.ts'
import type { ConnectionStore, LastUse, UsableConnection } from '../connections/connection.store.ts'
import type { EndingStore } from '../connections/ending.store.ts'
import type { Connection } from '../connections/connection.ts'
import type { Integration } from '../connections/integration.ts'
import type { IntegrationStore } from '../connections/integration.store.ts'
import type { ReencryptStore } from '../connections/reencrypt.store.ts'
import type { Refresher } from '../connections/refresh.ts'
import type { MatchCount } from '../model/list-order.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** A connection with its integration. */
export interface KnownConnection {
  readonly connection: Connection
  readonly integration: Integration
}

/** Filters name an integration by its handle. */
type ByHandle<Filter extends ConnectionFilter> = Omit<Filter, 'integrationId'> & {
  integration?: string | undefined
}

/** Each throws `power_missing` for an operator who may not, and `not_found` where there is none. */
export interface ConnectionService {
  /** Lists a page, newest first. @throws {AppError} `parameter_invalid` about `cursor` */
  list(
    query: ByHandle<ConnectionQuery>,
    by: Operator,
  ): Promise<{ connections: KnownConnection[]; next: string | undefined }>
  /** Counts what the list has on all pages. */
  count(filter: ByHandle<ConnectionFilter>, by: Operator): Promise<MatchCount>
  /** Counts the connections of integrations by state. */
  countByStatus(
    integrations: readonly Pick<Integration, 'id'>[],
    by: Operator,
  ): Promise<ReadonlyMap<string, StatusCounts>>
  get(id: string, by: Operator): Promise<KnownConnection>
  /** Lists which apps used these connections when, the last use first. */
  listUses(ids: readonly string[], by: Operator): Promise<LastUse[]>
  /** Renews the access token now. @throws {AppError} as `Refresher.live` */
  refresh(id: string, by: Operator): Promise<Connection>
  /** Tries it by the provider's own test call. @throws {AppError} as `Refresher.live` */
  check(id: string, by: Operator): Promise<Connection>
  /** Keeps apps from using it, until it is enabled. */
  disable(id: string, by: Operator): Promise<Connection>
  enable(id: string, by: Operator): Promise<Connection>
  /** Removes it with its credentials; the provider is told in the background. */
  remove(id: string, by: Operator): Promise<void>
  /**
   * Encrypts everything anew that an older key encrypts.
   *
   * @param onProgress hears how many values are done
   * @returns how many it encrypted
   */
  reencrypt(by: Operator, onProgress?: (done: number) => void): Promise<number>
}

interface ConnectionServiceDeps {
  all: ConnectionAdminStore
  endings: Pick<EndingStore, 'remove'>
  connections: Pick<ConnectionStore, 'find' | 'findUsable' | 'listUses'>
  integrations: Pick<IntegrationStore, 'find' | 'findByHandle' | 'list'>
  refresher: Pick<Refresher, 'renew'>
  check: (usable: UsableConnection) => Promise<unknown>
  reencryption: ReencryptStore
  events: Pick<
    Events,
    'connectionDisabled' | 'connectionEnabled' | 'connectionDeleted' | 'connectionsReencrypted'
  >
  clock: Clock
}

const BATCH = 500

/** Creates the service. */
export function createConnectionService(deps: ConnectionServiceDeps): ConnectionService {
  const { all, integrations, clock, events } = deps
  return {
    async list({ integration: handle, ...query }, by) {
      assertMay(by, 'admin:connections:read')
      const known = new Map((await integrations.list()).map((one) => [one.id, one]))
      const asked = [...known.values()].find((one) => one.handle === handle)
      if (handle !== undefined && asked === undefined) throw noIntegration()
      const { connections, next } = await all.list({ ...query, integrationId: asked?.id })
      return {
        connections: connections.flatMap((connection) => {
          const integration = known.get(connection.integrationId)
          return integration === undefined ? [] : [{ connection, integration }]
        }),
        next,
      }
    },
    async count({ integration: handle, ...filter }, by) {
      assertMay(by, 'admin:connections:read')
      const asked = handle === undefined ? undefined : await integrations.findByHandle(handle)
      if (handle !== undefined && asked === undefined) throw noIntegration()
      return all.count({ ...filter, integrationId: asked?.id })
    },
    async countByStatus(of, by) {
      assertMay(by, 'admin:connections:read')
      return all.countByStatus(of.map(({ id }) => id))
    },
    async listUses(ids, by) {
      assertMay(by, 'admin:connections:read')
      return deps.connections.listUses(ids)
    },
    get(id, by) {
      assertMay(by, 'admin:connections:read')
      return get(deps, id)
    },
    async refresh(id, by) {
      assertMay(by, 'admin:connections:write')
      const usable = await deps.connections.findUsable(id)
      if (usable === undefined) throw unknown()
      return (await deps.refresher.renew(usable)).connection
    },
    async check(id, by) {
      assertMay(by, 'admin:connections:write')
      const usable = await deps.connections.findUsable(id)
      if (usable === undefined) throw unknown()
      await deps.check(usable)
      return (await get(deps, id)).connection
    },
    async disable(id, by) {
      assertMay(by, 'admin:connections:write')
      const { integration, connection } = await get(deps, id)
      if (await all.disable(id, 'admin', dateNow(clock)))
        events.connectionDisabled(factsOf(connection, integration), contextOf(by))
      return (await get(deps, id)).connection
    },
    async enable(id, by) {
      assertMay(by, 'admin:connections:write')
      const { integration, connection } = await get(deps, id)
      if (await all.enable(id, dateNow(clock)))
        events.connectionEnabled(factsOf(connection, integration), contextOf(by))
      return (await get(deps, id)).connection
    },
    async remove(id, by) {
      assertMay(by, 'admin:connections:write')
      const { integration, connection } = await get(deps, id)
      if ((await deps.endings.remove(id, undefined, 'deleted', dateNow(clock))) !== undefined)
        events.connectionDeleted(factsOf(connection, integration), contextOf(by))
    },
    async reencrypt(by, onProgress) {
      assertMay(by, 'admin:keys:write')
      let done = 0
      for (let count = -1; count !== 0;) {
        count = await deps.reencryption.reencrypt(BATCH)
        done += count
        onProgress?.(done)
      }
      if (done > 0) events.connectionsReencrypted({ count: done }, contextOf(by))
      return done
    },
  }
}

async function get(
  { connections, integrations }: ConnectionServiceDeps,
  id: string,
): Promise<KnownConnection> {
  const connection = await connections.find(id)
  const integration = connection && (await integrations.find(connection.integrationId))
  if (connection === undefined || integration === undefined) throw unknown()
  return { connection, integration }
}

const unknown = (): AppError => new AppError('not_found', { detail: 'connection' })
const noIntegration = (): AppError => new AppError('not_found', { detail: 'integration' })

const factsOf = ({ id, owner }: Connection, { handle }: Integration) => ({
  accountId: owner.kind === 'account' ? owner.id : undefined,
  connection: id,
  integration: handle,
})
