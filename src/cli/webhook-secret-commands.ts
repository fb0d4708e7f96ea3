// otesse webhook-secret: the secrets by which providers sign the calls that they make. Invariant: a
// secret comes in by standard input or a prompt, and never goes out.
import type { Command } from 'commander'
import type { AdminServices } from '../compose/admin-services.ts'
import { Secret } from '../shared/secret.ts'
import type { Does } from './command.ts'
import { withConnections } from './integration-commands.ts'
import { table } from './layout.ts'
import { inputRefusal, OPERATOR, type Outcome, type Session, usageRefusal } from './session.ts'

/** Adds `otesse webhook-secret …`. */
export function addWebhookSecretCommands(program: Command, does: Does): void {
  const secret = program
    .command('webhook-secret')
    .description('secrets by which providers sign the calls that they make')

  const add = secret
    .command('add <integration>')
    .description('store one; it is asked for, or read from standard input')
    .addHelpText(
      'after',
      `
To change a secret: add the new one, change it at the provider, remove the old one. Example:
  $ pass show slack/signing-secret | otesse webhook-secret add slack`,
    )
  does(add, async (session, handle = '') => {
    const text = await session.readSecretText('Webhook secret: ')
    if (text === '') throw usageRefusal('The webhook secret is empty.')
    return withWebhookSecrets(session, async (secrets) => {
      const outcome = await secrets.add(handle, new Secret(text), OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      const { id } = outcome.secret
      return { json: { webhookSecret: outcome.secret }, text: `Stored as ${id}.\n` }
    })
  })

  const list = secret
    .command('list <integration>')
    .description('list those of an integration, without their values')
    .addHelpText('after', '\nExample:\n  $ otesse webhook-secret list slack')
  does(list, (session, handle = '') =>
    withWebhookSecrets(session, async (secrets) => {
      const all = await secrets.list(handle, OPERATOR)
      const rows = all.map(({ id, createdAt }) => [id, createdAt.toISOString()])
      return { json: { webhookSecrets: all }, text: table(['ID', 'STORED'], rows) }
    }),
  )

  const remove = secret
    .command('remove <integration> <id>')
    .description('remove one: calls that it signed are no longer valid')
    .addHelpText('after', '\nExample:\n  $ otesse webhook-secret remove slack whs_…')
  does(remove, (session, handle = '', id = '') =>
    withWebhookSecrets(session, async (secrets) => {
      await secrets.remove(handle, id, OPERATOR)
      return { json: { webhookSecret: { id }, removed: true }, text: `${id} is removed.\n` }
    }),
  )
}

const withWebhookSecrets = (
  session: Session,
  work: (secrets: AdminServices['webhookSecrets']) => Promise<Outcome>,
): Promise<Outcome> => withConnections(session, ({ webhookSecrets }) => work(webhookSecrets))
