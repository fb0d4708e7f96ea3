// F19: Postgres goes away under a statement that waits. The process must live, what waited is told
// 503, and all is well again by itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { Client as PgClient } from 'pg'
import type { Fault, Stage } from '../fault.ts'
import { createPerson } from '../person.ts'

const WAITING_SIGN_INS = 4

/** Takes a lock that sign-ins wait for, lets some wait, does the deed, and lets go. */
async function underWaitingStatements(
  { world, client, hold, recovered, recorder }: Stage,
  what: string,
  deed: () => Promise<void>,
): Promise<void> {
  const locker = new PgClient({ connectionString: world.databaseUrl })
  locker.on('error', () => undefined)
  await locker.connect()
  await locker.query('BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE')
  const waiting = Array.from({ length: WAITING_SIGN_INS }, (_, at) =>
    client.signIn(world.nodes[at % world.nodes.length]!, createPerson('ada')),
  )
  await sleep(400)
  recorder.mark(what)
  await deed()
  await locker.end().catch(() => undefined)
  await Promise.all(waiting)
  await recovered()
  await hold(1, 0.5)
}

async function endBackends({ world }: Stage): Promise<void> {
  const admin = new PgClient({ connectionString: world.databaseUrl })
  await admin.connect()
  await admin.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await admin.end()
}

export const POSTGRES_LOST: Fault = {
  id: 'F19',
  title: 'Postgres lost under a waiting statement',
  variants: [
    {
      name: 'backends ended, reset, closed',
      isShort: true,
      async run(stage) {
        const { postgresLink } = stage.world
        await underWaitingStatements(stage, 'backends ended', () => endBackends(stage))
        for (const how of ['reset', 'end'] as const)
          await underWaitingStatements(stage, `connections: ${how}`, () => {
            postgresLink.cut(how)
            return Promise.resolve()
          })
      },
    },
    {
      name: 'stop fast, stop immediate',
      async run(stage) {
        const { postgres } = stage.world
        for (const how of ['SIGINT', 'SIGQUIT'] as const)
          await underWaitingStatements(stage, `Postgres: ${how}`, async () => {
            await postgres.kill(how)
            await stage.hold(2, 1)
            await postgres.restart()
          })
      },
    },
  ],
}
