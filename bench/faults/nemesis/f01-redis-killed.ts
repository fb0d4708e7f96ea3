// F1: Redis is killed and comes back with what its own persistence kept. A killed process loses
// nothing that it has written to its file; what a machine that loses power would lose is cut off
// the file by hand.
import { statSync, truncateSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault, Stage } from '../fault.ts'
import { redisCommand } from '../redis-command.ts'

const DOCUMENTED_LOSS =
  'docs/guarantees.md: access tokens that Redis had acknowledged and lost are gone; a refresh token that was replaced then counts until its successor is shown'

/** The part of the append-only file that grows. */
function growingFile(directory: string): string {
  const folder = join(directory, 'appendonlydir')
  const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'))
  if (name === undefined) throw new Error(`no append-only file in ${folder}`)
  return join(folder, name)
}

async function killAndStart(stage: Stage, downFor: [number, number], meanwhile?: () => void) {
  await stage.whileRedisIsAway(async () => {
    await stage.world.redis.kill()
    meanwhile?.()
    await stage.hold(...downFor)
  })
  await stage.world.redis.restart()
}

export const REDIS_KILLED: Fault = {
  id: 'F1',
  title: 'Redis is killed and started again',
  variants: [
    {
      name: 'appendfsync always',
      world: { redis: { appendOnly: true } },
      async run(stage) {
        for (let round = 0; round < stage.count(3, 1); round += 1) {
          await killAndStart(stage, [4, 3])
          await stage.recovered()
          await stage.hold(2, 1)
        }
      },
    },
    {
      name: 'everysec, the last second lost',
      world: { redis: { appendOnly: true, config: { appendfsync: 'everysec' } } },
      bounds: {
        I1: DOCUMENTED_LOSS,
        I2: DOCUMENTED_LOSS,
        I6: DOCUMENTED_LOSS,
      },
      async run(stage) {
        const [, directory = ''] = (
          await redisCommand(stage.world.redis.port, 'CONFIG', 'GET', 'dir')
        ).split(',')
        const file = growingFile(directory)
        const from = stage.recorder.mark('what is written from here on will be lost')
        const { size } = statSync(file)
        await stage.hold(1, 1)
        await killAndStart(stage, [2, 2], () => truncateSync(file, size))
        stage.mayBeLost(from)
        await stage.recovered()
        await stage.hold(3)
      },
    },
    {
      name: 'RDB only',
      bounds: {
        I1: DOCUMENTED_LOSS,
        I2: DOCUMENTED_LOSS,
        I6: DOCUMENTED_LOSS,
      },
      losesLimits: true,
      async run(stage) {
        await redisCommand(stage.world.redis.port, 'SAVE')
        const from = stage.recorder.mark('saved; what comes now will be lost')
        await stage.hold(3)
        await killAndStart(stage, [2, 2])
        stage.mayBeLost(from)
        await stage.recovered()
        await stage.hold(3)
      },
    },
  ],
}
