// What is there, written as a file that would change nothing when it is applied: where a team
// starts from that wants to keep its apps in git. Invariant: settings that are as they are without
// being mentioned are left out; no secret and no built-in scope is in it.
import { defaultOfScope, SCOPE_SETTING_NAMES } from '../../apps/scope-settings.ts'
import type { Scope } from '../../model/scope.ts'
import { type App, isHandle } from '../../model/app.ts'
import { defaultOf, SETTING_NAMES, type SettingName } from '../../apps/app-settings.ts'
import { isBuiltInScope } from '../../apps/scope.ts'

type Entry = Record<string, unknown>

/** A file as data. */
export interface Exported {
  scopes: Entry[]
  apps: Entry[]
  providers?: object[]
  integrations?: object[]
}

/** Writes scopes and apps as the data of a file, ordered by name so that two exports can be compared. */
export function toDeclaration(scopes: Iterable<Scope>, apps: readonly App[]): Exported {
  const taken = new Set(apps.flatMap(({ handle }) => handle ?? []))
  const named = [...apps]
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))
    .map((app) => ({ app, handle: app.handle ?? newHandle(app, taken) }))
  return {
    scopes: [...scopes]
      .filter(({ name }) => !isBuiltInScope(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(scopeEntry),
    apps: named
      .sort((a, b) => (a.handle < b.handle ? -1 : 1))
      .map(({ app, handle }) => appEntry(app, handle)),
  }
}

/** A handle for an app that has none: its name in plain letters, numbered where that is taken. */
function newHandle({ id, name }: App, taken: Set<string>): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-+|-+$/g, '')
  const stem = isHandle(plain) ? plain : id.toLowerCase().replace('_', '-')
  let handle = stem
  for (let count = 2; taken.has(handle); count += 1) handle = `${stem}-${count}`
  taken.add(handle)
  return handle
}

const scopeEntry = (scope: Scope): Entry => ({
  name: scope.name,
  ...(Object.fromEntries(
    SCOPE_SETTING_NAMES.filter((name) => scope[name] !== defaultOfScope(name)).map((name) => [
      name,
      scope[name],
    ]),
  ) as Entry),
})

function appEntry(app: App, handle: string): Entry {
  const said = SETTING_NAMES.filter((name) => !isImplied(app, name)).map((name) => [
    name,
    name === 'type' ? app.type.replace('_', '-') : app[name],
  ])
  return {
    handle,
    // Says which app takes the handle; superfluous once it has it.
    ...(app.handle === undefined && { id: app.id }),
    ...(Object.fromEntries(said) as Entry),
  }
}

/** Returns whether an app of the type has the value without its being mentioned. */
function isImplied(app: App, name: SettingName): boolean {
  // Public apps have no choice about these.
  if (app.type === 'public' && (name === 'requirePkce' || name === 'rotateRefreshTokens'))
    return true
  return JSON.stringify(app[name]) === JSON.stringify(defaultOf(name, app.type))
}
