// One-time links and the last admin on each real database, under races: if many use one link, one
// succeeds; if admins demote each other, one remains.
import { createAccountImport } from '../../src/accounts/account-import.ts'
import { createAccountLinkStore } from '../../src/accounts/account-link.store.ts'
import { createAccountLinks } from '../../src/accounts/account-links.ts'
import { createAccountStore } from '../../src/accounts/account.store.ts'
import { createAccounts } from '../../src/accounts/accounts.ts'
import { createPasswords, type Passwords } from '../../src/accounts/passwords.ts'
import { createLetters } from '../../src/mail/letters.ts'
import { createAccountService } from '../../src/admin/account-service.ts'
import { ALL_ADMIN_SCOPES, type Operator } from '../../src/admin/operator.ts'
import { DAY } from '../../src/shared/clock.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { createLocalInvalidation } from '../../src/storage/invalidation.ts'
import { DATABASES } from '../support/migrated-database.ts'

const PASSWORD = 'correct horse battery'
const ISSUER = 'https://auth.example.com'
const BY: Operator = { id: 'cli', scopes: ALL_ADMIN_SCOPES }
const CLERK: Operator = { id: 'app_clerk', scopes: new Set(['admin:accounts:write']) }

let passwords: Passwords
beforeAll(async () => {
  passwords = await createPasswords({ cost: { memoryKib: 1024, passes: 2, lanes: 1 } })
})

