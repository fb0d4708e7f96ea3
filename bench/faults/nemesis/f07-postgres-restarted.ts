// F7: Postgres restarts, one of its backends is killed, and one server cannot reach it while an
// operator ends an app's access elsewhere.
import { Client as PgClient } from 'pg'
import type { Fault, Stage } from '../fault.ts'
import { openTcpLink } from '../tcp-link.ts'
import { onPort } from '../world.ts'

/** Kills a backend of ours by the operating system: Postgres then ends all the others as well. */
async function killBackend({ world }: Stage): Promise<void> {
  const admin = new PgClient({ connectionString: world.databaseUrl })
  admin.on('error', () => undefined)
  await admin.connect()
  const { rows } = await admin.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  const [victim] = rows
  if (victim === undefined) throw new Error('the servers have no connection to Postgres')
  process.kill(victim.pid, 'SIGKILL')
  await admin.end().catch(() => undefined)
}

export const POSTGRES_RESTARTED: Fault = {
  id: 'F7',
  title: 'Postgres restarts or loses a backend',
  variants: [
    {
      name: 'restart -m immediate, a backend killed',
      async run(stage) {
        const { postgres } = stage.world
        for (let round = 0; round < stage.count(2, 1); round += 1) {
          await postgres.kill('SIGQUIT')
          await postgres.restart()
          await stage.recovered()
          await stage.hold(1)
          await killBackend(stage)
          await stage.recovered()
          await stage.hold(1)
        }
      },
    },
    {
      name: 'away from one server, an app is switched off',
      async run({ world, client, load, findings, recorder, hold }) {
        const [first] = world.nodes
        const link = world.keep(await openTcpLink(world.postgres.port, world.random))
        const lonely = await world.addNode({
          OTESSE_DATABASE_URL: onPort(world.databaseUrl, link.port),
        })
        // Both know the app and what it holds before anything happens.
        const code = await load.newCode('fleeting')
        const { access = '', refresh = '' } = await client.exchange(lonely, 'fleeting', code)
        await client.introspect(lonely, access)
        link.set({ isDeaf: true })
        await hold(2)
        const act = { app: 'fleeting' }
        recorder.mark('the app is being switched off', { ending: act })
        await world.cli(['app', 'suspend', world.apps.fleeting.id, '--reason', 'fault'])
        recorder.mark('the app is switched off', { ended: act })
        for (const node of [first!, lonely]) {
          const answer = await client.refresh(node, 'fleeting', refresh)
          findings.check(
            'I4',
            answer.outcome !== 'ok',
            `node ${node.index} let an app in that was switched off`,
          )
          await client.introspect(node, access)
        }
        await hold(3)
        link.set({})
      },
    },
  ],
}
