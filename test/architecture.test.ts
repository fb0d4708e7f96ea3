// The architecture as two tables: which folder may import which, and the one home of each outside
// thing. Every line of src/ and migrations/ is checked as text. Messages name file and line.
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

// Imports only go down: never up, never to another folder of the same level. `import type` counts.
// Only the top reads config/, and its files know each other; migrations/ know nobody, and only
// storage/ knows the migrations. A package stands alone.
const LEVELS = [
  ['shared'],
  ['model', 'mail'],
  ['config', 'storage', 'http', 'outgoing', 'providers'],
  ['accounts', 'apps', 'grants', 'keys', 'audit', 'revocations', 'connections', 'deliveries'],
  ['oauth', 'sign-in', 'account-page', 'connected-apps', 'admin', 'gateway'],
  [
    ...[
      'require-node.ts',
      'open-stores.ts',
      'infrastructure.ts',
      'services.ts',
      'app.ts',
      'serve.ts',
      'background-jobs.ts',
      'offer-setup.ts',
      'own-secrets.ts',
      'main.ts',
    ],
    ...['compose', 'cli.ts', 'cli'],
  ],
]
const TOP = LEVELS.length - 1

const HOMES = [
  home(
    'koa',
    imports('koa|@koa/router'),
    /^(http|oauth)\/|\.routes\.ts$|^(app|serve)\.ts$|^compose\/|^admin\/(console\/(require-admin|stale-form)|api\/request-body)\.ts$|^account-page\/account-deps\.ts$|^sign-in\/(ports|session|app-of-page|failed-attempt)\.ts$/,
  ),
  home('oidc-provider', imports('oidc-provider'), /^oauth\//),
  home('SQL', imports('kysely|pg|@electric-sql/pglite'), /^(storage|migrations)\/|\.store\.ts$/),
  home('ioredis', imports('ioredis'), /^storage\/|^grants\/redis-[^/]*\.ts$/),
  home('password hashes', imports('argon2|@node-rs/bcrypt'), /^accounts\//),
  home('nodemailer', imports('nodemailer'), /^mail\//),
  home('node:crypto', imports('(node:)?crypto'), /^shared\//),
  home('web crypto', /\bcrypto\.(subtle|getRandomValues|randomUUID)\b/, /^shared\//),
  home(
    'requests to other hosts',
    /(?<![.\w])fetch\(|\bglobalThis\.fetch\b|\b(from|import)\b[\s(]*['"](undici|(node:)?(https|http2|dns|dns\/promises))['"]|\b(request|get|Agent|ClientRequest)\b.* from '(node:)?http'|^import (\* as )?\w+ from '(node:)?http'/,
    // The doctor asks its own server; the console shows code that others run.
    /^outgoing\/|^cli\/doctor-proxies\.ts$|^admin\/console\/snippets(\/.*)?\.ts$/,
  ),
  home('process.env', /\bprocess\.env\b|from '(node:)?process'/, /^(main|cli)\.ts$/),
  home('the time of day', /\bDate\.now\b|\bnew Date(\(\)|(?![\w(]))/, /^shared\/clock\.ts$/),
]

const files = ['src', 'migrations'].flatMap(readSources)

test('imports only go down', () => {
  const problems = onEachImport(({ path, folder }, target) => {
    const other = target.startsWith('.')
      ? folderOf(posix.join(posix.dirname(path), target))
      : folder
    const [level, otherLevel] = [levelOf(folder), levelOf(other)]
    const isAllowed =
      other === folder ||
      (other === 'migrations' && folder === 'storage') ||
      (otherLevel >= 0 && level === TOP) ||
      (otherLevel >= 0 && otherLevel < level && other !== 'config')
    return isAllowed ? undefined : `${folder} may not import ${other}`
  })
  expect(problems).toEqual([])
})

test('no file imports itself by way of others', () => {
  const imports = new Map(files.map(({ path, lines }) => [path, targetsOf(path, lines)]))
  const finished = new Set<string>()
  const circles: string[] = []
  function follow(path: string, way: readonly string[]): void {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' → '))
    else if (!finished.has(path)) {
      for (const target of imports.get(path) ?? []) follow(target, [...way, path])
      finished.add(path)
    }
  }
  for (const { path } of files) follow(path, [])
  expect(circles).toEqual([])
})

test('the package for APIs stands alone: it imports its own files and Node', () => {
  const sources = readSources('packages/resource-server/src')
  expect(sources.length).toBeGreaterThan(5)
  const strangers = sources.flatMap(({ path, lines }) =>
    lines
      .map((line) => /\bfrom '([^']+)'/.exec(line)?.[1] ?? './')
      .filter((target) => !/^(\.\/|node:)/.test(target))
      .map((target) => `${path} ${target}`),
  )
  expect(strangers).toEqual([])
})

test('what only the demo needs is no dependency of the server', () => {
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Packages
  const { dependencies, devDependencies = {} } = read('package.json')
  const demo = Object.entries(read('examples/demo/package.json').dependencies)
  expect(demo.length).toBeGreaterThan(0)
  for (const [name, version] of demo) {
    expect(devDependencies[name]).toBe(version)
    expect(Object.keys(dependencies)).not.toContain(name)
  }
})

test('each folder of src has a level', () => {
  const known = ({ folder }: SourceFile) => levelOf(folder) >= 0 || folder === 'migrations'
  expect(files.filter((file) => !known(file)).map(({ path }) => path)).toEqual([])
})

test('src/README.md has the folders of each level, and what each knows', () => {
  const rows = readFileSync('src/README.md', 'utf8').matchAll(/^\| (\d) +\| ([^|]+?) +\| \w/gm)
  const documented = [...rows].flatMap(([, level, names = '']) =>
    [...names.matchAll(/`([^`]+?)\/?`/g)].map(([, name = '']) => `${level} ${name}`),
  )
  const isMinor = (name: string) =>
    ['require-node.ts', 'own-secrets.ts', 'offer-setup.ts'].includes(name)
  const known = LEVELS.flatMap((names, level) =>
    names.filter((name) => !isMinor(name)).map((name) => `${level} ${name}`),
  )
  expect(documented.toSorted()).toEqual(known.toSorted())
})

test('each outside thing has one home', () => {
  const problems = onEachLine(({ name }, line) =>
    HOMES.filter(({ pattern, place }) => pattern.test(line) && !place.test(name)).map(
      ({ thing, place }) => `${thing} lives in ${String(place)}`,
    ),
  )
  expect(problems).toEqual([])
})

test('relative imports name the real file, with its .ts', () => {
  const isVague = (target: string) => target.startsWith('.') && !target.endsWith('.ts')
  expect(onEachImport((_, target) => (isVague(target) ? target : undefined))).toEqual([])
})

test('there is no barrel and no default export', () => {
  const paths = files.map(({ path }) => path)
  expect(paths.filter((path) => path.endsWith('/index.ts'))).toEqual([])
  const isDefault = (line: string) => /^export (default\b|.*\bas default\b)/.test(line)
  expect(onEachLine((_, line) => (isDefault(line) ? ['default export'] : []))).toEqual([])
})

test('each file opens with the comment that says what it is', () => {
  const isSilent = ({ lines }: SourceFile) => !/^(#!|\/\/ \w|\/\*)/.test(lines[0] ?? '')
  expect(files.filter(isSilent).map(({ path }) => `${path}:1`)).toEqual([])
})

interface Packages {
  dependencies: Record<string, string>
  devDependencies?: Record<string, string>
}

interface SourceFile {
  path: string
  /** The path as the tables spell it: without src/. */
  name: string
  folder: string
  lines: string[]
}

function readSources(root: string): SourceFile[] {
  const entries = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return entries.filter(isTypeScript).map((entry) => {
    const path = posix.join(root, entry)
    const name = root === 'src' ? entry : path
    return { path, name, folder: folderOf(path), lines: readFileSync(path, 'utf8').split('\n') }
  })
}

function isTypeScript(path: string): boolean {
  return path.endsWith('.ts')
}

// The folder that the tables speak of, or the file when it stands at the top of src/.
function folderOf(path: string): string {
  return path.replace(/^src\//, '').split('/')[0] ?? ''
}

function levelOf(folder: string): number {
  return LEVELS.findIndex((folders) => folders.includes(folder))
}

/** The files of ours that a file imports, types included. */
function targetsOf(path: string, lines: readonly string[]): string[] {
  const found = lines.join('\n').matchAll(/\b(?:from|import)[\s(]*'(\.[^']+)'/g)
  return [...found].map(([, target = '']) => posix.join(posix.dirname(path), target))
}

// Matches the line of an import or export of one of these packages or of a file inside it.
function imports(packages: string): RegExp {
  return new RegExp(`\\b(from|import)\\b[\\s(]*['"](${packages})(/[^'"]*)?['"]`)
}

function home(thing: string, pattern: RegExp, place: RegExp) {
  return { thing, pattern, place }
}

function onEachLine(check: (file: SourceFile, line: string) => string[]): string[] {
  const isComment = (line: string) => /^\s*(\/\/|\/?\*)/.test(line)
  return files.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      const problems = isComment(line) ? [] : check(file, line)
      return problems.map((problem) => `${file.path}:${index + 1} ${problem}`)
    }),
  )
}

function onEachImport(check: (file: SourceFile, target: string) => string | undefined): string[] {
  return onEachLine((file, line) => {
    const target = /\b(?:from|import)\b[\s(]*['"]([^'"]+)['"]/.exec(line)?.[1]
    const problem = target === undefined ? undefined : check(file, target)
    return problem === undefined ? [] : [problem]
  })
}
