// How accounts are shown: as JSON for scripts, as text for people.
import type { ImportOutcome } from '../admin/account-service.ts'
import type { OneTimeLink } from '../accounts/account-links.ts'
import type { Account } from '../model/account.ts'
import type { Counts } from '../admin/import/export-formats.ts'
import { facts, timeText, problemList, table } from './layout.ts'

export const accountJson = (account: Account): object => ({
  id: account.id,
  email: account.email,
  name: account.name ?? null,
  role: account.role,
  status: account.status,
  statusReason: account.statusReason ?? null,
  hasPassword: account.hasPassword,
  version: account.version,
  createdAt: account.createdAt,
  sessionsValidFrom: account.sessionsValidFrom ?? null,
})

export function accountText(account: Account, password?: string): string {
  const { status, statusReason, hasPassword } = account
  return `${account.email}\n${facts([
    ['Account id', account.id],
    ['Name', account.name],
    ['Role', account.role],
    ['Status', statusReason === undefined ? status : `${status}: ${statusReason}`],
    ['Created', timeText(account.createdAt)],
    ['Sign-ins count from', account.sessionsValidFrom && timeText(account.sessionsValidFrom)],
    ['Password', password ?? (hasPassword ? undefined : 'not set: nobody can sign in yet')],
  ])}`
}

/** Lists one page. @param next the cursor of the page after it */
export function accountListText(accounts: readonly Account[], next: string | undefined): string {
  if (accounts.length === 0) return 'No accounts. Create one: otesse account create --help\n'
  const rows = accounts.map((one) => [
    one.id,
    one.email,
    one.name ?? '',
    one.role,
    one.status,
    timeText(one.createdAt),
  ])
  const more = next === undefined ? '' : `\nMore: otesse account list --cursor ${next}\n`
  return table(['ACCOUNT ID', 'E-MAIL', 'NAME', 'ROLE', 'STATUS', 'CREATED'], rows) + more
}

export const linkJson = ({ url, expiresAt }: OneTimeLink): object => ({
  url: url.reveal(),
  expiresAt,
})

export const linkText = ({ url, expiresAt }: OneTimeLink): string =>
  `\nHand this link over on a way that only they can read. It works once, until ${timeText(expiresAt)}, and is not shown again:\n\n    ${url.reveal()}\n`

export const importJson = ({ problems, ...counts }: ImportOutcome, dryRun: boolean): object => ({
  dryRun,
  ...counts,
  problems: problems.map(({ line, outcome }) => ({ line, problems: outcome.problems })),
})

export function importText(summary: ImportOutcome, dryRun: boolean): string {
  const { created, existing, refused, problems } = summary
  const shown = problems.flatMap(({ line, outcome }) =>
    outcome.problems.map((problem) => ({ ...problem, line })),
  )
  const rest = refused - problems.length
  const more = rest > 0 ? `  - and ${rest} lines more\n` : ''
  const verb = dryRun ? 'would be created' : 'created'
  return `${created} ${verb}, ${existing} existed already and stay as they are, ${refused} refused.\n${problemList(shown, (field) => field)}${more}`
}

/** What was read of an export, and what of it is not here, by its reason. */
export const exportJson = ({ withPassword, withoutPassword, left, dropped }: Counts): object => ({
  withPassword,
  withoutPassword,
  leftOut: Object.fromEntries(left),
  notTaken: Object.fromEntries(dropped),
})

const counted = (title: string, counts: ReadonlyMap<string, number>): string =>
  counts.size === 0
    ? ''
    : `${title}:\n${[...counts].map(([what, count]) => `  - ${count} × ${what}\n`).join('')}`

export function exportText({ withPassword, withoutPassword, left, dropped }: Counts): string {
  const link = withoutPassword === 0 ? '' : ' (their owners need a link: otesse account reset)'
  return `In the export: ${withPassword} accounts with a password, ${withoutPassword} without one${link}. A line above is the number of the account in it.
${counted('Left out', left)}${counted('Not imported for the others', dropped)}`
}
