// F20: a store says "not now" in words of its own: a name that does not resolve for a while, a
// pooler, an operator at work.
import type { Fault, Stage } from '../fault.ts'
import { checkSaysNotReady } from '../readiness.ts'
import { POSTGRES_REFUSALS, REDIS_REFUSALS, type Refusal } from '../refusals.ts'
import type { TcpLink } from '../tcp-link.ts'

async function refuse(stage: Stage, link: TcpLink, refusals: readonly Refusal[]): Promise<void> {
  for (const { name, bytes } of refusals) {
    stage.recorder.mark(name)
    link.set({ refusal: bytes })
    link.cut('reset')
    await stage.hold(1.5, 1)
    await checkSaysNotReady(stage, stage.world.nodes)
    link.set({})
    await stage.recovered()
  }
}

export const NOT_NOW: Fault = {
  id: 'F20',
  title: 'a store says "not now" in words of its own',
  variants: [
    {
      name: 'Postgres and poolers',
      run: (stage) => refuse(stage, stage.world.postgresLink, POSTGRES_REFUSALS),
    },
    {
      name: 'Redis and proxies',
      run: (stage) => refuse(stage, stage.world.redisLink, REDIS_REFUSALS),
    },
    {
      name: 'names that do not resolve',
      world: { isNamed: true },
      async run(stage) {
        const { world } = stage
        for (const code of ['EAI_AGAIN', 'ENOTFOUND'] as const) {
          stage.recorder.mark(`names: ${code}`)
          await world.failNames(code)
          for (const link of world.links) link.cut('reset')
          await stage.hold(4, 2)
          await checkSaysNotReady(stage, world.nodes)
          await world.failNames(undefined)
          await stage.recovered()
        }
      },
    },
  ],
}
