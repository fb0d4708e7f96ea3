// Accounts over a store in memory: creating, signing in, deactivating, and what others are told.
import { createAccounts, type AccountEvents } from '../../../src/accounts/accounts.ts'
import { type AccountStore } from '../../../src/accounts/account.store.ts'
import { type Account, FIRST_GENERATION } from '../../../src/model/account.ts'
import { argon2id, createPasswords } from '../../../src/accounts/passwords.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { createLocalInvalidation } from '../../../src/storage/invalidation.ts'

const CHEAP = { memoryKib: 1024, passes: 2, lanes: 1 }
const PASSWORD = 'correct horse battery'
const NOW = Date.UTC(2026, 0, 5)

interface Stored {
  account: Account
  emailKey: string
  passwordHash: string | undefined
}

function createMemoryStore() {
  const rows = new Map<string, Stored>()
  const jobs: { accountId: string; reason: string }[] = []
  const calls = { find: 0 }
  const change = (id: string, facts: Partial<Account>): void => {
    const row = rows.get(id)!
    rows.set(id, { ...row, account: { ...row.account, ...facts } })
  }
  const store: AccountStore = {
    insert({ account, emailKey, passwordHash }) {
      if ([...rows.values()].some((row) => row.emailKey === emailKey))
        return Promise.reject(new AppError('already_exists'))
      rows.set(account.id, { account, emailKey, passwordHash })
      return Promise.resolve()
    },
    find(id) {
      calls.find += 1
      return Promise.resolve(rows.get(id)?.account)
    },
    findByEmailKey: (key) =>
      Promise.resolve([...rows.values()].find(({ emailKey }) => emailKey === key)),
    list: () => Promise.resolve([...rows.values()]),
    count: () => Promise.resolve({ count: rows.size, isMore: false }),
    // Many at once, races and the last admin are what test/contract asks of the real store.
    insertMany: () => Promise.reject(new Error('not in memory')),
    findTaken: () => Promise.reject(new Error('not in memory')),
    hasAdmin: () => Promise.resolve([...rows.values()].some((row) => row.account.role === 'admin')),
    update(id, version, facts) {
      const before = rows.get(id)?.account
      if (before === undefined) return Promise.resolve(undefined)
      if (before.version !== version) return Promise.resolve({ kind: 'conflict', account: before })
      change(id, { ...(facts as Partial<Account>), version: version + 1 })
      return Promise.resolve({ kind: 'updated', before, account: rows.get(id)!.account })
    },
    updatePassword(id, { passwordHash, jobReason }) {
      const row = rows.get(id)
      if (row) rows.set(id, { ...row, passwordHash })
      if (row?.passwordHash !== undefined) jobs.push({ accountId: id, reason: jobReason })
      return Promise.resolve(row?.account)
    },
    replacePasswordHash(id, oldHash, newHash) {
      const row = rows.get(id)
      if (row?.passwordHash === oldHash) rows.set(id, { ...row, passwordHash: newHash })
      return Promise.resolve()
    },
    deactivate(id, statusReason, jobReason) {
      if (rows.get(id)?.account.status !== 'active') return Promise.resolve(false)
      change(id, { status: 'deactivated', statusReason })
      jobs.push({ accountId: id, reason: jobReason })
      return Promise.resolve(true)
    },
    endSessions: (id) => {
      const { generation } = rows.get(id)!.account
      change(id, { generation: generation + 1, sessionsFrom: generation + 1 })
      return Promise.resolve(true)
    },
    endAll(id, jobReason) {
      const { generation } = rows.get(id)!.account
      change(id, { generation: generation + 1, sessionsFrom: generation + 1 })
      jobs.push({ accountId: id, reason: jobReason })
      return Promise.resolve(true)
    },
    reactivate(id) {
      if (rows.get(id)?.account.status !== 'deactivated') return Promise.resolve(false)
      change(id, { status: 'active', statusReason: undefined })
      return Promise.resolve(true)
    },
  }
  return { store, rows, jobs, calls }
}

