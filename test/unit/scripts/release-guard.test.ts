// The guard before a release: it says everything that is missing, and `npm version` stops.
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { releaseProblems, type ReleaseState } from '../../../scripts/release-guard.ts'

const CHANGELOG = `# Changelog

## Unreleased

## 1.3.0 - 2026-12-01

- Something new.

## 1.2.0 - 2026-11-01

- Something older.
`
const ready: ReleaseState = {
  ...{ version: '1.3.0', current: '1.2.0', changelog: CHANGELOG },
  ...{ changes: '', tags: ['v1.2.0', ''] },
}

it('lets a release through', () => {
  expect(releaseProblems(ready)).toEqual([])
  // The first release has the number that package.json began with.
  expect(releaseProblems({ ...ready, current: '1.3.0' })).toEqual([])
})

it.each<[string, Partial<ReleaseState>, string]>([
  ['changes that are not committed', { changes: ' M README.md\n' }, 'The working tree has changes'],
  ['a tag that is there', { tags: ['v1.3.0'] }, 'The tag v1.3.0 exists'],
  ['an older version', { current: '1.10.0' }, '1.3.0 is older than 1.10.0'],
  ['no version', { version: 'next' }, '"next" is not a version'],
  [
    'entries that are in no version',
    { changelog: CHANGELOG.replace('## Unreleased', '## Unreleased\n\n- Forgotten.') },
    'CHANGELOG.md has entries under "Unreleased"',
  ],
  ['a version without a section', { version: '1.4.0' }, 'CHANGELOG.md has no section "## 1.4.0'],
  [
    'a section without a date',
    { changelog: CHANGELOG.replace(' - 2026-12-01', '') },
    'CHANGELOG.md has no section "## 1.3.0',
  ],
  [
    'a section without entries',
    { changelog: CHANGELOG.replace('- Something new.', '') },
    'CHANGELOG.md says nothing about 1.3.0',
  ],
])('refuses %s', (_, state, sentence) => {
  expect(releaseProblems({ ...ready, ...state })).toEqual([expect.stringContaining(sentence)])
})

describe('as `npm version` runs it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'otesse-release-'))
  afterAll(() => rmSync(directory, { recursive: true }))

  const guard = (changes: string) => {
    // Stands in for git, which a machine that runs the tests may lack.
    const git = join(directory, 'git')
    writeFileSync(git, `#!/bin/sh\n[ "$1" = status ] && printf '${changes}'; true\n`)
    chmodSync(git, 0o755)
    writeFileSync(join(directory, 'package.json'), '{ "version": "1.2.0" }')
    writeFileSync(join(directory, 'CHANGELOG.md'), CHANGELOG)
    return promisify(execFile)(process.execPath, [resolve('scripts/release-guard.ts')], {
      cwd: directory,
      env: { PATH: `${directory}${delimiter}/usr/bin:/bin`, npm_new_version: '1.3.0' },
    })
  }

  it('ends with 0 where the release may begin, else with 1 and the reasons', async () => {
    await expect(guard('')).resolves.toMatchObject({ stderr: '' })
    await expect(guard(' M README.md')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The working tree has changes'),
    })
  })

  it('comes first, and all checks follow it', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(scripts['preversion']).toBe('node scripts/release-guard.ts && npm test')
  })

  it('the package for APIs has the version of the server', () => {
    const versionOf = (path: string) =>
      (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
    expect(versionOf('packages/resource-server/package.json')).toBe(versionOf('package.json'))
  })
})
