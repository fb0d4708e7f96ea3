// Accounts on each real database: uniqueness under races, deactivation and its purge job in one
// transaction, the cache against real changes.
import { createAccountStore } from '../../src/accounts/account.store.ts'
import type { Account } from '../../src/model/account.ts'
import { createAccounts } from '../../src/accounts/accounts.ts'
import { createPasswords, type Passwords } from '../../src/accounts/passwords.ts'
import { createLocalInvalidation } from '../../src/storage/invalidation.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'

const PASSWORD = 'correct horse battery'
const NOW = Date.UTC(2026, 0, 5, 12, 30, 15, 123)

let passwords: Passwords
beforeAll(async () => {
  passwords = await createPasswords({ cost: { memoryKib: 1024, passes: 2, lanes: 1 } })
})

describe.each(DATABASES)('Accounts on $name', ({ open }) => {
  let database: OpenDatabase
  beforeAll(async () => {
    database = await open()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  /** Two processes on one database, joined by the invalidation channel. */
  function setUp() {
    const { db } = database
    const invalidation = createLocalInvalidation()
    const store = createAccountStore(db)
    const create = (with_ = store) =>
      createAccounts({ store: with_, passwords, clock: () => NOW, invalidation })
    const jobsOf = (id: string) =>
      db.selectFrom('purge_jobs').selectAll().where('account_id', '=', id).execute()
    return { db, store, accounts: create(), create, jobsOf }
  }

  let emails = 0
  const anEmail = (): string => `person${(emails += 1)}@example.com`

  test('An account is read as it was created', async () => {
    const { accounts, create } = setUp()
    const email = `Käthe${(emails += 1)}@Example.com`
    const created = await accounts.create({ email, name: "Käthe 'O' 🐄", role: 'admin' })
    expect(created.createdAt).toEqual(new Date(NOW))
    expect(await create().find(created.id)).toEqual(created)
    expect(await accounts.findByEmail(email.toUpperCase())).toEqual(created)
    const bare = await accounts.create({ email: anEmail() })
    expect(await create().find(bare.id)).toEqual(bare)
    expect(bare.name).toBeUndefined()
  })

  test('Accounts are listed by e-mail, page by page, and found by part of it', async () => {
    const { accounts } = setUp()
    const tag = `list%_${(emails += 1)}`
    const made = [3, 1, 2].map((at) => `${at}.${tag}@example.com`)
    for (const email of made) await accounts.create({ email, name: `Per\\son ${email}` })
    const first = await accounts.list({ search: tag.toUpperCase(), limit: 2 })
    const second = await accounts.list({ search: tag, limit: 2, cursor: first.next })
    expect([...first.accounts, ...second.accounts].map(({ email }) => email)).toEqual(made.sort())
    expect(second.next).toBeUndefined()
    const [one] = first.accounts
    await accounts.deactivate(one!.id, 'left')
    expect((await accounts.list({ search: tag, status: 'deactivated' })).accounts).toEqual([
      {
        ...one,
        ...{ status: 'deactivated', statusReason: 'left', version: 2 },
        ...{ generation: 1, sessionsFrom: 1, grantsFrom: 1, consentsFrom: 1 },
        sessionsValidFrom: new Date(NOW),
      },
    ])
    expect((await accounts.list({ search: `Per\\son 2.${tag}` })).accounts).toHaveLength(1)
    const chief = await accounts.create({ email: `chief.${tag}@example.com`, role: 'admin' })
    const idsOf = async (role: 'admin' | 'member') =>
      (await accounts.list({ search: tag, role })).accounts.map(({ id }) => id)
    expect(await idsOf('admin')).toEqual([chief.id])
    expect(await idsOf('member')).toHaveLength(3)
    expect((await accounts.list({ search: one!.id })).accounts).toHaveLength(1)
    // A whole address finds its account, in whatever case; a part of one those that have it.
    const whole = await accounts.list({ search: one!.email.toUpperCase() })
    expect(whole.accounts.map(({ id }) => id)).toEqual([one!.id])
    expect((await accounts.list({ search: one!.email.slice(1) })).accounts.length).toBeGreaterThan(
      0,
    )
    await expect(accounts.list({ cursor: 'b\0' })).rejects.toMatchObject({
      code: 'parameter_invalid',
    })
  })

  test('Of 20 who take one address at once, exactly one gets it, however it is typed', async () => {
    const { accounts, db } = setUp()
    const email = `Race${(emails += 1)}@example.com`
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) =>
        accounts.create({ email: at % 2 === 0 ? email : email.toLowerCase() }),
      ),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'already_exists', about: 'email' })
    const rows = await db
      .selectFrom('accounts')
      .select('id')
      .where('email_key', '=', email.toLowerCase())
      .execute()
    expect(rows).toHaveLength(1)
  })

  test('A password signs in, is stored as a hash only, and can be changed', async () => {
    const { accounts, db } = setUp()
    const email = anEmail()
    const { id } = await accounts.create({ email, password: PASSWORD })
    expect(await accounts.authenticate(email, PASSWORD)).toMatchObject({
      kind: 'authenticated',
      account: { id },
    })
    expect(await accounts.authenticate(email, `${PASSWORD}!`)).toMatchObject({
      kind: 'rejected',
      reason: 'password_wrong',
    })
    await accounts.setPassword(id, 'another long password')
    expect(await accounts.authenticate(email, PASSWORD)).toMatchObject({ kind: 'rejected' })
    expect(await accounts.authenticate(email, 'another long password')).toMatchObject({
      kind: 'authenticated',
    })
    const row = await db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
    expect(JSON.stringify(row)).not.toContain('password!')
    expect(row?.password_hash).toMatch(/^\$argon2id\$/)
  })

  test('Input that a database cannot hold is refused or unknown, never an error of the driver', async () => {
    const { accounts } = setUp()
    for (const bad of ['a\0@example.com', '\ud800@example.com']) {
      await expect(accounts.create({ email: bad })).rejects.toMatchObject({ about: 'email' })
      expect(await accounts.authenticate(bad, 'x\0y')).toMatchObject({ reason: 'account_unknown' })
      expect(await accounts.find(bad)).toBeUndefined()
    }
  })

  test('A renewed hash does not undo a change of password that came first', async () => {
    const { store, accounts } = setUp()
    const email = anEmail()
    const { id } = await accounts.create({ email, password: PASSWORD })
    const key = email
    const before = await store.findByEmailKey(key)
    await store.updatePassword(
      id,
      { passwordHash: 'new hash', keepsApps: false, jobReason: 'password_changed' },
      new Date(NOW),
    )
    await store.replacePasswordHash(id, before?.passwordHash ?? '', 'renewed old hash')
    expect((await store.findByEmailKey(key))?.passwordHash).toBe('new hash')
    await store.replacePasswordHash(id, 'new hash', 'renewed new hash')
    expect((await store.findByEmailKey(key))?.passwordHash).toBe('renewed new hash')
  })

  test('Deactivating is seen by the other process at once and leaves one purge job', async () => {
    const { accounts, create, jobsOf } = setUp()
    const other = create()
    const email = anEmail()
    const { id } = await accounts.create({ email, password: PASSWORD })
    expect(await other.isActive(id)).toBe(true)
    await accounts.deactivate(id, 'left the company')
    expect(await other.isActive(id)).toBe(false)
    expect(await other.find(id)).toMatchObject({
      status: 'deactivated',
      statusReason: 'left the company',
    })
    expect(await other.authenticate(email, PASSWORD)).toMatchObject({
      reason: 'account_deactivated',
    })
    expect(await jobsOf(id)).toMatchObject([
      {
        kind: 'account',
        account_id: id,
        app_id: null,
        reason: 'account_deactivated',
        attempts: 0,
        created_at: new Date(NOW),
      },
    ])
    await accounts.reactivate(id)
    expect(await other.isActive(id)).toBe(true)
    expect((await other.find(id))?.statusReason).toBeUndefined()
    expect(await jobsOf(id)).toHaveLength(1)
  })

  test('What ends things raises the generation, and its job means what is older', async () => {
    const { accounts, store, jobsOf } = setUp()
    const { id } = await accounts.create({ email: anEmail(), password: PASSWORD })
    await accounts.setPassword(id, 'another good password')
    expect(await store.endAll(id, 'admin', new Date(NOW))).toBe(true)
    await accounts.deactivate(id, 'left')
    expect(await accounts.get(id)).toMatchObject({
      generation: 3,
      sessionsFrom: 3,
      grantsFrom: 3,
      consentsFrom: 3,
      sessionsValidFrom: new Date(NOW),
    })
    expect((await jobsOf(id)).map(({ generation }) => generation)).toEqual([1, 2, 3])
    expect(await store.endAll('acc_nobody', 'admin', new Date(NOW))).toBe(false)
  })

  test('20 deactivations at once are one: one job, one reason', async () => {
    const { accounts, jobsOf } = setUp()
    const { id } = await accounts.create({ email: anEmail() })
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => accounts.deactivate(id, `reason ${at}`)),
    )
    expect(await jobsOf(id)).toHaveLength(1)
    expect(await accounts.isActive(id)).toBe(false)
  })

  test('Without its purge job there is no deactivation', async () => {
    const { accounts, db } = setUp()
    const { id } = await accounts.create({ email: anEmail() })
    await db.schema.alterTable('purge_jobs').renameTo('purge_jobs_away').execute()
    try {
      await expect(accounts.deactivate(id, 'reason')).rejects.toThrow(/purge_jobs/)
    } finally {
      await db.schema.alterTable('purge_jobs_away').renameTo('purge_jobs').execute()
    }
    const row = await db
      .selectFrom('accounts')
      .select(['status', 'status_reason'])
      .where('id', '=', id)
      .executeTakeFirst()
    expect(row).toEqual({ status: 'active', status_reason: null })
  })

  test('A read that began before a deactivation and ended after it does not bring the account back', async () => {
    const { accounts, store, create } = setUp()
    const { id } = await accounts.create({ email: anEmail() })
    let release: () => void = () => undefined
    let isHeld = true
    const held = new Promise<void>((resolve) => (release = resolve))
    const reads: (Account | undefined)[] = []
    const slow = create({
      ...store,
      async find(accountId) {
        const found = await store.find(accountId)
        reads.push(found)
        // The row has left the database and is still on its way.
        if (isHeld) await held
        return found
      },
    })
    const before = slow.isActive(id)
    while (reads.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    isHeld = false
    await accounts.deactivate(id, 'stolen laptop')
    const during = slow.isActive(id)
    release()
    expect(await before).toBe(true)
    expect(await during).toBe(false)
    expect(await slow.isActive(id)).toBe(false)
    expect(reads.map((read) => read?.status)).toEqual(['active', 'deactivated'])
  })
})
