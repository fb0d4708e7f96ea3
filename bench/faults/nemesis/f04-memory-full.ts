// F4: the memory of Redis is used up. With `noeviction` it refuses what needs more; with an
// evicting policy it forgets, which the server refuses to start on.
import type { Fault, Stage } from '../fault.ts'
import { redisCommand } from '../redis-command.ts'

const DOCUMENTED_EVICTION =
  'docs/operating.md "Redis": it must never evict keys; the server refuses to start on anything else'

const config = ({ world }: Stage, name: string, value: string | number) =>
  redisCommand(world.redis.port, 'CONFIG', 'SET', name, String(value))

/** Bounds the memory so that what is there takes this share of it. */
async function fill(stage: Stage, share: number): Promise<void> {
  const info = await redisCommand(stage.world.redis.port, 'INFO', 'memory')
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1])
  await config(stage, 'maxmemory', Math.floor(used / share))
}

export const MEMORY_FULL: Fault = {
  id: 'F4',
  title: 'the memory of Redis is used up',
  variants: [
    {
      name: 'noeviction',
      async run(stage) {
        for (const share of [1.5, 1.02]) {
          await fill(stage, share)
          await stage.hold(8)
        }
        await config(stage, 'maxmemory', 0)
      },
    },
    {
      name: 'allkeys-lru',
      bounds: { I1: DOCUMENTED_EVICTION },
      losesLimits: true,
      async run(stage) {
        const { world, findings, mayBeLost, hold } = stage
        await config(stage, 'maxmemory-policy', 'allkeys-lru')
        await fill(stage, 2)
        await hold(8)
        const refusal = await world.addNode().then(
          () => 'none',
          (error: unknown) => String(error),
        )
        findings.check(
          'I5',
          refusal.includes('maxmemory-policy'),
          `a server started on a Redis that evicts: ${refusal.slice(0, 200)}`,
        )
        await config(stage, 'maxmemory', 0)
        await config(stage, 'maxmemory-policy', 'noeviction')
        mayBeLost(0)
      },
    },
  ],
}
