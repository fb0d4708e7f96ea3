// F18: the keys of the servers are changed, in the three steps of docs/operating.md, and all at
// once by mistake.
import type { Fault } from '../fault.ts'
import { createPerson } from '../person.ts'
import { restartInTurn } from '../rolling-restart.ts'
import { ENCRYPTION_KEY, SECRET_KEY } from '../setup.ts'

const NEW_SECRET_KEY = 'faults-new-secret-key-9876543210-zyxwvut'
const NEW_ENCRYPTION_KEY = 'faults-new-encryption-key-9876543210-zy'

/** No token, but the app that presents it is asked for its secret. */
const UNKNOWN = 'otesse_rt_unknown'

const keys = (secret: string, encryption: string) => ({
  OTESSE_SECRET_KEY: secret,
  OTESSE_ENCRYPTION_KEY: encryption,
})

export const NEW_SECRETS: Fault = {
  id: 'F18',
  title: 'the keys of the servers are changed',
  variants: [
    {
      name: 'in three steps',
      endsServers: true,
      hasBalancer: true,
      async run(stage) {
        const { world, client, findings, hold } = stage
        const both = (one: string, two: string) => `${one},${two}`
        const announced = keys(
          both(SECRET_KEY, NEW_SECRET_KEY),
          both(ENCRYPTION_KEY, NEW_ENCRYPTION_KEY),
        )
        await restartInTurn(stage, world.nodes, { settings: announced })
        const turned = keys(
          both(NEW_SECRET_KEY, SECRET_KEY),
          both(NEW_ENCRYPTION_KEY, ENCRYPTION_KEY),
        )
        await restartInTurn(stage, world.nodes, { settings: turned })
        await hold(2)
        // Every app is used once while both keys are there; what was noted is written on the way
        // out.
        await client.refresh(world.nodes[0]!, 'fleeting', UNKNOWN)
        await world.cli(['key', 'reseal'], '', turned)
        await restartInTurn(stage, world.nodes, {
          settings: keys(NEW_SECRET_KEY, NEW_ENCRYPTION_KEY),
        })
        const { status } = await client.refresh(world.nodes[0]!, 'fleeting', UNKNOWN)
        findings.check('I5', status === 400, `an app that was used meanwhile is answered ${status}`)
      },
    },
    {
      name: 'at once, and back',
      endsServers: true,
      hasLoad: false,
      async run(stage) {
        const { world, client, findings } = stage
        const [node] = world.nodes
        const person = createPerson('ada')
        const { code = '' } = await client.authorize(node!, 'steady', person)
        const { access = '' } = await client.exchange(node!, 'steady', code)
        await restartInTurn(stage, world.nodes, {
          settings: { OTESSE_SECRET_KEY: NEW_SECRET_KEY },
        })
        const { status } = await person.authorize(node!, world.apps.steady.id)
        findings.check('I5', status === 0, `a person with a session of before saw ${status}`)
        findings.check(
          'I2',
          person.timesSignedIn() === 2,
          'a session of the old key was still believed',
        )
        await restartInTurn(stage, world.nodes, { settings: { OTESSE_SECRET_KEY: SECRET_KEY } })
        await client.introspect(node!, access)
      },
    },
  ],
}
