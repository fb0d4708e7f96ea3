// F21: in a Redis Cluster slots move from one master to another under load, and a master is lost.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { waitUntil } from '../../../test/support/server-process.ts'
import type { Fault } from '../fault.ts'
import { redisCommand } from '../redis-command.ts'

const run = promisify(execFile)
const SLOTS = 1000
const LOST_WITH_THE_MASTER =
  'docs/guarantees.md: replication is asynchronous; what was issued in the last moments before a failover may be gone'

async function moveSlots(from: number, to: number): Promise<void> {
  const [source = '', target = ''] = await Promise.all(
    [from, to].map((port) => redisCommand(port, 'CLUSTER', 'MYID')),
  )
  const what = ['--cluster-from', source, '--cluster-to', target, '--cluster-slots', String(SLOTS)]
  await run('redis-cli', ['--cluster', 'reshard', `127.0.0.1:${from}`, ...what, '--cluster-yes'])
}

export const CLUSTER: Fault = {
  id: 'F21',
  title: 'a Redis Cluster changes',
  variants: [
    {
      name: 'slots move',
      world: { isCluster: true },
      async run({ world: { cluster }, hold }) {
        // A busy machine must not look like a lost master: that is the other variant.
        for (const { port } of [...cluster.masters, ...cluster.replicas])
          await redisCommand(port, 'CONFIG', 'SET', 'cluster-node-timeout', '60000')
        const [first, second] = cluster.masters
        const roles = () =>
          Promise.all(cluster.masters.map(({ port }) => redisCommand(port, 'ROLE')))
        await moveSlots(first!.port, second!.port)
        await hold(1)
        await moveSlots(second!.port, first!.port)
        if (!(await roles()).every((role) => role.startsWith('master')))
          throw new Error('a replica took over meanwhile: this was another fault')
      },
    },
    {
      name: 'a master is lost',
      world: { isCluster: true },
      bounds: {
        I1: LOST_WITH_THE_MASTER,
        I2: LOST_WITH_THE_MASTER,
        I3: LOST_WITH_THE_MASTER,
        I6: LOST_WITH_THE_MASTER,
      },
      async run({ world: { cluster }, hold, recorder, mayBeLost }) {
        const from = recorder.mark('what comes now may be with the master alone')
        await hold(1)
        await cluster.masters[0]!.kill()
        await waitUntil('a replica to take over', async () =>
          (await redisCommand(cluster.replicas[0]!.port, 'ROLE')).startsWith('master'),
        )
        mayBeLost(from)
        await hold(4)
      },
    },
  ],
}