describe.each(DATABASES)('On $name', ({ open }) => {
  let database: OpenDatabase
  beforeAll(async () => {
    database = await open()
  })
  afterAll(() => database[Symbol.asyncDispose]())
  beforeEach(async () => {
    for (const table of ['account_links', 'purge_jobs', 'accounts'] as const)
      await database.db.deleteFrom(table).execute()
  })

  function setUp() {
    const { db } = database
    const invalidation = createLocalInvalidation()
    let now = Date.UTC(2026, 0, 5)
    const clock = (): number => now
    const store = createAccountStore(db)
    const told: unknown[][] = []
    const tell =
      (name: string) =>
      (...facts: unknown[]): void =>
        void told.push([name, ...facts])
    const events = {
      accountCreated: tell('created'),
      accountChanged: tell('changed'),
      accountDeactivated: tell('deactivated'),
      linkMade: tell('made'),
      linkUsed: tell('used'),
      accountsImported: tell('imported'),
    }
    const accounts = createAccounts({ store, passwords, clock, invalidation, events })
    const links = createAccountLinks({
      store: createAccountLinkStore(db),
      findAccount: (id) => accounts.find(id),
      passwords,
      clock,
      invalidation,
      events,
    })
    const importAccounts = createAccountImport({ store, clock, events })
    const acts = createAccountService({
      accounts,
      links,
      importAccounts,
      events: { sessionEnded: tell('ended') },
      mailbox: { post: () => Promise.resolve(), letters: createLetters('Otesse', ISSUER) },
      issuer: ISSUER,
    })
    const move = (millis: number): void => void (now += millis)
    const jobs = () => db.selectFrom('purge_jobs').select(['account_id', 'reason']).execute()
    return { db, accounts, links, acts, told, move, jobs }
  }

  const tokenOf = (link: { url: { reveal: () => string } } | undefined): string =>
    link?.url.reveal().split('/').at(-1) ?? ''
  const codesOf = (outcomes: PromiseSettledResult<unknown>[]): string[] =>
    outcomes
      .map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as { code: string }).code))
      .sort()
  const times = <T>(count: number, work: (at: number) => Promise<T>) =>
    Promise.allSettled(Array.from({ length: count }, (_, at) => work(at)))
  const once = (count: number): string[] => [
    'done',
    ...Array<string>(count - 1).fill('link_invalid'),
  ]

  describe('a one-time link', () => {
    test('used by 20 at once is used by one; its password is the one that counts, and one job ends what was before', async () => {
      const { accounts, acts, links, jobs, told } = setUp()
      const { id, email } = await accounts.create({ email: 'ada@example.com', password: PASSWORD })
      const token = tokenOf(await acts.reset(id, BY))
      const outcomes = await times(20, (at) =>
        links.choosePassword(token, `another password ${at}`),
      )
      expect(codesOf(outcomes)).toEqual(once(20).sort())
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
      expect(await accounts.authenticate(email, `another password ${winner}`)).toMatchObject({
        kind: 'authenticated',
        account: { version: 2 },
      })
      expect(await accounts.authenticate(email, PASSWORD)).toMatchObject({ kind: 'rejected' })
      expect(await jobs()).toEqual([{ account_id: id, reason: 'password_changed' }])
      expect(told.filter(([name]) => name === 'used')).toEqual([
        ['used', { kind: 'reset', accountId: id }, { actor: id }],
      ])
    })

    test('for the setup, 5 links used by 20 at once make one admin', async () => {
      const { db, links } = setUp()
      const tokens = await Promise.all(
        Array.from({ length: 5 }, async () => tokenOf(await links.makeSetup(ISSUER))),
      )
      const outcomes = await times(20, (at) =>
        links.setUp(tokens[at % 5]!, { email: `a${at}@example.com`, name: '', password: PASSWORD }),
      )
      expect(codesOf(outcomes)).toEqual(once(20).sort())
      expect(await db.selectFrom('accounts').select('role').execute()).toEqual([{ role: 'admin' }])
      expect(await db.selectFrom('account_links').selectAll().execute()).toEqual([])
      expect(await links.makeSetup(ISSUER)).toBeUndefined()
    })

    test('for the setup is not spent by an e-mail that is taken, and ends when an admin is made elsewhere', async () => {
      const { accounts, links } = setUp()
      const token = tokenOf(await links.makeSetup(ISSUER))
      await accounts.create({ email: 'taken@example.com' })
      const input = { email: 'taken@example.com', name: '', password: PASSWORD }
      await expect(links.setUp(token, input)).rejects.toMatchObject({ code: 'already_exists' })
      expect(await links.findLink(token)).toEqual({ kind: 'setup' })
      // Somebody who is only invited cannot do anything yet.
      await accounts.create({ email: 'invited@example.com', role: 'admin' })
      expect(await links.findLink(token)).toEqual({ kind: 'setup' })
      await accounts.create({ email: 'chief@example.com', role: 'admin', password: PASSWORD })
      expect(await links.findLink(token)).toBeUndefined()
      await expect(
        links.setUp(token, { ...input, email: 'late@example.com' }),
      ).rejects.toMatchObject({ code: 'link_invalid' })
      await expect(links.choosePassword(token, PASSWORD)).rejects.toMatchObject({
        code: 'link_invalid',
      })
    })

    test('is kept as a hash, lives as long as its kind, and ends with a newer one or another role', async () => {
      const { db, accounts, acts, links, move } = setUp()
      const invited = await acts.invite({ email: 'new@example.com' }, BY)
      if (invited.kind !== 'invited') throw new Error('not invited')
      const { account, link } = invited
      const [row, ...more] = await db.selectFrom('account_links').selectAll().execute()
      expect(more).toEqual([])
      expect(row).toMatchObject({ kind: 'invite', account_id: account.id })
      expect(JSON.stringify(row)).not.toContain(tokenOf(link).slice(10))
      expect(link.expiresAt.getTime()).toBe(row!.created_at.getTime() + 7 * DAY)
      move(7 * DAY - 1)
      expect(await links.findLink(tokenOf(link))).toMatchObject({ kind: 'invite', account })
      move(1)
      expect(await links.findLink(tokenOf(link))).toBeUndefined()
      expect(await links.removeExpired()).toBe(1)

      const [first, second] = [await acts.reset(account.id, BY), await acts.reset(account.id, BY)]
      expect(await links.findLink(tokenOf(first))).toBeUndefined()
      // Without a password yet it is another invitation.
      expect(await links.findLink(tokenOf(second))).toMatchObject({ kind: 'invite' })
      await accounts.update(account.id, account.version, { role: 'admin' })
      expect(await links.findLink(tokenOf(second))).toBeUndefined()
    })

    test('20 made at once for one account leave one', async () => {
      const { db, accounts, acts } = setUp()
      const { id } = await accounts.create({ email: 'ada@example.com' })
      expect(codesOf(await times(20, () => acts.reset(id, BY)))).toEqual(Array(20).fill('done'))
      expect(await db.selectFrom('account_links').select('kind').execute()).toHaveLength(1)
    })
  })

  describe('the last admin', () => {
    const admin = (accounts: ReturnType<typeof setUp>['accounts'], name: string) =>
      accounts.create({ email: `${name}@example.com`, password: PASSWORD, role: 'admin' })

    test('can be neither demoted nor deactivated; an admin who is only invited does not count', async () => {
      const { accounts, acts, told } = setUp()
      const chief = await admin(accounts, 'chief')
      await acts.invite({ email: 'invited@example.com', role: 'admin' }, BY)
      told.length = 0
      await expect(
        acts.update(chief.id, chief.version, { role: 'member' }, BY),
      ).rejects.toMatchObject({ code: 'last_admin' })
      await expect(acts.deactivate(chief.id, 'left', BY)).rejects.toMatchObject({
        code: 'last_admin',
      })
      expect(told).toEqual([])
      expect(await accounts.get(chief.id)).toEqual(chief)
      const second = await admin(accounts, 'second')
      expect(await acts.deactivate(chief.id, 'left', BY)).toMatchObject({ version: 2 })
      await expect(acts.deactivate(second.id, 'left', BY)).rejects.toMatchObject({
        code: 'last_admin',
      })
      await acts.reactivate(chief.id, BY)
      await acts.deactivate(second.id, 'left', BY)
    })

    test('is left whoever demotes and deactivates whom at once', async () => {
      const { db, accounts, acts } = setUp()
      for (let round = 0; round < 5; round += 1) {
        const admins = await Promise.all(
          [1, 2, 3, 4].map((at) => admin(accounts, `r${round}-${at}`)),
        )
        const outcomes = await Promise.allSettled(
          admins.map(({ id, version }, at) =>
            at % 2 === 0
              ? acts.update(id, version, { role: 'member' }, BY)
              : acts.deactivate(id, 'left', BY),
          ),
        )
        const left = await db
          .selectFrom('accounts')
          .select('id')
          .where('role', '=', 'admin')
          .where('status', '=', 'active')
          .execute()
        expect(left).toHaveLength(1)
        // Those of the rounds before make room for one more.
        expect(codesOf(outcomes)).toContain(round === 0 ? 'last_admin' : 'done')
      }
    })
  })

  describe('an edit', () => {
    test('of 10 at once of one version one is made, the others are told how it is now', async () => {
      const { accounts, acts, told } = setUp()
      const { id } = await accounts.create({ email: 'ada@example.com', name: 'Ada' })
      told.length = 0
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, at) => acts.update(id, 1, { name: `Ada ${at}` }, BY)),
      )
      const updated = outcomes.filter(({ kind }) => kind === 'updated')
      expect(updated).toHaveLength(1)
      const now = await accounts.get(id)
      expect(now.version).toBe(2)
      expect(updated).toEqual([{ kind: 'updated', account: now }])
      expect(outcomes.filter(({ kind }) => kind === 'conflict')).toHaveLength(9)
      expect(told).toEqual([
        [
          'changed',
          { accountId: id, diff: { name: ['Ada', now.name] } },
          expect.objectContaining({ actor: 'cli' }),
        ],
      ])
      const emptied = await acts.update(id, 2, { name: undefined }, BY)
      expect(emptied).toMatchObject({ kind: 'updated', account: { name: undefined, version: 3 } })
      expect(await acts.update(id, 3, {}, BY)).toMatchObject({ account: { version: 3 } })
      expect(await acts.update(id, 3, { name: 'a\nb' }, BY)).toMatchObject({
        kind: 'refused',
        problems: [{ field: 'name' }],
      })
    })

    test('of a role is seen by the other process at once', async () => {
      const { accounts, acts } = setUp()
      const { id } = await accounts.create({ email: 'ada@example.com' })
      expect((await accounts.find(id))?.role).toBe('member')
      await acts.update(id, 1, { role: 'admin' }, BY)
      expect((await accounts.find(id))?.role).toBe('admin')
    })
  })

  test('whoever may not decide who is an admin touches no admin’s account and makes none', async () => {
    const { accounts, acts, told } = setUp()
    const chief = await accounts.create({
      email: 'chief@example.com',
      password: PASSWORD,
      role: 'admin',
    })
    const member = await accounts.create({ email: 'member@example.com' })
    told.length = 0
    async function* rows(): AsyncGenerator<string> {
      yield await Promise.resolve('email,role\nb@example.com,admin\nc@example.com,member\n')
    }
    const refused = await Promise.allSettled([
      acts.create({ email: 'x@example.com', role: 'admin' }, CLERK),
      acts.invite({ email: 'x@example.com', role: 'admin' }, CLERK),
      acts.reset(chief.id, CLERK),
      acts.update(chief.id, 1, { name: 'Mallory' }, CLERK),
      acts.update(member.id, 1, { role: 'admin' }, CLERK),
      acts.deactivate(chief.id, 'out', CLERK),
      acts.reactivate(chief.id, CLERK),
    ])
    for (const outcome of refused)
      expect(outcome).toMatchObject({
        reason: { code: 'power_missing', about: 'admin:roles:write' },
      })
    expect(told).toEqual([])
    expect(await acts.import(rows(), { format: 'csv', dryRun: false }, CLERK)).toMatchObject({
      created: 1,
      refused: 1,
      problems: [{ line: 2, outcome: { problems: [{ rule: 'role-power' }] } }],
    })
    expect(await acts.update(member.id, 1, { name: 'Max' }, CLERK)).toMatchObject({
      kind: 'updated',
    })
    expect(tokenOf(await acts.reset(member.id, CLERK))).toMatch(/^otesse_ln_/)
    const reader: Operator = { id: 'app_reader', scopes: new Set(['admin:accounts:read']) }
    await expect(acts.deactivate(member.id, 'out', reader)).rejects.toMatchObject({
      about: 'admin:accounts:write',
    })
  })

  test('an import of many lines leaves what exists as it is and may be repeated', async () => {
    const { db, accounts, acts, told } = setUp()
    const before = await accounts.create({
      email: 'P7@example.com',
      name: 'Was here',
      password: PASSWORD,
    })
    told.length = 0
    async function* rows(): AsyncGenerator<string> {
      yield 'email,name,role\n'
      for (let at = 0; at < 1200; at += 1)
        yield await Promise.resolve(
          `p${at % 1100}@example.com,"P, ${at}",${at === 3 ? 'admin' : ''}\n`,
        )
    }
    const options = { format: 'csv', dryRun: true } as const
    const counts = { created: 1099, existing: 101, refused: 0, problems: [] }
    expect(await acts.import(rows(), options, BY)).toEqual(counts)
    expect(told).toEqual([])
    expect(await acts.import(rows(), { ...options, dryRun: false }, BY)).toEqual(counts)
    expect(await acts.import(rows(), { ...options, dryRun: false }, BY)).toMatchObject({
      created: 0,
      existing: 1200,
    })
    expect(await accounts.get(before.id)).toEqual(before)
    const { count } = await db
      .selectFrom('accounts')
      .select((query) => query.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow()
    expect(Number(count)).toBe(1100)
    expect(told.map(([name, facts]) => [name, facts])).toEqual([
      ['created', { accountId: expect.any(String), role: 'admin' }],
      ['imported', { created: 1099, refused: 0 }],
    ])
  })
})
