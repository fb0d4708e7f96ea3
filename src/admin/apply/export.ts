// What is there, written as a file that would change nothing when it is applied: where a team starts from that wants to keep its apps in git.
// Invariant: settings that are as they are without being mentioned are left out; no secret and no built-in scope is in it.
import { type App, beginsOnItsOwn, isHandle } from '../../model/app.ts'
import { isBuiltInScope, type Scope } from '../../apps/scope.ts'

type Entry = Record<string, unknown>

/** A file as data. */
export interface Exported {
  scopes: Entry[]
  apps: Entry[]
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

const said = (entry: Entry): Entry =>
  Object.fromEntries(
    Object.entries(entry).filter(
      ([, value]) =>
        value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  )

const scopeEntry = ({ name, sentence, group, sensitive, deprecated, audience }: Scope): Entry =>
  said({ name, sentence, group, sensitive, deprecated, audience })

function appEntry(app: App, handle: string): Entry {
  const isPublic = app.type === 'public'
  const { clientCredentials } = app
  const entry = said({
    handle,
    // Says which app takes the handle; superfluous once it has it.
    id: app.handle === undefined ? app.id : undefined,
    name: app.name,
    type: app.type.replace('_', '-'),
    description: app.description,
    homepageUrl: app.homepageUrl,
    privacyUrl: app.privacyUrl,
    termsUrl: app.termsUrl,
    ownerContact: app.ownerContact,
    environment: app.environment,
    redirectUris: app.redirectUris,
    scopes: app.scopes,
    audiences: app.audiences,
    requirePkce: !isPublic && app.requirePkce,
    rotateRefreshTokens: !isPublic && app.rotateRefreshTokens,
    slidingRefresh: app.slidingRefresh,
    accessTtlSeconds: app.accessTtlSeconds,
    refreshTtlSeconds: app.refreshTtlSeconds,
  })
  // Off is worth a word where a new app of the type would begin with it.
  return clientCredentials === beginsOnItsOwn(app.type) ? entry : { ...entry, clientCredentials }
}
