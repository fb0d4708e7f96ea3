// otesse secret: a second secret for an app, and the end of an old one.
import type { Command } from 'commander'
import { SHOWN_ONCE } from './app-commands.ts'
import { facts, moment } from './layout.ts'
import type { Does } from './program.ts'
import { ACTOR, inputRefusal } from './session.ts'

/** Adds `otesse secret …`. */
export function addSecretCommands(program: Command, does: Does): void {
  const secret = program.command('secret').description('change an app’s secret without a pause')

  const create = secret
    .command('create <client-id>')
    .description('add a secret; the one before keeps working, two are live at a time')
    .option('--expires <when>', 'such as 2030-01-31 or 2030-01-31T12:00:00Z')
    .addHelpText(
      'after',
      `
To change over: create a secret, give it to the app, then end the old one:
  $ otesse secret create app_…
  $ otesse secret revoke app_… sec_…`,
    )
  does(create, (session, id = '') =>
    session.withFoundation(async ({ apps, audit }) => {
      const { expires } = create.opts<{ expires?: string }>()
      const expiresAt = expires === undefined ? undefined : new Date(expires)
      const outcome = await apps.createSecret(id, { expiresAt })
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      const { secretId } = outcome
      audit.events.secretCreated({ appId: id, secretId }, ACTOR)
      const clientSecret = outcome.secret.reveal()
      return {
        json: { clientId: id, secretId, clientSecret, expiresAt: expiresAt ?? null },
        text: `${facts([
          ['Client id', id],
          ['Secret id', secretId],
          ['Client secret', clientSecret],
          ['Expires', moment(expiresAt)],
        ])}${SHOWN_ONCE}`,
      }
    }),
  )

  const revoke = secret
    .command('revoke <client-id> <secret-id>')
    .description('end a secret at once')
  does(revoke, (session, id = '', secretId = '') =>
    session.withFoundation(async ({ apps, audit }) => {
      await apps.revokeSecret(id, secretId)
      audit.events.secretRevoked({ appId: id, secretId }, ACTOR)
      return {
        json: { clientId: id, secretId, revoked: true },
        text: `The secret ${secretId} no longer works.\n`,
      }
    }),
  )
}
