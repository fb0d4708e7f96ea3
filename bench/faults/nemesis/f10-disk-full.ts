// F10: the disk is full under Redis' append-only file, and under everything of an embedded server.
// What was acknowledged is there when room is made again, and nothing is cut off.
import type { Fault } from '../fault.ts'

export const DISK_FULL: Fault = {
  id: 'F10',
  title: 'the disk is full',
  variants: [
    {
      name: 'under Redis',
      world: { redis: { appendOnly: true }, diskMebibytes: 20 },
      async run({ world: { disk, redis }, hold, recovered }) {
        await disk.fill()
        await hold(6)
        await disk.free()
        // With appendfsync always Redis ends when it cannot write; whoever runs it starts it again.
        await redis.restart()
        await recovered()
        await hold(3)
      },
    },
    {
      name: 'under an embedded server',
      world: { isEmbedded: true, diskMebibytes: 192 },
      // docs/guarantees.md "Rate limits": an embedded server counts in memory.
      losesLimits: true,
      endsServers: true,
      hasBalancer: true,
      slowness: 2,
      async run({ world: { disk, nodes }, load, hold, recovered }) {
        const [only] = nodes
        await disk.fill()
        await hold(6)
        await disk.free()
        await recovered()
        await hold(2)
        // What is on the disk is what counts.
        load.avoid(only!, true)
        await only!.end('SIGTERM')
        await only!.start()
        load.avoid(only!, false)
        await hold(2)
      },
    },
  ],
}
