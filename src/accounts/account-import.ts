// Many accounts at once, from a file, with the password hashes that they had elsewhere. Invariants:
// an account that exists is left as it is, so that an import may be repeated; a line that is
// refused is named and stops no other; what is written in a batch is written whole. Called by
// admin/.
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { emailKey, parseEmail, parseLine } from './account-input.ts'
import { type AccountStore } from './account.store.ts'
import { type AccountToInsert, newAccount, type Role, ROLES } from '../model/account.ts'
import type { ActContext } from './accounts.ts'
import type { Problem } from '../model/problem.ts'
import { type ImportRow, readLines } from './import-lines.ts'
import { hashProblem } from './imported-hash.ts'

const BATCH = 500
const MAX_PROBLEMS = 100

/** How an import went. */
export interface ImportSummary {
  created: number
  /** There was an account of that e-mail already; it was left as it is. */
  existing: number
  refused: number
  /** The lines that were refused, the first 100; a line is counted from 1. */
  problems: { line: number; problems: readonly Problem[] }[]
}

export interface ImportOptions {
  format: 'csv' | 'ndjson'
  /** Looks at everything and writes nothing. */
  dryRun: boolean
  /** Returns what is missing to give a role; a line that gives it all the same is refused. */
  missingFor: (role: Role) => string | undefined
}

/** What is told to the event log. */
export interface ImportEvents {
  accountCreated(facts: { accountId: string; role: string }, context: ActContext): void
  accountsImported(facts: { created: number; refused: number }, context: ActContext): void
}

/**
 * Imports the rows of a file: `email`, and where they are there `name`, `role` and `password_hash`.
 *
 * @throws {AppError} `temporarily_unavailable`; what was written before stays, and the same file
 * can be imported again
 */
export type ImportAccounts = (
  rows: AsyncIterable<string>,
  options: ImportOptions,
  context?: ActContext,
) => Promise<ImportSummary>

/** Creates the function that imports. */
export function createAccountImport(deps: {
  store: Pick<AccountStore, 'insertMany' | 'findTaken'>
  clock: Clock
  events?: ImportEvents
}): ImportAccounts {
  const { store, clock, events } = deps
  return async function importAccounts(rows, options, context = {}) {
    const summary: ImportSummary = { created: 0, existing: 0, refused: 0, problems: [] }
    // Only a dry run needs to remember what it has seen: otherwise the database does.
    const seen = new Set<string>()
    let batch: AccountToInsert[] = []

    async function finishBatch(): Promise<void> {
      if (batch.length === 0) return
      const written = options.dryRun ? await pretend(batch, seen) : await store.insertMany(batch)
      summary.created += written.size
      summary.existing += batch.length - written.size
      if (!options.dryRun)
        for (const { account } of batch)
          // The others are told as a number: a hundred thousand events would push everything else
          // out of the queue.
          if (account.role !== 'member' && written.has(account.id))
            events?.accountCreated({ accountId: account.id, role: account.role }, context)
      batch = []
    }

    /** Returns the ids of those that would be created. */
    async function pretend(accounts: readonly AccountToInsert[], known: Set<string>) {
      const taken = await store.findTaken(accounts.map(({ emailKey: key }) => key))
      const free = new Set<string>()
      for (const { account, emailKey: key } of accounts) {
        if (!taken.has(key) && !known.has(key)) free.add(account.id)
        known.add(key)
      }
      return free
    }

    function refuse(line: number, problems: readonly Problem[]): void {
      summary.refused += 1
      if (summary.problems.length < MAX_PROBLEMS) summary.problems.push({ line, problems })
    }

    try {
      for await (const read of readLines(rows, options.format)) {
        if ('problem' in read) {
          refuse(read.line, [read.problem])
          continue
        }
        const parsed = parseRow(read.row, options, dateNow(clock))
        if (Array.isArray(parsed)) refuse(read.line, parsed)
        else batch.push(parsed)
        if (batch.length >= BATCH) await finishBatch()
      }
      await finishBatch()
    } finally {
      const { created, refused } = summary
      if (!options.dryRun && created + refused > 0)
        events?.accountsImported({ created, refused }, context)
    }
    return summary
  }
}

/** Returns the account of a row, or all that is wrong with it. */
function parseRow(
  row: ImportRow,
  { missingFor }: ImportOptions,
  createdAt: Date,
): AccountToInsert | Problem[] {
  const { password_hash: passwordHash } = row
  const role = row.role === undefined ? 'member' : roleNamed(row.role)
  const email = parseEmail(row.email ?? '')
  const name = row.name === undefined ? undefined : parseName(row.name)
  const problems: Problem[] = []
  if (email === undefined)
    problems.push({
      field: 'email',
      rule: 'email-form',
      sentence: 'This is not an e-mail address, like ada@example.com.',
    })
  if (name === null)
    problems.push({
      field: 'name',
      rule: 'name-form',
      sentence: 'A name is one line of at most 200 characters without control characters.',
    })
  const missing = role && missingFor(role)
  if (role === undefined)
    problems.push({
      field: 'role',
      rule: 'role-unknown',
      sentence: `The roles are ${ROLES.join(', ')}.`,
    })
  else if (missing !== undefined)
    problems.push({
      field: 'role',
      rule: 'role-power',
      sentence: `Giving the role ${role} needs the permission ${missing}.`,
    })
  const ofHash = passwordHash === undefined ? undefined : hashProblem(passwordHash)
  if (ofHash !== undefined)
    problems.push({ field: 'password_hash', rule: 'hash-unusable', sentence: ofHash })
  if (problems.length > 0 || email === undefined || name === null || role === undefined)
    return problems
  const hasPassword = passwordHash !== undefined
  return {
    account: newAccount({ email, name, role, hasPassword }, createdAt),
    emailKey: emailKey(email),
    passwordHash,
  }
}

/** Reads a role as people write it: `app-manager`, `App manager` and `app_manager` are one. */
const roleNamed = (text: string): Role | undefined =>
  ROLES.find((role) => role === text.trim().toLowerCase().replaceAll(/[- ]/g, '_'))

/** Returns the name, or `null` where it cannot be one. */
function parseName(text: string): string | undefined | null {
  try {
    return parseLine(text, 'name')
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}
