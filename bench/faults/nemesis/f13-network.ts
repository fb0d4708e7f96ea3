// F13: the network between the servers and their stores is slow, loses, and leaves connections half
// open. A commit whose answer was lost is tried again, and must not take its own first success for
// somebody else's.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.ts'

/** One way; the stores' time limits leave room for several round trips. */
const SLOW = { delayMillis: 100, lossShare: 0.05 }

export const NETWORK: Fault = {
  id: 'F13',
  title: 'a bad network to the stores',
  variants: [
    {
      name: 'slow, with losses',
      async run({ world: { links }, hold }) {
        for (const link of links) link.set(SLOW)
        await hold(15)
        for (const link of links) link.set({})
      },
    },
    {
      name: 'half-open connections',
      async run({ world: { links }, recovered, hold, count }) {
        for (let round = 0; round < count(3, 1); round += 1) {
          for (const link of links) link.cut('silence')
          await recovered()
          await hold(2, 1)
        }
      },
    },
    {
      name: 'answers of Redis lost',
      async run({ world: { redisLink }, world, hold, count }) {
        for (let round = 0; round < count(12, 3); round += 1) {
          redisLink.set({ isMute: true })
          await sleep(100 + world.random() * 400)
          redisLink.cut('reset')
          redisLink.set({})
          await hold(1, 1)
        }
      },
    },
  ],
}
