// otesse app: register, look up, change, switch off. The rules are the registry's own, permission
// and events those of the admin services; here flags become their input and their answers become
// text.
import type { Command } from 'commander'
import { type App, type AppInput, type AppStatus, isClientId } from '../model/app.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import { checkLogo } from '../apps/logo.ts'
import { AppError } from '../shared/errors.ts'
import { addAppFlags, addClearingFlags, readAppInput, readLogo } from './app-flags.ts'
import { appJson, appText, appListText, SHOWN_ONCE } from './app-text.ts'
import { facts } from './layout.ts'
import type { Does } from './command.ts'
import {
  conflictRefusal,
  inputRefusal,
  OPERATOR,
  type Outcome,
  parseVersion,
  parseLimit,
  usageRefusal,
} from './session.ts'

interface ListFlags {
  search?: string
  status?: string
  scope?: string
  limit?: string
  cursor?: string
}

/** Adds `otesse app …`. */
export function addAppCommands(program: Command, does: Does): void {
  const app = program.command('app').description('register, show and change apps')
  addCreate(app, does)
  addLookUps(app, does)
  addUpdate(app, does)
  addStatusCommands(app, does)
  addLogoCommands(app, does)
}

/** Finds the app that somebody named by its client id or its handle. @throws {AppError} `not_found` */
export async function getNamedApp(
  apps: Pick<AppRegistry, 'get' | 'findByHandle'>,
  name: string,
): Promise<App> {
  if (isClientId(name)) return apps.get(name)
  const found = await apps.findByHandle(name)
  if (found === undefined) throw new AppError('not_found', { detail: 'app' })
  return found
}

function addCreate(app: Command, does: Does): void {
  const create = addAppFlags(
    app.command('create').description('register an app; its secret is shown once'),
  ).addHelpText(
    'after',
    `
Examples:
  $ otesse app create --name "Bookings Dashboard" --type web --scope bookings:read,customers:read \\
      --redirect-uri https://dashboard.example.com/callback --logo logo.svg
  $ otesse app create --name "Nightly export" --type machine --scope bookings:read
  $ otesse app create --name "Public API" --type resource-server
  $ otesse app create --file app.json --json

app.json has no secret, so it can live in git:
  { "name": "Bookings Dashboard", "type": "web", "description": "…", "logo": "logo.svg",
    "redirectUris": ["https://dashboard.example.com/callback"], "scopes": ["bookings:read"] }`,
  )
  does(create, async (session) => {
    const { input, logo } = await readAppInput(create)
    return session.withAdminServices(async (services) => {
      // The registry looks at the type of every member.
      const outcome = await services.apps.register(input as unknown as AppInput, OPERATOR, logo)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      const clientSecret = outcome.secret?.reveal()
      const { id } = outcome.app
      return {
        json: { app: appJson(outcome.app), clientId: id, clientSecret: clientSecret ?? null },
        text: `${appText(outcome.app)}\n${facts([
          ['Client id', id],
          ['Client secret', clientSecret ?? '(none: public apps use PKCE)'],
        ])}${clientSecret === undefined ? '' : SHOWN_ONCE}`,
      }
    })
  })
}

function addLookUps(app: Command, does: Does): void {
  const list = app
    .command('list')
    .description('list apps, newest first')
    .option('--search <text>', 'part of the name, or a whole client id or handle')
    .option('--status <status>', 'active, suspended or deleted; active and suspended without it')
    .option('--scope <name>', 'only apps that have this scope')
    .option('--limit <count>', 'apps on one page, up to 200', '50')
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText(
      'after',
      `
Examples:
  $ otesse app list --search bookings
  $ otesse app list --status suspended --json | jq -r '.apps[] | [.id, .statusReason] | @tsv'`,
    )
  does(list, (session) => {
    const { search, status, scope, limit, cursor } = list.opts<ListFlags>()
    if (status !== undefined && !isStatus(status))
      throw usageRefusal('--status is active, suspended or deleted')
    const count = parseLimit(limit, 200)
    return session.withServices(async ({ apps }) => {
      const page = await apps.list({ search, status, scope, cursor, limit: count })
      return {
        json: { apps: page.apps.map(appJson), next: page.next ?? null },
        text: appListText(page.apps, page.next),
      }
    })
  })

  const show = app
    .command('show <app>')
    .description('show an app, by its client id or handle')
    .addHelpText(
      'after',
      `
Examples:
  $ otesse app show bookings-dashboard
  $ otesse app show app_… --json | jq .app.version`,
    )
  does(show, (session, name = '') =>
    session.withServices(async ({ apps }) => shown(await getNamedApp(apps, name))),
  )
}

