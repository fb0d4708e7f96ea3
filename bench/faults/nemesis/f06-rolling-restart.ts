// F6: both servers are restarted, one after the other, behind a load balancer. Whoever was being
// served is served, and nobody has to sign in again.
import type { Fault } from '../fault.ts'
import { createPerson } from '../person.ts'
import { restartInTurn } from '../rolling-restart.ts'

export const ROLLING_RESTART: Fault = {
  id: 'F6',
  title: 'servers are restarted in turn',
  variants: [
    {
      name: 'SIGTERM under load',
      endsServers: true,
      hasBalancer: true,
      async run(stage) {
        const { world, client, findings, count } = stage
        const person = createPerson('ada')
        await client.authorize(world.nodes[0]!, 'steady', person)
        for (let round = 0; round < count(3, 1); round += 1) await restartInTurn(stage, world.nodes)
        const { outcome } = await client.authorize(world.nodes[1]!, 'steady', person)
        const times = person.timesSignedIn()
        findings.check(
          'I1',
          outcome === 'ok' && times === 1,
          `signed in ${times} times (${outcome})`,
        )
      },
    },
  ],
}
