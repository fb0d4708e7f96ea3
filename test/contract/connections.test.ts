// Integrations, connections and their credentials on both databases: what is encrypted stays so,
// what is made again keeps its id, and nobody reaches what is another's.
import { sql } from 'kysely'
import { createConnectionStore } from '../../src/connections/connection.store.ts'
import { COMPANY, type NewConnection, type Owner } from '../../src/connections/connection.ts'
import { createEndingStore } from '../../src/connections/ending.store.ts'
import { createIntegrationStore } from '../../src/connections/integration.store.ts'
import { createReencryptStore } from '../../src/connections/reencrypt.store.ts'
import { createProviderStore } from '../../src/connections/provider.store.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { createRowEncryption } from '../../src/shared/encryption.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { anIntegration } from '../support/connections.ts'
import { DATABASES } from '../support/migrated-database.ts'

const AT = new Date(Date.UTC(2026, 0, 1))
const ADA: Owner = { kind: 'account', id: 'acc_ada' }
const encryption = createRowEncryption([new Secret('k'.repeat(43))])

const CRM = anIntegration(AT, {
  id: 'int_crm',
  handle: 'crm',
  name: 'CRM',
  providerKey: 'crm',
  clientId: 'client-there',
  scopes: ['leads'],
  ownerKinds: ['account', 'company'],
  proxyMethods: ['GET'],
})

