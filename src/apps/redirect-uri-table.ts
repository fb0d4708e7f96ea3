// Writes the README's table of the rules of redirect URIs from the rules themselves, in the order in which they are asked, so that the two cannot
// disagree. Compared with README.md by test/documentation.test.ts, which also says how to bring the README up to date.
import { REDIRECT_URI_RULES } from './redirect-uri.ts'

const START =
  '<!-- redirect URIs: written by src/apps/redirect-uri-table.ts -->\n<!-- prettier-ignore-start -->'
const END = '<!-- prettier-ignore-end -->\n<!-- end of redirect URIs -->'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*')

/**
 * Returns the README with the table as it has to be between its two markers.
 *
 * @throws {Error} when the markers are missing
 */
export function withRedirectUriTable(readme: string): string {
  const from = readme.indexOf(START)
  const to = readme.indexOf(END)
  if (from === -1 || to < from) throw new Error(`no section of redirect URIs: ${START} … ${END}`)
  const table = [
    '| | Rule | Asked of | What is refused is told |',
    '| --- | --- | --- | --- |',
    ...REDIRECT_URI_RULES.map(
      ({ name, appliesTo, sentence }, at) =>
        `| ${at + 1} | \`${name}\` | ${appliesTo} | ${cell(sentence)} |`,
    ),
  ].join('\n')
  return `${readme.slice(0, from + START.length)}\n\n${table}\n\n${readme.slice(to)}`
}
