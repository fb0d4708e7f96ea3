// otesse account: people who can sign in. Invariant: a password comes from standard input, from a
// prompt that does not show it, or is made here; never from an argument, which other processes can
// see.
import { createReadStream } from 'node:fs'
import { extname } from 'node:path'
import { Readable } from 'node:stream'
import type { Command } from 'commander'
import { type Account, type Role, ROLES } from '../model/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import {
  convert,
  type Counts,
  lineOf,
  noCounts,
  type SourceRow,
  SOURCES,
} from '../admin/import/export-formats.ts'
import { decodeText, decodeWhole, FileRefused } from '../admin/import/text-file.ts'
import type { Problem } from '../model/problem.ts'
import { randomBase62 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import {
  accountJson,
  accountText,
  exportJson,
  exportText,
  importJson,
  importText,
  linkJson,
  linkText,
  accountListText,
} from './account-text.ts'
import { readFlagFile } from './app-flags.ts'
import type { Does } from './command.ts'
import {
  conflictRefusal,
  inputRefusal,
  OPERATOR,
  type Outcome,
  parseLimit,
  Refusal,
  type Session,
  usageRefusal,
} from './session.ts'

const MAX_PAGE = 200
const GENERATED_LENGTH = 20
const ROLE_WORDS = ROLES.join(', ').replace('_', '-')

interface CreateFlags {
  email?: string
  name?: string
  role?: string
  passwordStdin?: boolean
  generatePassword?: boolean
  mail?: boolean
}

interface ImportFlags {
  format?: string
  from?: string
  hashConfig?: string
  dryRun?: boolean
}

interface ListFlags {
  search?: string
  status?: string
  role?: string
  limit?: string
  cursor?: string
}

/** Adds `otesse account …`. */
export function addAccountCommands(program: Command, does: Does): void {
  const account = program.command('account').description('user accounts')
  addCreate(account, does)
  addInvite(account, does)
  addList(account, does)
  addShow(account, does)
  addReset(account, does)
  addSetupLink(account, does)
  addSetRole(account, does)
  addDeactivate(account, does)
  addReactivate(account, does)
  addEndSessions(account, does)
  addImport(account, does)
}

function addCreate(account: Command, does: Does): void {
  const create = account
    .command('create')
    .description('create an account')
    .option('--email <address>')
    .option('--name <name>')
    .option('--role <role>', ROLE_WORDS, 'member')
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate-password', 'generate a password and print it once')
    .addHelpText(
      'after',
      `
On a terminal the password is asked for. Examples:
  $ otesse account create --email ada@example.com --name "Ada" --generate-password
  $ pass show otesse/ada | otesse account create --email ada@example.com --password-stdin`,
    )
  does(create, async (session) => {
    const flags = create.opts<CreateFlags>()
    const role = roleOf(flags.role)
    const password = await readPassword(session, flags)
    const input = { email: flags.email ?? '', name: flags.name, role, password }
    return session.withAdminServices(async (services) => {
      const outcome = await services.accounts.create(input, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      const shown = flags.generatePassword === true ? password : undefined
      const remark = '\nThis is the only time the password is shown: it is stored as a hash.\n'
      return {
        json: { account: accountJson(outcome.account), password: shown ?? null },
        text: accountText(outcome.account, shown) + (shown === undefined ? '' : remark),
      }
    })
  })
}

function addInvite(account: Command, does: Does): void {
  const invite = account
    .command('invite')
    .description('create an account, and a link with which its owner sets a password')
    .option('--email <address>')
    .option('--name <name>')
    .option('--role <role>', ROLE_WORDS, 'member')
    .option('--mail', 'also send the link to the address')
    .addHelpText(
      'after',
      `
The link works once, for 7 days. Example:
  $ otesse account invite --email ada@example.com --name "Ada" --role admin`,
    )
  does(invite, (session) => {
    const { email = '', name, role, mail } = invite.opts<CreateFlags>()
    const input = { email, name, role: roleOf(role), sendMail: mail }
    return session.withAdminServices(async (services) => {
      const outcome = await services.accounts.invite(input, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      return {
        json: { account: accountJson(outcome.account), link: linkJson(outcome.link) },
        text: accountText(outcome.account) + linkText(outcome.link),
      }
    })
  })
}

function addList(account: Command, does: Does): void {
  const list = account
    .command('list')
    .description('list accounts by e-mail')
    .option('--search <text>', 'part of the e-mail or the name, or an account id')
    .option('--status <status>', 'active or deactivated')
    .option('--role <role>', ROLE_WORDS)
    .option('--limit <count>', 'accounts on one page, up to 200', '50')
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText(
      'after',
      '\nExample:\n  $ otesse account list --search example.com --status active --role admin',
    )
  does(list, (session) => {
    const { search, status, role, limit, cursor } = list.opts<ListFlags>()
    if (status !== undefined && status !== 'active' && status !== 'deactivated')
      throw usageRefusal('--status is active or deactivated')
    const ofRole = role === undefined ? undefined : roleOf(role)
    const count = parseLimit(limit, MAX_PAGE)
    return session.withServices(async ({ accounts }) => {
      const page = await accounts.list({
        search,
        status,
        role: ofRole,
        cursor,
        limit: count,
      })
      return {
        json: { accounts: page.accounts.map(accountJson), next: page.next ?? null },
        text: accountListText(page.accounts, page.next),
      }
    })
  })
}

function addShow(account: Command, does: Does): void {
  const show = account
    .command('show <id-or-email>')
    .description('show one account')
    .addHelpText('after', '\nExample:\n  $ otesse account show ada@example.com')
  does(show, (session, idOrEmail = '') =>
    session.withServices(async ({ accounts }) => shown(await getAccount(accounts, idOrEmail))),
  )
}

function addReset(account: Command, does: Does): void {
  const reset = account
    .command('reset <id-or-email>')
    .description('create a link with which the owner sets a new password')
    .addHelpText(
      'after',
      `
The link works once, for 24 hours; earlier links stop working. When it is used, the user is signed out everywhere and all
their tokens end. Where there is no password yet it is a new invitation, for 7 days. Example:
  $ otesse account reset ada@example.com`,
    )
  does(reset, (session, idOrEmail = '') =>
    session.withAdminServices(async (services, { accounts }) => {
      const found = await getAccount(accounts, idOrEmail)
      const link = await services.accounts.reset(found.id, OPERATOR)
      return {
        json: { account: accountJson(found), link: linkJson(link) },
        text: accountText(found) + linkText(link),
      }
    }),
  )
}

function addSetupLink(account: Command, does: Does): void {
  const setup = account
    .command('setup-link')
    .description('create a link with which the first admin is created')
    .addHelpText(
      'after',
      `
The link works once, for 24 hours, and only while no admin can sign in. Example:
  $ otesse account setup-link`,
    )
  does(setup, (session) =>
    session.withServices(async ({ accountLinks }, { config }) => {
      const link = await accountLinks.makeSetup(config.server.issuer, { actor: OPERATOR.id })
      if (link === undefined)
        throw new Refusal('already_exists', 'There is an admin already: they can invite others.')
      return { json: { link: linkJson(link) }, text: linkText(link) }
    }),
  )
}

function addSetRole(account: Command, does: Does): void {
  const setRole = account
    .command('set-role <id-or-email> <role>')
    .description('change the role of an account')
    .addHelpText(
      'after',
      `
Takes effect on all servers within a second. The last admin who can sign in keeps the role.
  member       signs in and connects apps, no console
  support      looks at accounts; for members: reset links, ending sessions, deactivating
  auditor      reads everything in the console and changes nothing
  app-manager  manages apps, scopes and connections, sees no accounts and no keys
  admin        does everything
Example:
  $ otesse account set-role ada@example.com app-manager`,
    )
  does(setRole, (session, idOrEmail = '', roleText = '') => {
    const role = roleOf(roleText)
    return session.withAdminServices(async (services, { accounts }) => {
      const { id, version } = await getAccount(accounts, idOrEmail)
      const outcome = await services.accounts.update(id, version, { role }, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      if (outcome.kind === 'conflict')
        throw conflictRefusal(outcome.account.version, `otesse account show ${id}`)
      return shown(outcome.account)
    })
  })
}

function addDeactivate(account: Command, does: Does): void {
  const deactivate = account
    .command('deactivate <id-or-email>')
    .description('deactivate an account and end all its tokens and sessions')
    .requiredOption('--reason <text>', 'why, for other admins')
    .addHelpText(
      'after',
      `
Example:
  $ otesse account deactivate ada@example.com --reason "left the company"`,
    )
  does(deactivate, (session, idOrEmail = '') =>
    session.withAdminServices(async (services, { accounts }) => {
      const { id } = await getAccount(accounts, idOrEmail)
      const { reason } = deactivate.opts<{ reason: string }>()
      return shown(
        await services.accounts.deactivate(id, reason, OPERATOR),
        '\nSign-in is closed; tokens and sessions of the account no longer work.\n',
      )
    }),
  )
}

function addReactivate(account: Command, does: Does): void {
  const reactivate = account
    .command('reactivate <id-or-email>')
    .description('reactivate an account, so that its owner can sign in again')
    .addHelpText(
      'after',
      `
Tokens and sessions of before stay ended. Example:
  $ otesse account reactivate ada@example.com`,
    )
  does(reactivate, (session, idOrEmail = '') =>
    session.withAdminServices(async (services, { accounts }) => {
      const { id } = await getAccount(accounts, idOrEmail)
      return shown(await services.accounts.reactivate(id, OPERATOR))
    }),
  )
}

function addEndSessions(account: Command, does: Does): void {
  const end = account
    .command('end-sessions <id-or-email>')
    .description('sign a user out everywhere; apps keep their access')
    .addHelpText('after', '\nExample:\n  $ otesse account end-sessions ada@example.com')
  does(end, (session, idOrEmail = '') =>
    session.withAdminServices(async (services, { accounts }) => {
      const { id } = await getAccount(accounts, idOrEmail)
      return shown(await services.accounts.endSessions(id, OPERATOR), '\nAll sessions ended.\n')
    }),
  )
}

function addImport(account: Command, does: Does): void {
  const importCommand = account
    .command('import <file>')
    .description('create accounts from a file, with their password hashes')
    .option('--format <format>', 'csv or ndjson; by default from the file name, or csv')
    .option('--from <program>', 'an export of keycloak, auth0 or firebase')
    .option('--hash-config <file>', "the project's hash parameters, for firebase")
    .option('--dry-run', 'check everything without writing anything')
    .addHelpText(
      'after',
      `
The columns, or members, are email, name, role (${ROLE_WORDS}) and password_hash; all but email may be absent. Hashes of argon2,
bcrypt, PBKDF2, scrypt, phpass and SHA-crypt are taken, as Django, Laravel, passlib, Keycloak, ASP.NET Identity, WordPress, Firebase and
others write them, and replaced when their owner signs in. E-mails that have an account
are left as they are, so an import may be repeated. Lines that are refused are listed and stop no other; then the exit code is 1. Examples:
  $ otesse account import --dry-run people.csv
  $ jq -c '.[]' people.json | otesse account import --format ndjson -
  $ otesse account import --from keycloak --dry-run realm.json
  $ otesse account import --from firebase --hash-config hash-config.txt people.json`,
    )
  does(importCommand, async (session, file = '') => {
    const { format: named, dryRun = false, from, hashConfig } = importCommand.opts<ImportFlags>()
    const format = named ?? (/^\.(ndjson|jsonl)$/.test(extname(file)) ? 'ndjson' : 'csv')
    if (format !== 'csv' && format !== 'ndjson') throw usageRefusal('--format is csv or ndjson')
    if (from !== undefined && named !== undefined)
      throw usageRefusal('--from and --format exclude each other')
    const source = SOURCES.find((one) => one === from)
    if (from !== undefined && source === undefined)
      throw usageRefusal(`--from is ${SOURCES.join(', ')}`)
    const counts: Counts = noCounts()
    const text = textOf(file === '-' ? process.stdin : createReadStream(file), file)
    const converted =
      source && (await wholeExport(convert(source, text, await hashConfigOf(hashConfig), counts)))
    return session.withAdminServices(async (services) => {
      const summary = await services.accounts.import(
        withProgress(converted ?? text, session),
        { format: converted === undefined ? format : 'ndjson', dryRun },
        OPERATOR,
      )
      return {
        json: { ...importJson(summary, dryRun), ...(converted && exportJson(counts)) },
        text: importText(summary, dryRun) + (converted ? exportText(counts) : ''),
        exitCode: summary.refused === 0 ? 0 : 1,
      }
    })
  })
}

const hashConfigOf = async (path: string | undefined): Promise<string | undefined> =>
  path === undefined ? undefined : decodeWhole(await readFlagFile(path, 'hash-config'), path)

/** Reads all of an export before any of it is imported: its end can say that it is none. */
async function wholeExport(
  rows: AsyncIterable<SourceRow | undefined>,
): Promise<AsyncIterable<string>> {
  const lines: string[] = []
  for await (const row of rows) lines.push(lineOf(row))
  return Readable.from(lines)
}

const PROGRESS_MILLIS = 2000

/** Says now and then how far it is, to whoever watches. */
async function* withProgress(
  pieces: AsyncIterable<string>,
  { terminal }: Session,
): AsyncGenerator<string> {
  let lines = 0
  let said = performance.now()
  for await (const piece of pieces) {
    yield piece
    lines += piece.split('\n').length - 1
    if (terminal.isInteractive && performance.now() - said > PROGRESS_MILLIS) {
      terminal.warn(`${lines} lines …\n`)
      said = performance.now()
    }
  }
}

const shown = (account: Account, remark = ''): Outcome => ({
  json: { account: accountJson(account) },
  text: accountText(account) + remark,
})

/** @throws {AppError} `not_found` */
async function getAccount(
  accounts: Pick<Accounts, 'get' | 'findByEmail'>,
  idOrEmail: string,
): Promise<Account> {
  if (!idOrEmail.includes('@')) return accounts.get(idOrEmail)
  const found = await accounts.findByEmail(idOrEmail)
  if (found === undefined) throw new AppError('not_found', { detail: 'account' })
  return found
}

/** Reads a file piece by piece. @throws {Refusal | FileRefused} where it cannot be read */
async function* textOf(stream: Readable, file: string): AsyncGenerator<string> {
  try {
    yield* decodeText(stream as AsyncIterable<Uint8Array>, file)
  } catch (error) {
    if (error instanceof FileRefused) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const problem: Problem = {
      field: 'path',
      value: file,
      rule: 'file',
      sentence: `The file cannot be read (${code}).`,
    }
    throw inputRefusal([problem])
  }
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
    { field: 'password', rule: 'password-twice', sentence: 'The passwords do not match.' },
  ])
}

/** Reads a role as people type it: `app-manager` and `app_manager` are one. */
function roleOf(text: string | undefined): Role {
  const role = ROLES.find((each) => each === text?.replaceAll('-', '_'))
  if (role === undefined) throw usageRefusal(`The role must be one of: ${ROLE_WORDS}`)
  return role
}
