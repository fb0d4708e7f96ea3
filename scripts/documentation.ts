// Writes the generated tables of docs/: settings, rules of redirect URIs, errors, commands. Each comes
// from the code that uses it, so the two cannot disagree. `npm run docs` brings the pages up to date;
// test/documentation.test.ts fails while one of them differs.
import { readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { REDIRECT_URI_RULES } from '../src/apps/redirect-uri.ts'
import { createOtesse } from '../src/cli/program.ts'
import { listSettings, type ServerSetting } from '../src/config/settings.ts'
import { REFUSAL_GUIDES } from '../src/model/error-guides.ts'
import { type ErrorCode, ERRORS } from '../src/shared/errors.ts'

/** The pages, and the table in each: its name in the markers and its Markdown. */
export const PAGES: readonly Page[] = [
  { path: 'docs/settings.md', name: 'settings', table: settingsTables },
  { path: 'docs/redirect-uris.md', name: 'redirect-uris', table: redirectUriTable },
  { path: 'docs/errors.md', name: 'errors', table: errorTable },
  { path: 'docs/errors.md', name: 'error-guides', table: errorGuides },
  { path: 'docs/command-line.md', name: 'commands', table: commandTable },
]

export interface Page {
  path: string
  name: string
  table: () => string
}

/**
 * Returns the page with its table as the code has it now.
 *
 * @throws {Error} the page lacks the markers
 */
export function withTable(page: string, { path, name, table }: Page): string {
  const start = `<!-- generated: ${name} -->`
  const end = `<!-- end of ${name} -->`
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${path} lacks ${start} … ${end}`)
  const body = `<!-- prettier-ignore-start -->\n\n${table()}\n\n<!-- prettier-ignore-end -->`
  return `${page.slice(0, from + start.length)}\n${body}\n${page.slice(to)}`
}

const SECTIONS: Readonly<Record<string, string>> = {
  server: 'Server',
  ops: 'Operations port',
  database: 'Postgres',
  redis: 'Redis',
  embedded: 'Embedded mode',
  secrets: 'Secrets',
  tokens: 'Tokens',
  signIn: 'Sign-in',
  limits: 'Limits',
  gateways: 'Gateways',
  connections: 'Connections to other systems',
  outgoing: 'Calls to other systems',
  events: 'Events',
  pages: 'Pages',
  unsafe: 'Unsafe choices',
}

function settingsTables(): string {
  const rows = listSettings()
  const sections = [...new Set(rows.map(({ section }) => section))]
  const tables = sections.map((section) => {
    const settings = rows.filter((row) => row.section === section)
    const lines = settings.map(({ setting }) => settingRow(setting))
    return `## ${SECTIONS[section] ?? section}\n\n${table(['Variable', 'Default', 'Meaning'], lines)}`
  })
  return tables.join('\n\n')
}

function settingRow({ env, shownDefault, unit, secret, doc }: ServerSetting<unknown>): string[] {
  const isCode = shownDefault !== '' && !shownDefault.includes('`')
  const shown = isCode ? `\`${shownDefault}\`` : shownDefault
  const suffix = unit === undefined || unit === 'points/s' ? '' : ` ${unit}`
  const file = secret ? ` Secret: \`${env}_FILE\` may name a file instead.` : ''
  return [`\`${env}\``, shown + suffix, doc + file]
}

function redirectUriTable(): string {
  const rows = REDIRECT_URI_RULES.map(({ name, appliesTo, sentence }, at) => [
    ...[String(at + 1), `\`${name}\``, appliesTo, sentence.replaceAll('*', '\\*')],
  ])
  return table(['', 'Rule', 'Applies to', 'Message'], rows)
}

function errorTable(): string {
  const rows = Object.entries(ERRORS).map(([code, { status, error, sentence }]) => [
    ...[`\`${code}\``, String(status), `\`${error}\``, sentence],
  ])
  return table(['Code', 'Status', '`error`', '`error_description`'], rows)
}

function errorGuides(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  return codes
    .map((code) => {
      const { what, todo } = REFUSAL_GUIDES[code]
      return `### \`${code}\`\n\n${what}\n\nWhat to do: ${todo}`
    })
    .join('\n\n')
}

function commandTable(): string {
  const nowhere = { write: () => undefined, warn: () => undefined }
  const program = createOtesse(nowhere, false, () => undefined)
  const rows = leaves(program).map((command) => [
    ...[`\`${fullName(command)}\``, command.description(), flags(command)],
  ])
  return table(['Command', 'What it does', 'Flags'], rows)
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

function fullName(command: Command): string {
  const args = command.registeredArguments.map((argument) => ` <${argument.name()}>`)
  const above: string[] = []
  for (let at = command.parent; at !== null; at = at.parent) above.unshift(at.name())
  return [...above, command.name()].join(' ') + args.join('')
}

function flags(command: Command): string {
  const visible = command.options.filter((option) => !option.hidden)
  return visible.map((option) => `\`${option.long ?? option.flags}\``).join(' ')
}

function table(titles: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n')
}

if (import.meta.main) {
  for (const page of PAGES) {
    writeFileSync(page.path, withTable(readFileSync(page.path, 'utf8'), page))
  }
}
