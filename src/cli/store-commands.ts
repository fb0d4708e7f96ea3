// otesse stores: what has to be done after a backup was restored.
import type { Command } from 'commander'
import { systemClock } from '../shared/clock.ts'
import type { Does } from './command.ts'
import type { Outcome, Session } from './session.ts'

/** Adds `otesse stores reconcile`. */
export function addStoreCommands(program: Command, does: Does): void {
  const stores = program.command('stores').description('Postgres and Redis, after a restore')

  const reconcile = stores
    .command('reconcile')
    .description('bring the stores back in line after a Postgres backup was restored')
    .option(
      '--end-all',
      'Redis is from a backup too: end every earlier authorization, session and token',
    )
    .addHelpText(
      'after',
      `
Stop all servers first. What began after the backup of Postgres ends; what began before goes on, unless
--end-all is given. One-time links end, and users are asked for their consent once more.
  $ otesse stores reconcile
  $ otesse stores reconcile --end-all`,
    )
  does(reconcile, (session) =>
    reconcileStores(session, reconcile.opts<{ endAll?: boolean }>().endAll === true),
  )
}

async function reconcileStores(session: Session, isEverything: boolean): Promise<Outcome> {
  const { reconcileStores: reconcile } = await import('./reconcile.ts')
  const options = { isEverything, clock: systemClock, logger: session.logger() }
  const { knownUntil, ended } = await reconcile(session.config(), options)
  const known = knownUntil.getTime() === 0 ? null : knownUntil.toISOString()
  const what = isEverything
    ? 'Every authorization, session and token of before has ended.'
    : `${ended} authorizations that began later, or at most five minutes before, have ended.`
  return {
    json: { knownUntil: known, ended: isEverything ? 'all' : ended },
    text: `The database knows nothing later than ${known ?? 'its beginning'}.\n${what}\nStart the servers again.\n`,
  }
}