async function setUp(cost = CHEAP) {
  const memory = createMemoryStore()
  const verified = { count: 0 }
  const passwords = await createPasswords({
    cost,
    hasher: {
      ...argon2id,
      verify(hash, bytes) {
        verified.count += 1
        return argon2id.verify(hash, bytes)
      },
    },
  })
  const told: unknown[][] = []
  const tell =
    (name: string) =>
    (...facts: unknown[]): void =>
      void told.push([name, ...facts])
  const events: AccountEvents = {
    accountCreated: tell('created'),
    accountChanged: tell('changed'),
    accountDeactivated: tell('deactivated'),
  }
  const invalidation = createLocalInvalidation()
  const announced: string[] = []
  const accounts = createAccounts({
    store: memory.store,
    passwords,
    clock: () => NOW,
    invalidation,
    events,
  })
  invalidation.on('account', (id) => announced.push(id))
  return { ...memory, accounts, verified, told, announced, invalidation, passwords }
}

describe('Creating an account', () => {
  test('returns it and tells the event log who did it', async () => {
    const { accounts, told } = await setUp()
    const account = await accounts.create(
      { email: ' Ada@Example.com ', name: ' Ada ', password: PASSWORD, role: 'admin' },
      { actor: 'cli' },
    )
    expect(account).toEqual({
      ...FIRST_GENERATION,
      id: expect.stringMatching(/^acc_[0-9A-Za-z]{20}$/),
      email: 'Ada@Example.com',
      name: 'Ada',
      role: 'admin',
      status: 'active',
      statusReason: undefined,
      hasPassword: true,
      version: 1,
      createdAt: new Date(NOW),
    })
    expect(told).toEqual([['created', { accountId: account.id, role: 'admin' }, { actor: 'cli' }]])
  })

  test('stores the password as a hash only', async () => {
    const { accounts, rows } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    expect(rows.get(id)?.passwordHash).toMatch(/^\$argon2id\$/)
    expect(JSON.stringify([...rows])).not.toContain(PASSWORD)
  })

  test.each([
    [{ email: 'ada', password: PASSWORD }, 'email'],
    [{ email: 'ada@example.com', password: 'too short' }, 'password'],
    [{ email: 'ada@example.com', password: `${PASSWORD}\0` }, 'password'],
    [{ email: 'ada@example.com', password: 'x'.repeat(1025) }, 'password'],
    [{ email: 'ada@example.com', name: 'a\0b' }, 'name'],
  ])('refuses %j by the name of the parameter', async (input, about) => {
    const { accounts, rows, told } = await setUp()
    await expect(accounts.create(input)).rejects.toMatchObject({ code: 'parameter_invalid', about })
    expect(rows.size).toBe(0)
    expect(told).toEqual([])
  })

  test('says in plain words what is wrong with the password', async () => {
    const { accounts } = await setUp()
    await expect(accounts.create({ email: 'a@example.com', password: 'x' })).rejects.toMatchObject({
      detail: 'Choose a password of at least 10 characters.',
    })
  })
})

