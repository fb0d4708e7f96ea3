// The documentation that can be checked: generated tables say what the code says, links lead
// somewhere, and the two commands of the README are there.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PAGES, withTable } from '../scripts/documentation.ts'

const read = (path: string): string => readFileSync(path, 'utf8')

const ROOTS = ['.', 'docs', 'bench', 'examples', 'packages', 'src', '.github']
const documents = ROOTS.flatMap((root) =>
  readdirSync(root, { recursive: root !== '.', encoding: 'utf8' })
    .map((entry) => join(root, entry))
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules')),
)

describe('generated tables', () => {
  it.each(PAGES)('$path is what the code says', (page) => {
    const text = read(page.path)
    const update = `${page.path} differs from the code: run \`npm run docs\`, then commit it`
    expect(withTable(text, page) === text ? 'up to date' : update).toBe('up to date')
  })
})

describe('links', () => {
  it.each(documents)('of %s lead to files that exist', (path) => {
    const prose = read(path).replace(/```[\s\S]*?```/g, '')
    const targets = [...prose.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)/g)]
    const broken = targets.filter(([, file = '', anchor]) => {
      const target = file === '' ? path : join(dirname(path), file)
      if (!existsSync(target)) return true
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor)
    })
    expect(broken.map(([link]) => link)).toEqual([])
  })
})

describe('paths in backticks', () => {
  const ROOT = /^(src|test|docs|bench|deploy|examples|migrations|packages|scripts|views)\//
  const places = [
    '',
    'src/',
    'src/oauth/',
    'src/oauth/authorize/',
    'src/oauth/token/',
    'test/http/',
  ]

  it.each(documents.filter((path) => path !== 'CHANGELOG.md'))('of %s exist', (path) => {
    const texts = [...read(path).matchAll(/`([\w./-]+\.(?:ts|eta|sh|conf|md))`/g)]
    const names = texts.map(([, text = '']) => text).filter((text) => text.includes('/'))
    const isThere = (name: string) =>
      ROOT.test(name)
        ? existsSync(name)
        : places.some((place) => existsSync(place + name)) || existsSync(join(dirname(path), name))
    expect(names.filter((name) => !isThere(name))).toEqual([])
  })
})

describe('README.md', () => {
  const readme = read('README.md')

  it('fits a first reading', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(160)
  })

  it('starts the demo and all tests with one command each, which are scripts', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    expect(readme).toContain('```sh\nnpm ci && npm run demo\n```')
    expect(readme).toContain('```sh\nnpm ci && npm test\n```')
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['demo', 'test']))
  })
})

describe('decisions', () => {
  const names = readdirSync('docs/decisions').filter((name) => name !== 'README.md')
  const decisions = names.map((name) => ({ name, text: read(join('docs/decisions', name)) }))

  it('are numbered without a gap, each with its date, status and reasons', () => {
    expect(decisions.length).toBeGreaterThan(20)
    decisions.forEach(({ name, text }, at) => {
      expect(name).toMatch(new RegExp(`^${String(at + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`))
      expect(text).toMatch(new RegExp(`^# ${at + 1}\\. .+\n\n- Date: \\d{4}-\\d\\d-\\d\\d\n`))
      expect(text).toMatch(/^- Status: (accepted|superseded by \d+)$/m)
      const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
      expect(sections).toEqual(['Context', 'Decision', 'Consequences'])
    })
  })

  it.each([
    ['docs/decisions/README.md', ''],
    ['src/README.md', '../docs/decisions/'],
  ])('are listed in %s', (path, folder) => {
    const lines = decisions.map(({ name, text }) => {
      const [, number = '', title = ''] = /^# (\d+)\. (.+)$/m.exec(text) ?? []
      return `${number}. [${title}](${folder}${name})`
    })
    expect(read(path).match(/^\d+\. \[.*$/gm)).toEqual(lines)
  })
})

describe('the glossary', () => {
  it('has at most 30 words, in order', () => {
    const [, glossary = ''] = read('src/README.md').split('## Glossary')
    const rows = glossary.split('\n## ')[0]?.match(/^\| [a-z].*$/gm) ?? []
    const words = rows.map((row) => row.split('|')[1]?.trim() ?? '')
    expect(words.length).toBeGreaterThan(10)
    expect(words.length).toBeLessThanOrEqual(30)
    expect(words).toEqual([...words].sort())
  })
})

/** The anchors of the headings of a page, as forges make them. */
function anchorsOf(page: string): string[] {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)]
  return headings.map(([, title = '']) => {
    const words = title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '')
    return `#${words.replaceAll(' ', '-')}`
  })
}