const isStatus = (text: string): text is AppStatus =>
  ['active', 'suspended', 'deleted'].includes(text)

const shown = (app: App): Outcome => ({ json: { app: appJson(app) }, text: appText(app) })

function addUpdate(app: Command, does: Does): void {
  const update = addClearingFlags(
    addAppFlags(
      app
        .command('update <app>')
        .description('change settings of an app; other settings stay as they are'),
    ),
  )
    .option('--if-version <version>', 'only if nobody has changed the app since you looked at it')
    .addHelpText(
      'after',
      `
Lists are replaced as a whole. Examples:
  $ otesse app update bookings-dashboard --name "Bookings" --rotate
  $ otesse app update app_… --redirect-uri https://a.example.com/cb --redirect-uri https://b.example.com/cb
  $ otesse app update app_… --no-rotate --clear terms --clear access-ttl --if-version 7`,
    )
  does(update, async (session, name = '') => {
    const ifVersion = parseVersion(update.opts<{ ifVersion?: string }>().ifVersion)
    const { input, logo } = await readAppInput(update)
    if (Object.keys(input).length === 0 && logo === undefined)
      throw usageRefusal('Name a setting to change: see otesse app update --help')
    // Looked at before anything is written, so that a refused logo changes nothing.
    const picture = logo && checkLogo(logo.bytes, logo.contentType)
    if (picture?.kind === 'refused') throw inputRefusal(picture.problems)
    return session.withAdminServices(async (services, { apps }) => {
      const before = await getNamedApp(apps, name)
      const version = ifVersion ?? before.version
      const outcome = await services.apps.update(before.id, version, input, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      if (outcome.kind === 'conflict')
        throw conflictRefusal(outcome.app.version, `otesse app show ${outcome.app.id}`)
      if (logo === undefined) return shown(outcome.app)
      const withLogo = await services.apps.setLogo(before.id, logo, OPERATOR)
      return shown(withLogo.kind === 'updated' ? withLogo.app : outcome.app)
    })
  })
}

function addStatusCommands(app: Command, does: Does): void {
  const suspend = app
    .command('suspend <app>')
    .description('suspend an app and end its tokens at once; it can be activated again')
    .requiredOption('--reason <text>', 'why; other admins read it')
    .addHelpText('after', '\nExample:\n  $ otesse app suspend app_… --reason "Sends spam, #4711"')
  does(suspend, (session, name = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      const { reason } = suspend.opts<{ reason: string }>()
      return ended(await services.apps.suspend(id, reason, OPERATOR), 'is suspended')
    }),
  )

  const activate = app
    .command('activate <app>')
    .description('activate a suspended app; users have to authorize it again')
    .addHelpText('after', '\nExample:\n  $ otesse app activate bookings-dashboard')
  does(activate, (session, name = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      const now = await services.apps.activate(id, OPERATOR)
      return { json: { app: appJson(now) }, text: `${now.name} works again.\n` }
    }),
  )

  const remove = app
    .command('delete <app>')
    .description('delete an app permanently, with all its tokens; its reason and events are kept')
    .requiredOption('--reason <text>', 'why; other admins read it')
    .addHelpText(
      'after',
      '\nSuspending it can be undone, this cannot. Example:\n  $ otesse app delete app_… --reason "Its owner asked for it"',
    )
  does(remove, (session, name = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      const { reason } = remove.opts<{ reason: string }>()
      return ended(await services.apps.remove(id, reason, OPERATOR), 'is deleted')
    }),
  )
}

const ended = (app: App, words: string): Outcome => ({
  json: { app: appJson(app) },
  text: `${app.name} (${app.id}) ${words}; none of its tokens works any more.\n`,
})

function addLogoCommands(app: Command, does: Does): void {
  const logo = app.command('logo').description('the logo on the consent page')
  const set = logo
    .command('set <app> <file>')
    .description('set the logo of an app: PNG, JPEG, WebP or plain SVG')
    .addHelpText('after', '\nExample:\n  $ otesse app logo set bookings-dashboard logo.svg')
  does(set, async (session, name = '', file = '') => {
    const picture = await readLogo(file)
    return session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      const outcome = await services.apps.setLogo(id, picture, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      return {
        json: { app: appJson(outcome.app) },
        text: `${outcome.app.name} has a new logo.\n`,
      }
    })
  })

  const remove = logo
    .command('remove <app>')
    .description('remove the logo; the app’s initial is shown instead')
    .addHelpText('after', '\nExample:\n  $ otesse app logo remove bookings-dashboard')
  does(remove, (session, name = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      const now = await services.apps.removeLogo(id, OPERATOR)
      return { json: { app: appJson(now) }, text: `${now.name} has no logo any more.\n` }
    }),
  )
}
