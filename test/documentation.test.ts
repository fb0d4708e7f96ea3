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

/** The anchors of the headings of a page, as forges make them. */
function anchorsOf(page: string): string[] {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)]
  return headings.map(([, title = '']) => {
    const words = title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '')
    return `#${words.replaceAll(' ', '-')}`
  })
}
