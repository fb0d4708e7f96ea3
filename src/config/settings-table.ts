// Writes the README's settings section from the table, so that the two cannot disagree. Compared with
// README.md by test/documentation.test.ts, which also says how to bring the README up to date.
import { listSettings, type Setting } from './settings.ts'

const TITLES: Readonly<Record<string, string>> = {
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
  events: 'Events',
  pages: 'Pages',
  unsafe: 'Unsafe choices',
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

function row(setting: Setting<unknown>): string {
  const shown = setting.shownDefault.includes('`') || setting.shownDefault === ''
  const value = shown ? setting.shownDefault : `\`${setting.shownDefault}\``
  const unit = setting.unit === undefined || setting.unit === 'points/s' ? '' : ` ${setting.unit}`
  const secret = setting.secret ? ` Secret: \`${setting.env}_FILE\` may name a file instead.` : ''
  return `| \`${setting.env}\` | ${cell(value)}${unit} | ${cell(setting.doc)}${secret} |`
}

const START =
  '<!-- settings: written by src/config/settings-table.ts -->\n<!-- prettier-ignore-start -->'
const END = '<!-- prettier-ignore-end -->\n<!-- end of settings -->'

/**
 * Returns the README with the tables as they have to be between its two markers.
 *
 * @throws {Error} when the markers are missing
 */
export function withSettingsTables(readme: string): string {
  const from = readme.indexOf(START)
  const to = readme.indexOf(END)
  if (from === -1 || to < from) throw new Error(`no settings section: ${START} … ${END}`)
  return `${readme.slice(0, from + START.length)}\n\n${settingsTables()}\n\n${readme.slice(to)}`
}

/** Returns the tables in Markdown, one for each section. */
function settingsTables(): string {
  const rows = listSettings()
  const sections = [...new Set(rows.map(({ section }) => section))]
  return sections
    .map((section) =>
      [
        `### ${TITLES[section] ?? section}`,
        '',
        '| Variable | Default | Meaning |',
        '| --- | --- | --- |',
        ...rows.filter((one) => one.section === section).map(({ setting }) => row(setting)),
      ].join('\n'),
    )
    .join('\n\n')
}
