// F9: the replica is promoted while it lacks what the primary has acknowledged last. What was ended
// stays ended; what was issued in that moment is lost, which is what asynchronous replication means
// and what docs/guarantees.md says.
import { startRedis } from '../../../test/support/backends.ts'
import { waitUntil } from '../../../test/support/server-process.ts'
import type { Fault } from '../fault.ts'
import { redisCommand } from '../redis-command.ts'
import { openTcpLink } from '../tcp-link.ts'

const LOST_WITH_THE_PRIMARY =
  'docs/guarantees.md: access tokens that Redis had acknowledged and lost are gone; a refresh token that was replaced then counts until its successor is shown'

export const FAILOVER: Fault = {
  id: 'F9',
  title: 'a replica is promoted that lacks the last writes',
  variants: [
    {
      name: 'promoted by hand',
      bounds: {
        I1: LOST_WITH_THE_PRIMARY,
        I2: LOST_WITH_THE_PRIMARY,
        I6: LOST_WITH_THE_PRIMARY,
      },
      async run({ world, hold, mayBeLost, recorder }) {
        const { redis, redisLink } = world
        const replication = world.keep(await openTcpLink(redis.port, world.random))
        const primary = { host: '127.0.0.1', port: replication.port }
        const replica = world.keep(await startRedis({ replicaOf: primary }))
        await waitUntil('the replica to be in step', async () =>
          (await redisCommand(replica.port, 'INFO', 'replication')).includes(
            'master_link_status:up',
          ),
        )
        await hold(2, 1)
        // From here on the primary acknowledges what nobody else has. A replica that is only paused
        // would read it later from its socket.
        const from = recorder.mark('the replica hears nothing')
        replication.set({ isDeaf: true })
        await hold(3, 1.5)
        await redis.kill()
        replication.cut('reset')
        await redisCommand(replica.port, 'REPLICAOF', 'NO', 'ONE')
        redisLink.leadTo(replica.port)
        redisLink.cut('reset')
        mayBeLost(from, recorder.mark('the replica is the primary'))
        await hold(4, 2)
      },
    },
  ],
}
