// The release before this one and this one on the same stores, under load: the database is brought
// up to date while the older one serves, the older one is started on it, the newer one goes and
// comes.
import type { Fault } from '../fault.ts'
import { restartInTurn } from '../rolling-restart.ts'

export const UPGRADE: Fault = {
  id: 'UPGRADE',
  title: 'the release before and this one together',
  variants: [
    {
      name: 'forth, back and forth',
      world: { isPrevious: true },
      // UPGRADING.md: each release counts failed sign-ins in a form of its own.
      losesLimits: true,
      endsServers: true,
      hasBalancer: true,
      async run(stage) {
        const { world, hold, recorder } = stage
        const [first, second] = world.nodes
        const { previous, newest } = world.scripts
        await world.newestCli(['migrate'])
        recorder.mark('the database is up to date')
        await hold(4)
        await restartInTurn(stage, [second!], { script: newest })
        await hold(4)
        await restartInTurn(stage, [first!], { script: previous })
        await hold(4)
        await restartInTurn(stage, [second!], { script: previous })
        await hold(4)
        await restartInTurn(stage, [first!, second!], { script: newest })
        await hold(4)
      },
    },
  ],
}
