// otesse serve, migrate and doctor: the commands about the server itself. Each loads what it needs
// when it runs, so that the others start quickly.
import type { Command } from 'commander'
import { HOUR } from '../shared/clock.ts'
import type { Does } from './command.ts'
import type { Outcome, Session } from './session.ts'

/** Adds `otesse serve`, `migrate` and `doctor`. */
export function addServerCommands(program: Command, does: Does): void {
  const serve = program
    .command('serve')
    .description('run the server; its log is JSON lines')
    .addHelpText(
      'after',
      '\nExample:\n  $ otesse migrate && OTESSE_ISSUER=https://auth.example.com otesse serve',
    )
  does(serve, async ({ env }) => (await import('../serve.ts')).runServer(env))

  const migrateCommand = program
    .command('migrate')
    .description('migrate the database to the newest schema')
    .option('--check', 'change nothing; exit with 1 if migrations are missing')
    .addHelpText(
      'after',
      `
Several may run at once: they wait for each other. Run it before the new version is started:
  $ otesse migrate --check || otesse migrate`,
    )
  does(migrateCommand, (session) =>
    runMigrations(session, migrateCommand.opts<{ check?: boolean }>().check === true),
  )

  const doctor = program
    .command('doctor')
    .description('check settings, stores, clocks, keys and the public address')
    .option('--no-issuer', 'skip the public address, for before the server first runs')
    .addHelpText(
      'after',
      `
It changes nothing. Each check ends as ok, warn or fail with what to do about it; any fail exits with 1.
  $ otesse doctor
  $ otesse doctor --no-issuer --json | jq '.checks[] | select(.status != "ok")'`,
    )
  does(doctor, async (session) => {
    const { issuer } = doctor.opts<{ issuer: boolean }>()
    return (await import('./doctor.ts')).examine(session, { withIssuer: issuer })
  })
}

async function runMigrations(session: Session, isCheck: boolean): Promise<Outcome> {
  const config = session.config()
  const { openConfiguredDatabase, migrate, pendingMigrations } = await loadMigrations()
  // A migration may well take longer than a request.
  const options = { queryTimeoutMillis: HOUR }
  await using database = await openConfiguredDatabase(config, session.logger(), options)
  const { db } = database
  if (!isCheck) {
    const applied = await migrate(db)
    const list = applied.map((name) => `  ${name}\n`).join('')
    return {
      json: { applied },
      text: applied.length === 0 ? 'The database is up to date.\n' : `Applied:\n${list}`,
    }
  }
  const pending = await pendingMigrations(db)
  const list = pending.map((name) => `  ${name}\n`).join('')
  return {
    json: { pending },
    text:
      pending.length === 0
        ? 'The database is up to date.\n'
        : `Missing:\n${list}Apply them: otesse migrate\n`,
    exitCode: pending.length === 0 ? 0 : 1,
  }
}

// Apart from the function that has `await using`, for the reason that session.ts tells.
async function loadMigrations() {
  const { openConfiguredDatabase } = await import('../open-stores.ts')
  const { migrate, pendingMigrations } = await import('../storage/migrate.ts')
  return { openConfiguredDatabase, migrate, pendingMigrations }
}
