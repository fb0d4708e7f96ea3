// otesse scope: what apps may ask for, and the sentence that people read before they allow it.
import type { Scope } from '../model/scope.ts'
import type { Command } from 'commander'
import { isBuiltInScope, type ScopeInput } from '../apps/scope.ts'
import type { AdminServices } from '../compose/admin-services.ts'
import type { Services } from '../services.ts'
import { facts, table } from './layout.ts'
import { ALL_SCOPE_SETTINGS, SCOPE_SETTING_NAMES } from '../apps/scope-settings.ts'
import { bareFlag } from '../apps/setting.ts'
import type { Does } from './command.ts'
import {
  conflictRefusal,
  inputRefusal,
  OPERATOR,
  type Outcome,
  parseVersion,
  usageRefusal,
} from './session.ts'

type Change = Partial<Omit<ScopeInput, 'name'>>

interface ScopeFlags extends Change {
  clear?: string
  ifVersion?: string
}

const scopeJson = (scope: Scope): object => ({
  name: scope.name,
  ...Object.fromEntries(SCOPE_SETTING_NAMES.map((name) => [name, scope[name] ?? null])),
  version: scope.version,
  builtIn: isBuiltInScope(scope.name),
})

const shown = (scope: Scope): Outcome => ({
  json: { scope: scopeJson(scope) },
  text: `${scope.name}\n${facts([
    ['Sentence', scope.sentence],
    ['Group', scope.group],
    ['Audience', scope.audience],
    ['Sensitive', scope.sensitive ? 'yes' : 'no'],
    ['Deprecated', scope.deprecated ? 'yes: no other app gets it' : 'no'],
    ['Version', String(scope.version)],
  ])}`,
})

/** Adds `otesse scope …`. */
export function addScopeCommands(program: Command, does: Does): void {
  const scope = program.command('scope').description('the scopes that apps can request')
  addCreate(scope, does)
  addList(scope, does)
  addUpdate(scope, does)
  addDeprecate(scope, does)
  addRemove(scope, does)
}

function addCreate(scope: Command, does: Does): void {
  const create = addFlags(
    scope.command('create <name>').description('create a scope; it takes effect at once'),
  ).addHelpText(
    'after',
    `
Example:
  $ otesse scope create bookings:write --group Bookings --sentence "Create, change and cancel your bookings"`,
  )
  does(create, (session, name = '') =>
    session.withAdminServices(async (services) => {
      const { sentence = '', group = '', ...rest } = changeOf(create.opts<ScopeFlags>())
      const outcome = await services.scopes.create({ name, sentence, group, ...rest }, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      return shown(outcome.scope)
    }),
  )
}

function addUpdate(scope: Command, does: Does): void {
  const update = addFlags(
    scope.command('update <name>').description('change the given settings; takes effect at once'),
    { hasOff: true },
  )
    .option('--clear <setting>', 'audience: the scope no longer belongs to an API')
    .option('--if-version <version>', 'only if nobody has changed the scope since you looked at it')
    .addHelpText(
      'after',
      `
Examples:
  $ otesse scope update bookings:read --sentence "See your bookings and their guests" --sensitive
  $ otesse scope update bookings:read --clear audience --if-version 3`,
    )
  does(update, (session, name = '') => {
    const flags = update.opts<ScopeFlags>()
    const change = changeOf(flags)
    if (Object.keys(change).length === 0)
      throw usageRefusal('Name a setting to change: see otesse scope update --help')
    return session.withAdminServices((admin, services) =>
      changeScope(admin, services, name, change, parseVersion(flags.ifVersion)),
    )
  })
}

function addDeprecate(scope: Command, does: Does): void {
  const deprecate = scope
    .command('deprecate <name>')
    .description('deprecate a scope: apps that have it keep it, no other app can get it')
    .option('--undo', 'let all apps request it again')
    .addHelpText('after', '\nExample:\n  $ otesse scope deprecate bookings:all')
  does(deprecate, (session, name = '') => {
    const deprecated = deprecate.opts<{ undo?: boolean }>().undo !== true
    return session.withAdminServices((admin, services) =>
      changeScope(admin, services, name, { deprecated }, undefined),
    )
  })
}

function addRemove(scope: Command, does: Does): void {
  const remove = scope
    .command('remove <name>')
    .description('remove a scope: tokens lose it at once, apps can no longer request it')
    .addHelpText(
      'after',
      '\nDeprecate it first, and remove it when no app needs it any more. Example:\n  $ otesse scope remove bookings:all',
    )
  does(remove, (session, name = '') =>
    session.withAdminServices(async (services) => {
      await services.scopes.remove(name, OPERATOR)
      return { json: { scope: { name }, removed: true }, text: `${name} is no more.\n` }
    }),
  )
}

/** Adds the flags of all settings, with `hasOff` those that turn a switch off as well. */
function addFlags(command: Command, { hasOff = false } = {}): Command {
  for (const [, setting] of ALL_SCOPE_SETTINGS)
    if (setting.cli.flag !== undefined) command.option(setting.cli.flag, setting.cli.help)
  for (const [, setting] of ALL_SCOPE_SETTINGS)
    if (hasOff && setting.cli.off !== undefined)
      command.option(`--no-${bareFlag(setting)}`, setting.cli.off)
  return command
}

function changeOf({ clear, ifVersion: _ifVersion, ...flags }: ScopeFlags): Change {
  const { audience } = flags
  if (clear !== undefined && (clear !== 'audience' || audience !== undefined))
    throw usageRefusal('--clear takes audience, and not beside --audience')
  const given = SCOPE_SETTING_NAMES.filter((name) => flags[name] !== undefined)
  return {
    ...Object.fromEntries(given.map((name) => [name, flags[name]])),
    ...(clear !== undefined && { audience: undefined }),
  }
}

async function changeScope(
  services: AdminServices,
  { scopes }: Services,
  name: string,
  change: Change,
  ifVersion: number | undefined,
): Promise<Outcome> {
  const version = ifVersion ?? (await scopes.get(name)).version
  const outcome = await services.scopes.update(name, version, change, OPERATOR)
  if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
  if (outcome.kind === 'conflict')
    throw conflictRefusal(outcome.scope.version, 'otesse scope list --json')
  return shown(outcome.scope)
}

function addList(scope: Command, does: Does): void {
  const list = scope
    .command('list')
    .description('list all scopes')
    .addHelpText(
      'after',
      "\nExample:\n  $ otesse scope list --json | jq -r '.scopes[] | select(.builtIn | not) | .name'",
    )
  does(list, (session) =>
    session.withServices(({ scopes }) => {
      const all = [...scopes.current().scopes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      const rows = all.map((one) => [
        one.name,
        one.group,
        [
          ...(isBuiltInScope(one.name) ? ['built in'] : []),
          ...(one.sensitive ? ['sensitive'] : []),
          ...(one.deprecated ? ['deprecated'] : []),
        ].join(', '),
        one.sentence,
      ])
      return Promise.resolve({
        json: { scopes: all.map(scopeJson) },
        text: table(['SCOPE', 'GROUP', 'MARKS', 'SENTENCE'], rows),
      })
    }),
  )
}
