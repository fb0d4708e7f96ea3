// otesse export: what is there as a file for otesse apply, so that a team can begin to keep its
// apps in git.
import type { Command } from 'commander'
import { allApps } from '../admin/apply/apply.ts'
import { toDeclaration } from '../admin/apply/export.ts'
import { systemsAsDeclared } from '../admin/apply/systems.ts'
import type { App } from '../model/app.ts'
import type { Does } from './command.ts'

/** Adds `otesse export`. */
export function addExportCommand(program: Command, does: Does): void {
  const command = program
    .command('export')
    .description('write scopes, apps and integrations as a file for otesse apply')
    .addHelpText(
      'after',
      `
No secret is in it, so it can live in git; client secrets of integrations are references to environment variables. Apps without a handle are given one, which they take when the file is applied; logos stay where
they are. With --json the file is JSON.
  $ otesse export > apps.yaml
  $ otesse apply -f apps.yaml --dry-run`,
    )
  does(command, (session) =>
    session.withServices(async ({ apps, scopes, providers, stores }) => {
      const all: App[] = []
      for await (const app of allApps(apps)) all.push(app)
      const data = {
        ...toDeclaration(scopes.current().scopes.values(), all),
        ...(session.config().connections.enabled &&
          systemsAsDeclared(await providers.list(), await stores.integrations.list())),
      }
      // Loaded here, so that other commands do not wait for the library.
      const { writeDeclarationText } = await import('../admin/apply/declaration-file.ts')
      return { json: data, text: writeDeclarationText(data) }
    }),
  )
}
