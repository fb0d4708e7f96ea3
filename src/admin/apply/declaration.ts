// What a file declares, taken apart: which scopes and apps it names, and what is wrong with its
// shape. Invariant: whatever was read, of whatever type, the answer is a declaration and the list
// of all problems, each with its place in the file; nothing is thrown or looked up. The values of
// settings are the business of plan.ts, which asks the same rules as every other face.
import { isClientId, isHandle } from '../../model/app.ts'
import { quoted } from '../../model/plain-text.ts'
import type { Problem } from '../../model/problem.ts'

/** A place in the file: keys and positions from the top. */
export type Path = readonly (string | number)[]

/** A problem with its place. */
export interface FileProblem extends Problem {
  readonly path: Path
}

type Settings = Readonly<Record<string, unknown>>

/** A scope as the file has it. */
export interface DeclaredScope {
  path: Path
  name: string
  settings: Settings
}

/** An app as the file has it. */
export interface DeclaredApp {
  path: Path
  handle: string
  /** Takes over an app that has no handle yet, or another one. */
  id: string | undefined
  /** Everything but the handle, the id and the logo. */
  settings: Settings
  /** The name of a file beside this one; a logo that is not mentioned stays as it is. */
  logo: string | undefined
}

/** A provider or an integration as the file has it, by its key or handle. */
export interface DeclaredSystem {
  path: Path
  name: string
  settings: Settings
}

/** All that a file declares. */
export interface Declaration {
  scopes: DeclaredScope[]
  apps: DeclaredApp[]
  systems: { providers: DeclaredSystem[]; integrations: DeclaredSystem[] }
  /** Whether there is a list of apps, which may be empty: without one nothing is said of those that are there. */
  hasApps: boolean
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const problem = (path: Path, rule: string, sentence: string, value?: unknown): FileProblem => ({
  path,
  field: String(path.at(-1) ?? 'file'),
  ...(typeof value === 'string' && { value: quoted(value) }),
  rule,
  sentence,
})

/** Takes a file apart. @param data what a YAML or JSON reader made of it */
export function readDeclaration(data: unknown): {
  declaration: Declaration
  problems: FileProblem[]
} {
  const problems: FileProblem[] = []
  const declaration: Declaration = {
    scopes: [],
    apps: [],
    systems: { providers: [], integrations: [] },
    hasApps: false,
  }
  if (!isRecord(data)) {
    problems.push(
      problem([], 'file-shape', 'The file has lists: scopes, apps, providers and integrations.'),
    )
    return { declaration, problems }
  }
  for (const key of Object.keys(data))
    if (!KEYS.includes(key))
      problems.push(
        problem(
          [key],
          'file-key',
          'A file has scopes, apps, providers and integrations, and nothing else.',
        ),
      )
  declaration.hasApps = Array.isArray(data['apps'])
  const found: Found = { problems, seen: new Set() }
  for (const [path, entry] of entriesOf(data, 'scopes', problems)) {
    const scope = readScope(path, entry, found)
    if (scope !== undefined) declaration.scopes.push(scope)
  }
  for (const [path, entry] of entriesOf(data, 'apps', problems)) {
    const app = readApp(path, entry, found)
    if (app !== undefined) declaration.apps.push(app)
  }
  for (const [key, nameIn] of [
    ['providers', 'key'],
    ['integrations', 'handle'],
  ] as const)
    for (const [path, settings] of entriesOf(data, key, problems)) {
      const name = Object.hasOwn(settings, nameIn) ? settings[nameIn] : undefined
      if (typeof name !== 'string')
        problems.push(problem([...path, nameIn], 'file-name', `Give it a ${nameIn}, as text.`))
      else if (isFirst(key, name, [...path, nameIn], found))
        declaration.systems[key].push({ path, name, settings })
    }
  return { declaration, problems }
}

const KEYS: readonly string[] = ['scopes', 'apps', 'providers', 'integrations']

function* entriesOf(
  data: Settings,
  key: 'scopes' | 'apps' | 'providers' | 'integrations',
  problems: FileProblem[],
): Generator<[Path, Settings]> {
  const list = Object.hasOwn(data, key) ? data[key] : undefined
  if (list === undefined || list === null) return
  if (!Array.isArray(list)) {
    problems.push(problem([key], 'file-list', `Write ${key} as a list: each entry with a hyphen.`))
    return
  }
  for (const [at, entry] of list.entries())
    if (isRecord(entry)) yield [[key, at], entry]
    else problems.push(problem([key, at], 'file-entry', 'Each entry has settings with names.'))
}

interface Found {
  problems: FileProblem[]
  /** What was named already; a name that comes twice would be changed back and forth. */
  seen: Set<string>
}

/** Notes a name. @returns whether it is the first of its kind */
function isFirst(kind: string, name: string, path: Path, { seen, problems }: Found): boolean {
  const key = `${kind} ${name}`
  if (!seen.has(key)) {
    seen.add(key)
    return true
  }
  problems.push(problem(path, 'file-twice', 'The file has this one twice.', name))
  return false
}

function readScope(path: Path, settings: Settings, found: Found): DeclaredScope | undefined {
  const name = Object.hasOwn(settings, 'name') ? settings['name'] : undefined
  if (typeof name !== 'string') {
    found.problems.push(problem([...path, 'name'], 'file-name', 'Name the scope, as text.'))
    return undefined
  }
  return isFirst('scope', name, [...path, 'name'], found) ? { path, name, settings } : undefined
}

function readApp(path: Path, entry: Settings, found: Found): DeclaredApp | undefined {
  const { handle, id, logo, ...settings } = entry
  const { problems } = found
  const before = problems.length
  if (typeof handle !== 'string' || !isHandle(handle))
    problems.push(
      problem(
        [...path, 'handle'],
        'handle-form',
        'Give the app a handle, by which this file knows it: 1 to 63 lower-case letters, digits and hyphens, and neither begins nor ends with a hyphen.',
        handle,
      ),
    )
  else isFirst('app', handle, [...path, 'handle'], found)
  if (id !== undefined && (typeof id !== 'string' || !isClientId(id)))
    problems.push(problem([...path, 'id'], 'client-id-form', 'This is no client id.', id))
  else if (id !== undefined) isFirst('id', id, [...path, 'id'], found)
  if (logo !== undefined && typeof logo !== 'string')
    problems.push(problem([...path, 'logo'], 'field-type', 'This must be a file name.'))
  if (problems.length > before || typeof handle !== 'string') return undefined
  return {
    path,
    handle,
    id: typeof id === 'string' ? id : undefined,
    settings,
    logo: typeof logo === 'string' ? logo : undefined,
  }
}
