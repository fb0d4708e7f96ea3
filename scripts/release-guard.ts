// Whether a release may begin. `npm version` runs it as `preversion`, before it changes anything, and
// `npm test` after it; see CONTRIBUTING.md. Invariant: a tag points at a tree whose changelog says
// what is in it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What the guard looks at. */
export interface ReleaseState {
  /** The version to release. */
  version: string
  /** The version in package.json. */
  current: string
  changelog: string
  /** What `git status --porcelain` prints. */
  changes: string
  tags: readonly string[]
}

const VERSION = /^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?$/

/** Returns why the version cannot be released, a sentence each; none where it can. */
export function releaseProblems(state: ReleaseState): string[] {
  const { version, current, changelog, changes, tags } = state
  if (!VERSION.test(version)) return [`"${version}" is not a version such as 1.2.3.`]
  const problems: string[] = []
  if (changes.trim() !== '') problems.push('The working tree has changes: commit them first.')
  if (tags.includes(`v${version}`)) problems.push(`The tag v${version} exists already.`)
  if (isBefore(version, current))
    problems.push(`${version} is older than ${current}, the version in package.json.`)
  if (hasEntries(section(changelog, 'Unreleased') ?? ''))
    problems.push(
      `CHANGELOG.md has entries under "Unreleased": move them to a section "## ${version} - <date>".`,
    )
  const released = section(changelog, version)
  if (released === undefined) problems.push(`CHANGELOG.md has no section "## ${version} - <date>".`)
  else if (!hasEntries(released)) problems.push(`CHANGELOG.md says nothing about ${version}.`)
  return problems
}

function isBefore(version: string, other: string): boolean {
  const numbers = (text: string): number[] => (VERSION.exec(text) ?? []).slice(1, 4).map(Number)
  const [left, right] = [numbers(version), numbers(other)]
  const at = left.findIndex((number, index) => number !== right[index])
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0)
}

/** The text below a heading of the changelog: of `Unreleased`, or of a version with its date. */
function section(changelog: string, name: string): string | undefined {
  const heading = name === 'Unreleased' ? '## Unreleased' : `## ${name} - `
  return changelog
    .split(/^(?=## )/m)
    .find((part) => part.startsWith(heading))
    ?.replace(/^.*$/m, '')
}

const hasEntries = (text: string): boolean => /^- /m.test(text)

if (import.meta.main) {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' })
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const problems = releaseProblems({
    version: process.env['npm_new_version'] ?? '',
    current: version,
    changelog: readFileSync('CHANGELOG.md', 'utf8'),
    changes: git('status', '--porcelain'),
    tags: git('tag', '--list').split('\n'),
  })
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}
