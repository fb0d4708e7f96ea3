// otesse scope: what apps may ask for, and the sentence that people read before they allow it.
import type { Command } from 'commander'
import { isBuiltInScope, type Scope, type ScopeInput } from '../apps/scope.ts'
import type { AdminServices } from '../compose/admin-services.ts'
import type { Foundation } from '../foundation.ts'
import { facts, table } from './layout.ts'
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
  sentence: scope.sentence,
  group: scope.group,
  sensitive: scope.sensitive,
  deprecated: scope.deprecated,
  audience: scope.audience ?? null,
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
  const scope = program.command('scope').description('what apps may ask for')

  const create = describing(
    scope.command('create <name>').description('add a scope to the catalogue; it works at once'),
  ).addHelpText(
    'after',
    `
Example:
  $ otesse scope create bookings:write --group Bookings --sentence "Create, change and cancel your bookings"`,
  )
  does(create, (session, name = '') =>
    session.withServices(async (services) => {
      const { sentence = '', group = '', ...rest } = changeOf(create.opts<ScopeFlags>())
      const outcome = await services.scopes.create({ name, sentence, group, ...rest }, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      return shown(outcome.scope)
    }),
  )

  addList(scope, does)

  const update = describing(
    scope
      .command('update <name>')
      .description('change what is given and keep the rest; apps and people see it at once'),
  )
    .option('--no-sensitive', 'show it without a warning')
    .option('--clear <setting>', 'audience: it belongs to no API any more')
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
      throw usageRefusal('Name what is to change: see otesse scope update --help')
    return session.withServices((services, foundation) =>
      changeScope(services, foundation, name, change, parseVersion(flags.ifVersion)),
    )
  })

  const deprecate = scope
    .command('deprecate <name>')
    .description('apps that have it keep it, no other app gets it')
    .option('--undo', 'let all apps ask for it again')
    .addHelpText('after', '\nExample:\n  $ otesse scope deprecate bookings:all')
  does(deprecate, (session, name = '') => {
    const deprecated = deprecate.opts<{ undo?: boolean }>().undo !== true
    return session.withServices((services, foundation) =>
      changeScope(services, foundation, name, { deprecated }, undefined),
    )
  })

  const remove = scope
    .command('remove <name>')
    .description('take a scope out: tokens lose it at once, apps can no longer ask for it')
    .addHelpText(
      'after',
      '\nDeprecate it first, and remove it when no app needs it any more. Example:\n  $ otesse scope remove bookings:all',
    )
  does(remove, (session, name = '') =>
    session.withServices(async (services) => {
      await services.scopes.remove(name, OPERATOR)
      return { json: { scope: { name }, removed: true }, text: `${name} is no more.\n` }
    }),
  )
}

const describing = (command: Command): Command =>
  command
    .option('--sentence <text>', 'what the consent page says that the app will be able to do')
    .option('--group <heading>', 'the heading under which the consent page shows it')
    .option('--sensitive', 'show it with a warning')
    .option('--audience <name>', 'the API that it belongs to, like https://api.example.com')

function changeOf({ sentence, group, sensitive, audience, clear }: ScopeFlags): Change {
  if (clear !== undefined && (clear !== 'audience' || audience !== undefined))
    throw usageRefusal('--clear takes audience, and not beside --audience')
  return {
    ...(sentence !== undefined && { sentence }),
    ...(group !== undefined && { group }),
    ...(sensitive !== undefined && { sensitive }),
    ...(audience !== undefined && { audience }),
    ...(clear !== undefined && { audience: undefined }),
  }
}

async function changeScope(
  services: AdminServices,
  { scopes }: Foundation,
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
    .description('list the catalogue')
    .addHelpText(
      'after',
      "\nExample:\n  $ otesse scope list --json | jq -r '.scopes[] | select(.builtIn | not) | .name'",
    )
  does(list, (session) =>
    session.withFoundation(({ scopes }) => {
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
