// otesse scope: what apps may ask for, and the sentence that people read before they allow it.
import type { Command } from 'commander'
import { isBuiltInScope, type Scope } from '../apps/scope.ts'
import { facts, table } from './layout.ts'
import type { Does } from './program.ts'
import { ACTOR, inputRefusal } from './session.ts'

interface CreateFlags {
  sentence?: string
  group?: string
  sensitive?: boolean
}

const scopeJson = (scope: Scope): object => ({
  name: scope.name,
  sentence: scope.sentence,
  group: scope.group,
  sensitive: scope.sensitive,
  deprecated: scope.deprecated,
  builtIn: isBuiltInScope(scope.name),
})

/** Adds `otesse scope …`. */
export function addScopeCommands(program: Command, does: Does): void {
  const scope = program.command('scope').description('what apps may ask for')

  const create = scope
    .command('create <name>')
    .description('add a scope to the catalogue; it can be asked for at once')
    .option('--sentence <text>', 'what the consent page says that the app will be able to do')
    .option('--group <heading>', 'the heading under which the consent page shows it')
    .option('--sensitive', 'show it with a warning')
    .addHelpText(
      'after',
      `
Example:
  $ otesse scope create bookings:write --group Bookings --sentence "Create, change and cancel your bookings"`,
    )
  does(create, (session, name = '') =>
    session.withFoundation(async ({ scopes, audit }) => {
      const { sentence = '', group = '', sensitive = false } = create.opts<CreateFlags>()
      const outcome = await scopes.create({ name, sentence, group, sensitive })
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      audit.events.scopeCreated({ scope: name }, ACTOR)
      return {
        json: { scope: scopeJson(outcome.scope) },
        text: `${name}\n${facts([
          ['Sentence', sentence],
          ['Group', group],
          ['Sensitive', sensitive ? 'yes' : 'no'],
        ])}`,
      }
    }),
  )

  const list = scope.command('list').description('list the catalogue')
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