const made = (change: Partial<NewConnection> = {}): NewConnection => ({
  integrationId: CRM.id,
  owner: ADA,
  establishedBy: 'acc_ada',
  externalId: 'there-1',
  externalLabel: 'ada@corp.example',
  grantedScopes: ['leads'],
  missingScopes: [],
  config: {},
  accessExpiresAt: AT,
  refreshExpiresAt: undefined,
  credentials: [
    { kind: 'oauth_access_token', name: '', value: new Secret('access-1'), expiresAt: AT },
    { kind: 'oauth_refresh_token', name: '', value: new Secret('refresh-1') },
  ],
  ...change,
})

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    await durable.db.deleteFrom('integrations').execute()
    await durable.db.transaction().execute((trx) => {
      return integrations().insert(trx, CRM, new Secret('secret-there'))
    })
  })
  afterAll(async () => {
    await durable[Symbol.asyncDispose]()
  })
  const integrations = () => createIntegrationStore(durable.db, encryption)
  const connections = () => createConnectionStore(durable.db, encryption)

  test('an integration comes back as it was, its secret alone and only when asked for', async () => {
    expect(await integrations().findByHandle('crm')).toEqual(CRM)
    expect((await integrations().clientSecret(CRM.id))?.reveal()).toBe('secret-there')
    expect(JSON.stringify(await integrations().list())).not.toContain('secret-there')
  })

  test('settings are written on the version that was read, and mend a misconfigured one', async () => {
    const store = integrations()
    const bad = { from: ['active'], to: 'misconfigured', reason: 'invalid_client', at: AT } as const
    expect(await store.setStatus(CRM.id, bad)).toBe(true)
    expect(await store.setStatus(CRM.id, bad)).toBe(false)
    const change = { settings: CRM, clientSecret: new Secret('better'), at: AT }
    expect(await store.update(CRM.id, 7, change)).toBe(false)
    expect(await store.find(CRM.id)).toMatchObject({ status: 'misconfigured' })
    expect(await store.update(CRM.id, 1, change)).toBe(true)
    expect(await store.find(CRM.id)).toEqual({ ...CRM, version: 2 })
    expect((await store.clientSecret(CRM.id))?.reveal()).toBe('better')
  })

  test('a connection is read with its integration and its credentials', async () => {
    const { id } = await connections().establish(made(), AT)
    const usable = await connections().findUsable(id)
    expect(usable?.connection).toEqual(await connections().find(id))
    expect(usable?.integration).toEqual(CRM)
    expect(usable?.clientSecret()?.reveal()).toBe('secret-there')
    expect(usable?.credential('oauth_refresh_token')?.reveal()).toBe('refresh-1')
    expect(usable?.credential('api_key')).toBeUndefined()
    const shown = usable?.credentials().map((one) => ({ ...one, value: one.value.reveal() }))
    expect(shown).toContainEqual({
      kind: 'oauth_access_token',
      name: '',
      value: 'access-1',
      expiresAt: AT,
    })
    expect(await connections().findUsable('con_none')).toBeUndefined()
  })

  test('connecting the same account again keeps the id and replaces every credential', async () => {
    const first = await connections().establish(made(), AT)
    const key = { kind: 'api_key', name: 'token', value: new Secret('key-1') } as const
    const again = await connections().establish(made({ credentials: [key] }), AT)
    expect(again).toMatchObject({ id: first.id, generation: 2, status: 'active' })
    const usable = await connections().findUsable(first.id)
    expect(usable?.credentials().map(({ kind }) => kind)).toEqual(['api_key'])
    const other = await connections().establish(made({ externalId: 'there-2' }), AT)
    expect(other.id).not.toBe(first.id)
    expect(await connections().listOf(ADA, CRM.id)).toHaveLength(2)
    expect(await connections().listOf(COMPANY)).toEqual([])
    expect(await integrations().countConnections(CRM.id)).toBe(2)
  })

  test('made again by its id, it takes another external account unless that has a connection', async () => {
    const first = await connections().establish(made(), AT)
    const second = await connections().establish(made({ externalId: 'there-2' }), AT)
    const moved = await connections().establish(made({ id: first.id, externalId: 'there-3' }), AT)
    expect(moved).toMatchObject({ id: first.id, externalId: 'there-3' })
    await expect(
      connections().establish(made({ id: first.id, externalId: second.externalId }), AT),
    ).rejects.toMatchObject({ code: 'already_exists' })
    expect(
      (await connections().findUsable(first.id))?.credential('oauth_access_token')?.reveal(),
    ).toBe('access-1')
  })

  test('nobody replaces or removes what is another’s', async () => {
    const { id } = await connections().establish(made(), AT)
    const eve: Owner = { kind: 'account', id: 'acc_eve' }
    for (const owner of [eve, COMPANY])
      await expect(connections().establish(made({ id, owner }), AT)).rejects.toMatchObject({
        code: 'not_found',
      })
    const endings = createEndingStore(durable.db)
    expect(await endings.remove(id, eve, 'disconnected', AT)).toBeUndefined()
    expect(await endings.remove(id, ADA, 'disconnected', AT)).toMatchObject({ id })
    expect(await connections().find(id)).toBeUndefined()
    expect(await durable.db.selectFrom('credentials').selectAll().execute()).toEqual([])
  })

  test('ten that connect the same account at once make one connection', async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, () => connections().establish(made(), AT)),
    )
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
  })

  test('nothing is readable in the rows, and values that change places do not decrypt', async () => {
    const { id } = await connections().establish(made(), AT)
    const other = await connections().establish(made({ externalId: 'there-2' }), AT)
    const rows = await durable.db.selectFrom('credentials').selectAll().execute()
    expect(JSON.stringify(rows)).not.toMatch(/access-1|refresh-1|secret-there/)
    const swap = (from: string, fromKind: string) =>
      sql`update credentials set encrypted_value =
            (select encrypted_value from credentials where connection_id = ${from} and kind = ${fromKind})
          where connection_id = ${id} and kind = 'oauth_access_token'`.execute(durable.db)
    for (const [from, kind] of [
      [other.id, 'oauth_access_token'],
      [id, 'oauth_refresh_token'],
    ] as const) {
      await swap(from, kind)
      const usable = await connections().findUsable(id)
      expect(() => usable?.credential('oauth_access_token')).toThrow()
    }
  })

  test('everything is encrypted anew under a new key, also after a run that was cut off', async () => {
    const [older, newer] = [new Secret('o'.repeat(43)), new Secret('n'.repeat(43))]
    const storeWith = (...keys: Secret<string>[]) =>
      createConnectionStore(durable.db, createRowEncryption(keys))
    const reencryption = createReencryptStore(durable.db, createRowEncryption([newer, older]))
    await durable.db.deleteFrom('integrations').execute()
    await durable.db.transaction().execute((trx) => {
      const old = createIntegrationStore(durable.db, createRowEncryption([older]))
      return old.insert(trx, CRM, new Secret('secret-there'))
    })
    const ids: string[] = []
    for (let at = 0; at < 40; at += 1)
      ids.push((await storeWith(older).establish(made({ externalId: `there-${at}` }), AT)).id)
    expect((await reencryption.count()).older).toBe(81)
    // Cut off after the first batch; what is connected meanwhile is under the new key.
    expect(await reencryption.reencrypt(10)).toBe(10)
    await storeWith(newer, older).establish(made({ id: ids[39], externalId: 'there-39' }), AT)
    const again = async () => {
      while ((await reencryption.reencrypt(7)) > 0);
    }
    await Promise.all([again(), again()])
    expect((await reencryption.count()).older).toBe(0)
    for (const id of ids) {
      const usable = await storeWith(newer).findUsable(id)
      expect(usable?.credential('oauth_refresh_token')?.reveal()).toBe('refresh-1')
      expect(usable?.clientSecret()?.reveal()).toBe('secret-there')
    }
  })

  test('providers of admins are kept, replaced and removed', async () => {
    const store = createProviderStore(durable.db)
    const provider = { key: 'crm', name: 'CRM', kind: 'keys' } as const satisfies Provider
    expect(await store.replace(provider, AT)).toBe(false)
    expect(await store.insert(provider, AT)).toBe(true)
    expect(await store.insert(provider, AT)).toBe(false)
    expect(await store.replace({ ...provider, name: 'Better' }, AT)).toBe(true)
    expect(await store.find('crm')).toEqual({ ...provider, name: 'Better' })
    expect(await store.list()).toHaveLength(1)
    expect(await store.remove('crm')).toBe(true)
    expect(await store.remove('crm')).toBe(false)
  })
})
