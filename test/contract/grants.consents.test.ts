// Remembered consents on both databases: scopes add up, in any order, and forgetting records the
// revocation.
import { createConsentStore } from '../../src/grants/consent.store.ts'
import { createConsents, type Consents } from '../../src/grants/consents.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { createMovableClock } from './short-lived-stores.ts'

describe.each(DATABASES)('on $name', ({ open }) => {
  let database: OpenDatabase
  let consents: Consents
  const clock = createMovableClock()
  beforeAll(async () => {
    database = await open()
    consents = createConsents({ store: createConsentStore(database.db), clock })
  })
  afterAll(() => database[Symbol.asyncDispose]())

  async function newAccount(): Promise<string> {
    const id = newAccountId()
    const at = new Date()
    await database.db
      .insertInto('accounts')
      .values({
        id,
        email: `${id}@example.com`,
        email_key: `${id}@example.com`,
        name: null,
        password_hash: null,
        role: 'member',
        status: 'active',
        status_reason: null,
        created_at: at,
        updated_at: at,
      })
      .execute()
    return id
  }
  async function newApp(): Promise<string> {
    const id = newClientId()
    const at = new Date()
    await database.db
      .insertInto('apps')
      .values({
        id,
        name: 'App',
        description: null,
        type: 'web',
        logo_id: null,
        homepage_url: null,
        privacy_url: null,
        terms_url: null,
        owner_contact: null,
        environment: null,
        redirect_uris: '[]',
        scopes: '[]',
        audiences: '[]',
        require_pkce: false,
        rotate_refresh_tokens: false,
        sliding_refresh: false,
        access_ttl_seconds: null,
        refresh_ttl_seconds: null,
        status: 'active',
        status_reason: null,
        version: 1,
        created_at: at,
        updated_at: at,
      })
      .execute()
    return id
  }
  const jobsOf = (accountId: string) =>
    database.db
      .selectFrom('purge_jobs')
      .select(['kind', 'app_id', 'account_id', 'reason', 'attempts'])
      .where('account_id', '=', accountId)
      .execute()

  it('are nothing before, and add up', async () => {
    const [account, app] = [await newAccount(), await newApp()]
    expect(await consents.find(account, app)).toBeUndefined()
    await consents.remember(account, app, ['b', 'a', 'b'])
    expect(await consents.find(account, app)).toEqual(['a', 'b'])
    await consents.remember(account, app, ['c', 'a'])
    expect(await consents.find(account, app)).toEqual(['a', 'b', 'c'])
    expect(await consents.find(account, await newApp())).toBeUndefined()
    expect(await consents.find(await newAccount(), app)).toBeUndefined()
  })

  it('that are given at the same moment all count', async () => {
    const [account, app] = [await newAccount(), await newApp()]
    const scopes = Array.from({ length: 20 }, (_, at) => `scope:${String(at).padStart(2, '0')}`)
    await Promise.all(scopes.map((scope) => consents.remember(account, app, [scope])))
    expect(await consents.find(account, app)).toEqual(scopes)
  })

  it('of an app or account that is gone are refused by name', async () => {
    const [account, app] = [await newAccount(), await newApp()]
    await expect(consents.remember(account, newClientId(), ['a'])).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(consents.remember(newAccountId(), app, ['a'])).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('are forgotten together with the written-down end of the grants', async () => {
    const [account, app, other] = [await newAccount(), await newApp(), await newApp()]
    await consents.remember(account, app, ['a'])
    await consents.remember(account, other, ['a'])
    await consents.forget(account, app, 'user_disconnected')
    expect(await consents.find(account, app)).toBeUndefined()
    expect(await consents.find(account, other)).toEqual(['a'])
    expect(await jobsOf(account)).toEqual([
      {
        kind: 'connection',
        app_id: app,
        account_id: account,
        reason: 'user_disconnected',
        attempts: 0,
      },
    ])
  })

  it('of an app whose consent is never remembered are forgotten as well: it has grants', async () => {
    const [account, app] = [await newAccount(), await newApp()]
    await consents.forget(account, app, 'user_disconnected')
    expect(await jobsOf(account)).toHaveLength(1)
  })

  it('stay where the end of the grants cannot be written down', async () => {
    const [account, app] = [await newAccount(), await newApp()]
    await consents.remember(account, app, ['a'])
    await expect(consents.forget(account, app, null as unknown as string)).rejects.toThrow()
    expect(await consents.find(account, app)).toEqual(['a'])
    expect(await jobsOf(account)).toEqual([])
  })

  it('are listed by account, the latest first', async () => {
    const [account, one, two] = [await newAccount(), await newApp(), await newApp()]
    await consents.remember(account, one, ['a'])
    const first = new Date(clock())
    clock.move(60_000)
    await consents.remember(account, two, ['b'])
    clock.move(60_000)
    await consents.remember(account, one, ['c'])
    const list = await consents.listOfAccount(account)
    expect(list.map(({ appId, scopes }) => ({ appId, scopes }))).toEqual([
      { appId: one, scopes: ['a', 'c'] },
      { appId: two, scopes: ['b'] },
    ])
    expect(Math.abs((list[0]?.createdAt.getTime() ?? 0) - first.getTime())).toBeLessThan(1000)
    expect((list[0]?.updatedAt.getTime() ?? 0) - first.getTime()).toBeGreaterThanOrEqual(
      120_000 - 1000,
    )
    expect(await consents.listOfAccount(await newAccount())).toEqual([])
  })
})