describe('Signing in', () => {
  test('accepts the e-mail however it is typed', async () => {
    const { accounts } = await setUp()
    const { id } = await accounts.create({ email: 'Ada@example.com', password: PASSWORD })
    expect(await accounts.authenticate(' aDa@EXAMPLE.com', PASSWORD)).toMatchObject({
      kind: 'authenticated',
      account: { id },
    })
  })

  test('does one argon2 verification in every case, known or not', async () => {
    const { accounts, verified } = await setUp()
    const ada = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    const invited = await accounts.create({ email: 'invited@example.com' })
    const gone = await accounts.create({ email: 'gone@example.com', password: PASSWORD })
    await accounts.deactivate(gone.id, 'left the company')
    const cases: [string, string, string, string | undefined][] = [
      ['ada@example.com', PASSWORD, 'authenticated', undefined],
      ['ada@example.com', 'wrong password', 'password_wrong', ada.id],
      ['ada@example.com', '', 'password_wrong', ada.id],
      ['ada@example.com', `${PASSWORD}\0`, 'password_wrong', ada.id],
      ['ada@example.com', 'x'.repeat(60_000), 'password_wrong', ada.id],
      ['nobody@example.com', PASSWORD, 'account_unknown', undefined],
      ['not an address', PASSWORD, 'account_unknown', undefined],
      ['ada\0@example.com', PASSWORD, 'account_unknown', undefined],
      ['', '', 'account_unknown', undefined],
      ['invited@example.com', PASSWORD, 'password_unset', invited.id],
      ['invited@example.com', '', 'password_unset', invited.id],
      ['gone@example.com', PASSWORD, 'account_deactivated', gone.id],
      ['gone@example.com', 'wrong password', 'password_wrong', gone.id],
    ]
    for (const [email, password, outcome, accountId] of cases) {
      const before = verified.count
      const result = await accounts.authenticate(email, password)
      expect([email, verified.count - before]).toEqual([email, 1])
      if (result.kind === 'authenticated') expect(outcome).toBe('authenticated')
      else expect(result).toEqual({ kind: 'rejected', reason: outcome, accountId })
    }
  })

  test('renews a hash that was made at another cost, once', async () => {
    const cheap = await setUp()
    const { id } = await cheap.accounts.create({ email: 'ada@example.com', password: PASSWORD })
    const oldHash = cheap.rows.get(id)?.passwordHash
    const accounts = createAccounts({
      store: cheap.store,
      passwords: await createPasswords({ cost: { ...CHEAP, passes: 3 } }),
      clock: () => NOW,
    })
    await accounts.authenticate('ada@example.com', 'wrong password')
    expect(cheap.rows.get(id)?.passwordHash).toBe(oldHash)
    await accounts.authenticate('ada@example.com', PASSWORD)
    const newHash = cheap.rows.get(id)?.passwordHash
    expect(newHash).toContain('t=3')
    expect(await accounts.authenticate('ada@example.com', PASSWORD)).toMatchObject({
      kind: 'authenticated',
    })
    expect(cheap.rows.get(id)?.passwordHash).toBe(newHash)
  })

  test('does not fail because the renewed hash could not be stored just now', async () => {
    const cheap = await setUp()
    await cheap.accounts.create({ email: 'ada@example.com', password: PASSWORD })
    const accounts = createAccounts({
      store: {
        ...cheap.store,
        replacePasswordHash: () => Promise.reject(new AppError('temporarily_unavailable')),
      },
      passwords: await createPasswords({ cost: { ...CHEAP, passes: 3 } }),
      clock: () => NOW,
    })
    expect(await accounts.authenticate('ada@example.com', PASSWORD)).toMatchObject({
      kind: 'authenticated',
    })
  })

  test('refuses whoever was deactivated while the check waited', async () => {
    const { accounts, store, rows, passwords } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    const slow = createAccounts({
      store,
      passwords: {
        ...passwords,
        async check(password, hash) {
          const found = await passwords.check(password, hash)
          await accounts.deactivate(id, 'stolen laptop')
          return found
        },
      },
      clock: () => NOW,
    })
    expect(rows.get(id)?.account.status).toBe('active')
    expect(await slow.authenticate('ada@example.com', PASSWORD)).toEqual({
      kind: 'rejected',
      reason: 'account_deactivated',
      accountId: id,
    })
  })
})

describe('Finding an account', () => {
  test('by id is one load until something changes', async () => {
    const { accounts, calls, invalidation } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com' })
    const before = calls.find
    await Promise.all([accounts.find(id), accounts.isActive(id), accounts.find(id)])
    expect(await accounts.isActive(id)).toBe(true)
    expect(calls.find - before).toBe(1)
    await invalidation.publish('account', id)
    await accounts.find(id)
    expect(calls.find - before).toBe(2)
  })

  test('by an impossible id asks nobody', async () => {
    const { accounts, calls } = await setUp()
    for (const id of ['', 'a\0b', 'ä', 'x'.repeat(101)]) {
      expect(await accounts.find(id)).toBeUndefined()
      expect(await accounts.isActive(id)).toBe(false)
    }
    expect(calls.find).toBe(0)
  })

  test('by e-mail never shows a hash', async () => {
    const { accounts } = await setUp()
    const created = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    expect(await accounts.findByEmail('ADA@example.com')).toEqual(created)
    expect(await accounts.findByEmail('eve@example.com')).toBeUndefined()
    expect(await accounts.findByEmail('nonsense')).toBeUndefined()
  })
})

