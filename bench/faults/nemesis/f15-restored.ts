// F15: a store is restored from a backup, as docs/operating.md says. What was revoked since stays
// revoked; what was issued since may be gone.
import { Client as PgClient } from 'pg'
import type { Fault, Stage } from '../fault.ts'
import { redisCommand } from '../redis-command.ts'

const DOCUMENTED_RESTORE = 'docs/operating.md "Restore"'

async function onServer({ world }: Stage, ...statements: string[]): Promise<void> {
  const client = new PgClient({ connectionString: world.postgres.url })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

export const RESTORED: Fault = {
  id: 'F15',
  title: 'a store is restored from a backup',
  variants: [
    {
      name: 'Redis',
      bounds: {
        I1: DOCUMENTED_RESTORE,
        I2: DOCUMENTED_RESTORE,
        I3: DOCUMENTED_RESTORE,
        I6: DOCUMENTED_RESTORE,
      },
      losesLimits: true,
      async run(stage) {
        const { redis } = stage.world
        await redisCommand(redis.port, 'SAVE')
        const from = stage.recorder.mark('the backup is made')
        await stage.hold(5, 3)
        await stage.whileRedisIsAway(() => redis.kill())
        await redis.restart()
        stage.mayBeLost(from, stage.recorder.mark('the backup is back'))
        await stage.recovered()
        await stage.hold(3, 1)
      },
    },
    {
      name: 'Postgres',
      bounds: { I1: DOCUMENTED_RESTORE, I6: DOCUMENTED_RESTORE },
      endsServers: true,
      hasBalancer: true,
      async run(stage) {
        const { world, hold, findings, recorder, mayBeLost, load } = stage
        const { postgresLink, nodes } = world
        const name = new URL(world.databaseUrl).pathname.slice(1)
        const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`
        // A copy wants nobody to be there.
        postgresLink.set({ refusal: Buffer.alloc(0) })
        await onServer(stage, end, `CREATE DATABASE ${name}_backup TEMPLATE ${name}`)
        postgresLink.set({})
        recorder.mark('the backup is made')
        await hold(5, 3)

        for (const node of nodes) load.avoid(node, true)
        await Promise.all(nodes.map((node) => node.end('SIGTERM')))
        await onServer(
          stage,
          `DROP DATABASE ${name} WITH (FORCE)`,
          `CREATE DATABASE ${name} TEMPLATE ${name}_backup`,
          `DROP DATABASE ${name}_backup`,
        )
        const refusal = await nodes[0]!.start().then(
          () => 'none',
          (error: unknown) => String(error),
        )
        findings.check(
          'I5',
          refusal.includes('otesse stores reconcile'),
          `a server on a Postgres behind its Redis says: ${refusal.slice(0, 300)}`,
        )
        await world.cli(['stores', 'reconcile'])
        // It ends what began up to five minutes before the backup as well: all of this trial.
        mayBeLost(0, recorder.mark('the stores are one again'))
        await Promise.all(nodes.map((node) => node.start()))
        for (const node of nodes) load.avoid(node, false)
        await hold(3, 1)
      },
    },
  ],
}
