// otesse account: people who can sign in. Invariant: a password comes from standard input, from a prompt that does not show it, or is made here;
// never from an argument, which other processes can see.
import type { Command } from 'commander'
import { parseEmail, parseLine } from '../accounts/account-input.ts'
import type { Account } from '../accounts/account.store.ts'
import { passwordProblem } from '../accounts/passwords.ts'
import type { Problem } from '../apps/problem.ts'
import { randomBase62 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { facts, moment, table } from './layout.ts'
import type { Does } from './program.ts'
import { ACTOR, inputRefusal, type Session, usageRefusal } from './session.ts'

const GENERATED_LENGTH = 20

interface CreateFlags {
  email?: string
  name?: string
  role?: string
  passwordStdin?: boolean
  generatePassword?: boolean
}

interface ListFlags {
  search?: string
  status?: string
  limit?: string
  cursor?: string
}

const accountJson = (account: Account): object => ({
  id: account.id,
  email: account.email,
  name: account.name ?? null,
  role: account.role,
  status: account.status,
  statusReason: account.statusReason ?? null,
  createdAt: account.createdAt,
})

/** Adds `otesse account …`. */
export function addAccountCommands(program: Command, does: Does): void {
  const account = program.command('account').description('people who can sign in')

  const create = account
    .command('create')
    .description('create an account')
    .option('--email <address>')
    .option('--name <name>')
    .option('--role <role>', 'member or admin', 'member')
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate-password', 'make a password and print it once')
    .addHelpText(
      'after',
      `
On a terminal the password is asked for. Examples:
  $ otesse account create --email ada@example.com --name "Ada" --generate-password
  $ pass show otesse/ada | otesse account create --email ada@example.com --password-stdin`,
    )
  does(create, async (session) => {
    const flags = create.opts<CreateFlags>()
    const password = await readPassword(session, flags)
    const input = { email: flags.email ?? '', name: flags.name, role: roleOf(flags.role), password }
    const problems = problemsOf(input)
    if (problems.length > 0) throw inputRefusal(problems)
    return session.withFoundation(async ({ accounts }) => {
      const made = await createAccount(() => accounts.create(input, ACTOR))
      const shown = flags.generatePassword === true ? password : undefined
      const remark = '\nThis is the only time the password is shown: it is stored as a hash.\n'
      return {
        json: { account: accountJson(made), password: shown ?? null },
        text: accountText(made, shown) + (shown === undefined ? '' : remark),
      }
    })
  })

  const list = account
    .command('list')
    .description('list accounts by e-mail')
    .option('--search <text>', 'part of the e-mail or the name, or an account id')
    .option('--status <status>', 'active or deactivated')
    .option('--limit <count>', 'accounts on one page, up to 200', '50')
    .option('--cursor <cursor>', 'the "next" of the page before')
  does(list, (session) => {
    const { search, status, limit, cursor } = list.opts<ListFlags>()
    if (status !== undefined && status !== 'active' && status !== 'deactivated')
      throw usageRefusal('--status is active or deactivated')
    return session.withFoundation(async ({ accounts }) => {
      const page = await accounts.list({ search, status, cursor, limit: Number(limit) })
      return {
        json: { accounts: page.accounts.map(accountJson), next: page.next ?? null },
        text: listText(page.accounts, page.next),
      }
    })
  })

  const deactivate = account
    .command('deactivate <id-or-email>')
    .description('lock an account out and end all its tokens and sessions')
    .requiredOption('--reason <text>', 'why, for other admins')
    .addHelpText(
      'after',
      `
Example:
  $ otesse account deactivate ada@example.com --reason "left the company"`,
    )
  does(deactivate, (session, idOrEmail = '') =>
    session.withFoundation(async ({ accounts }) => {
      const found = idOrEmail.includes('@')
        ? await accounts.findByEmail(idOrEmail)
        : await accounts.find(idOrEmail)
      if (found === undefined) throw new AppError('not_found', { detail: 'account' })
      const { reason } = deactivate.opts<{ reason: string }>()
      await accounts.deactivate(found.id, reason, ACTOR)
      const now = (await accounts.find(found.id)) ?? found
      return {
        json: { account: accountJson(now) },
        text: `${accountText(now)}\nSign-in is closed; tokens and sessions of the account no longer work.\n`,
      }
    }),
  )
}

async function readPassword(session: Session, flags: CreateFlags): Promise<string> {
  const { passwordStdin = false, generatePassword = false } = flags
  if (passwordStdin && generatePassword)
    throw usageRefusal('--password-stdin and --generate-password exclude each other')
  if (generatePassword) return randomBase62(GENERATED_LENGTH)
  if (passwordStdin) return session.terminal.readAll()
  if (!session.terminal.isInteractive)
    throw usageRefusal(
      'there is no terminal to ask for the password: use --password-stdin or --generate-password',
    )
  const password = await session.terminal.askHidden('Password: ')
  if ((await session.terminal.askHidden('Once more: ')) === password) return password
  throw inputRefusal([
    { field: 'password', rule: 'password-twice', sentence: 'The two are not the same.' },
  ])
}

function roleOf(role: string | undefined): Account['role'] {
  if (role === 'member' || role === 'admin') return role
  throw usageRefusal('--role is member or admin')
}

/** Tells all problems at once; the accounts themselves stop at the first. */
function problemsOf(input: { email: string; name: string | undefined; password: string }) {
  const problems: Problem[] = []
  if (parseEmail(input.email) === undefined)
    problems.push({
      field: 'email',
      rule: 'email-form',
      sentence: 'This is not an e-mail address, like ada@example.com.',
    })
  if (input.name !== undefined && !isLine(input.name))
    problems.push({
      field: 'name',
      rule: 'name-form',
      sentence: 'A name is one line of at most 200 characters without control characters.',
    })
  const password = passwordProblem(input.password)
  if (password !== undefined)
    problems.push({ field: 'password', rule: 'password', sentence: password })
  return problems
}

function isLine(text: string): boolean {
  try {
    parseLine(text, 'name')
    return true
  } catch {
    return false
  }
}

async function createAccount(create: () => Promise<Account>): Promise<Account> {
  try {
    return await create()
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'already_exists') throw error
    throw inputRefusal([
      {
        field: 'email',
        rule: 'email-taken',
        sentence: 'There is an account with this e-mail already.',
      },
    ])
  }
}

function accountText(account: Account, password?: string): string {
  const { status, statusReason } = account
  return `${account.email}\n${facts([
    ['Account id', account.id],
    ['Name', account.name],
    ['Role', account.role],
    ['Status', statusReason === undefined ? status : `${status}: ${statusReason}`],
    ['Created', moment(account.createdAt)],
    ['Password', password],
  ])}`
}

function listText(accounts: readonly Account[], next: string | undefined): string {
  if (accounts.length === 0) return 'No accounts. Create one: otesse account create --help\n'
  const rows = accounts.map((one) => [
    one.id,
    one.email,
    one.name ?? '',
    one.role,
    one.status,
    moment(one.createdAt),
  ])
  const more = next === undefined ? '' : `\nMore: otesse account list --cursor ${next}\n`
  return table(['ACCOUNT ID', 'E-MAIL', 'NAME', 'ROLE', 'STATUS', 'CREATED'], rows) + more
}