describe('Deactivating an account', () => {
  test('is seen at once, writes the purge job and keeps the reason', async () => {
    const { accounts, jobs, announced, told } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com' })
    expect(await accounts.isActive(id)).toBe(true)
    await accounts.deactivate(id, ' left the company ', { actor: 'acc_admin' })
    expect(await accounts.isActive(id)).toBe(false)
    expect((await accounts.find(id))?.statusReason).toBe('left the company')
    expect(jobs).toEqual([{ accountId: id, reason: 'account_deactivated' }])
    expect(announced).toEqual([id])
    expect(told.at(-1)).toEqual([
      'deactivated',
      { accountId: id, statusReason: 'left the company' },
      { actor: 'acc_admin' },
    ])
  })

  test('twice writes one job and one event, and announces again', async () => {
    const { accounts, jobs, announced, told } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com' })
    await accounts.deactivate(id, 'first reason')
    await accounts.deactivate(id, 'second reason')
    expect(jobs).toHaveLength(1)
    expect(announced).toEqual([id, id])
    expect(told.filter(([name]) => name === 'deactivated')).toHaveLength(1)
    expect((await accounts.find(id))?.statusReason).toBe('first reason')
  })

  test('is forgotten here even when the other processes cannot be told', async () => {
    const { store, passwords } = await setUp()
    const accounts = createAccounts({
      store,
      passwords,
      clock: () => NOW,
      invalidation: {
        publish: () => Promise.reject(new AppError('temporarily_unavailable')),
        on: () => undefined,
        onGap: () => undefined,
      },
    })
    const { id } = await accounts.create({ email: 'ada@example.com' })
    expect(await accounts.isActive(id)).toBe(true)
    await accounts.deactivate(id, 'reason')
    expect(await accounts.isActive(id)).toBe(false)
  })

  test('can be undone', async () => {
    const { accounts, told } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    await accounts.deactivate(id, 'by mistake')
    await accounts.reactivate(id)
    await accounts.reactivate(id)
    expect(await accounts.isActive(id)).toBe(true)
    expect(await accounts.authenticate('ada@example.com', PASSWORD)).toMatchObject({
      kind: 'authenticated',
    })
    expect(told.filter(([name]) => name === 'changed')).toHaveLength(1)
  })

  test('of nobody is not_found; without a reason it is refused', async () => {
    const { accounts } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com' })
    await expect(accounts.deactivate('acc_nobody', 'why')).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(accounts.reactivate('acc_nobody')).rejects.toMatchObject({ code: 'not_found' })
    await expect(accounts.deactivate(id, ' ')).rejects.toMatchObject({ code: 'parameter_missing' })
    await expect(accounts.deactivate(id, 'NUL \0')).rejects.toMatchObject({
      code: 'parameter_invalid',
      about: 'reason',
    })
    expect(await accounts.isActive(id)).toBe(true)
  })

  test('is seen by a gap in the channel as well', async () => {
    const gapListeners: (() => void)[] = []
    const { store, passwords, rows } = await setUp()
    const accounts = createAccounts({
      store,
      passwords,
      clock: () => NOW,
      invalidation: {
        publish: () => Promise.resolve(),
        on: () => undefined,
        onGap: (listener) => void gapListeners.push(listener),
      },
    })
    const { id } = await accounts.create({ email: 'ada@example.com' })
    expect(await accounts.isActive(id)).toBe(true)
    const row = rows.get(id)!
    rows.set(id, { ...row, account: { ...row.account, status: 'deactivated' } })
    expect(await accounts.isActive(id)).toBe(true)
    for (const listener of gapListeners) listener()
    expect(await accounts.isActive(id)).toBe(false)
  })
})

describe('Setting a password', () => {
  test('replaces the old one and is told without the password', async () => {
    const { accounts, told } = await setUp()
    const { id } = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
    await accounts.setPassword(id, 'another long password')
    expect(await accounts.authenticate('ada@example.com', PASSWORD)).toMatchObject({
      kind: 'rejected',
    })
    expect(await accounts.authenticate('ada@example.com', 'another long password')).toMatchObject({
      kind: 'authenticated',
    })
    expect(told.at(-1)).toEqual(['changed', { accountId: id, diff: { password: 'changed' } }, {}])
  })

  test('is refused for a bad password and for nobody', async () => {
    const { accounts } = await setUp()
    await expect(accounts.setPassword('acc_nobody', PASSWORD)).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(accounts.setPassword('acc_nobody', 'short')).rejects.toMatchObject({
      code: 'parameter_invalid',
      about: 'password',
    })
  })
})
