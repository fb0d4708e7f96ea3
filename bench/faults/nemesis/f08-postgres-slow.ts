// F8: Postgres answers late, or has no connection left. What needs it is refused soon and before
// queues grow; what does not need it goes on.
import { Client as PgClient } from 'pg'
import { waitUntil } from '../../../test/support/server-process.ts'
import type { Fault } from '../fault.ts'
import { checkSaysNotReady } from '../readiness.ts'

const LATE_MILLIS = 5000

/** Opens connections until Postgres has none left. */
async function takeAllConnections(databaseUrl: string): Promise<PgClient[]> {
  const taken: PgClient[] = []
  for (;;) {
    const client = new PgClient({ connectionString: databaseUrl })
    client.on('error', () => undefined)
    try {
      await client.connect()
    } catch (error) {
      if ((error as { code?: string }).code === '53300') return taken
      throw error
    }
    taken.push(client)
  }
}

export const POSTGRES_SLOW: Fault = {
  id: 'F8',
  title: 'Postgres is slow or full',
  variants: [
    {
      name: 'answers 5 s late',
      async run(stage) {
        const { postgresLink, nodes } = stage.world
        postgresLink.set({ delayMillis: LATE_MILLIS })
        await stage.hold(8)
        await checkSaysNotReady(stage, nodes)
        postgresLink.set({})
      },
    },
    {
      name: 'no connection left',
      async run(stage) {
        const { databaseUrl, postgresLink, nodes } = stage.world
        const taken = await takeAllConnections(databaseUrl)
        // The servers lose theirs, and others are quicker to take them.
        postgresLink.set({ refusal: Buffer.alloc(0) })
        postgresLink.cut('reset')
        await waitUntil('the servers to have no connection', async () => {
          taken.push(...(await takeAllConnections(databaseUrl)))
          return postgresLink.connections() === 0
        })
        taken.push(...(await takeAllConnections(databaseUrl)))
        postgresLink.set({})
        await stage.hold(6)
        await checkSaysNotReady(stage, nodes)
        await Promise.all(taken.map((client) => client.end().catch(() => undefined)))
      },
    },
  ],
}
