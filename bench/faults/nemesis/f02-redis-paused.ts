// F2: Redis stands still, its connections stay open, and goes on as if nothing had been. What was
// sent to it meanwhile is carried out late.
import type { Fault } from '../fault.ts'
import { checkSaysNotReady } from '../readiness.ts'

export const REDIS_PAUSED: Fault = {
  id: 'F2',
  title: 'Redis stands still and goes on',
  variants: [
    {
      name: 'for long',
      async run(stage) {
        const { redis, nodes } = stage.world
        await stage.whileRedisIsAway(async () => {
          redis.pause()
          await stage.hold(10)
          await checkSaysNotReady(stage, nodes)
          await stage.hold(15)
        })
        redis.resume()
      },
    },
    {
      // Around the time limits of a command: some of what was sent is given up, some is answered.
      name: 'again and again for two seconds',
      async run({ world: { redis }, hold, count }) {
        for (let round = 0; round < count(6, 2); round += 1) {
          redis.pause()
          await hold(2, 2)
          redis.resume()
          await hold(1, 1)
        }
      },
    },
  ],
}
