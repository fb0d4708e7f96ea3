// F12: an operator locks an account out, switches an app off, and takes a scope out of the
// catalogue, while tokens are out and in use at every server.
import type { Fault, Stage } from '../fault.ts'
import type { Node } from '../node.ts'
import { createPerson, type BrowsingPerson } from '../person.ts'
import type { Owner } from '../recorder.ts'
import { type AppName, emailOf, FLEETING_SCOPE, SCOPE } from '../setup.ts'

interface Held {
  node: Node
  app: AppName
  access: string
  /** The newest one. */
  refresh: string
}

async function obtain({ client }: Stage, node: Node, app: AppName, person: BrowsingPerson) {
  const { code = '' } = await client.authorize(node, app, person)
  const { access = '', refresh = '' } = await client.exchange(node, app, code)
  return { node, app, access, refresh }
}

/**
 * Uses what was obtained without a pause while the act is done, and after it. Each token pair is
 * refreshed at a server of its own: the grace answers a replaced refresh token a bounded number of
 * times, so the newest one is presented, as an app does.
 */
async function actUnderUse(stage: Stage, held: Held[], owner: Owner, args: readonly string[]) {
  const { client, world, findings, recorder } = stage
  let isOver = false
  const uses = held.map(async (kept) => {
    while (!isOver) {
      for (const node of world.nodes) await client.introspect(node, kept.access)
      const { refresh } = await client.refresh(kept.node, kept.app, kept.refresh)
      kept.refresh = refresh ?? kept.refresh
    }
  })
  await stage.hold(1)
  recorder.mark(`otesse ${args[0]!} ${args[1]!}`, { ending: owner })
  await world.cli(args)
  recorder.mark(`otesse ${args[0]!} ${args[1]!}: done`, { ended: owner })
  const asked = world.nodes.flatMap((node) =>
    held.map(async ({ app, access, refresh }) => {
      const answer = await client.refresh(node, app, refresh)
      findings.check('I4', answer.outcome !== 'ok', `refreshed at node ${node.index} all the same`)
      const { active } = await client.introspect(node, access)
      findings.check('I4', active !== true, `active at node ${node.index} all the same`)
    }),
  )
  await Promise.all(asked)
  await stage.hold(1)
  isOver = true
  await Promise.all(uses)
}

export const SWITCHED_OFF: Fault = {
  id: 'F12',
  title: 'accounts, apps and scopes are switched off',
  variants: [
    {
      name: 'with tokens in use',
      async run(stage) {
        const cleo = createPerson('cleo')
        const owned: Held[] = []
        for (const node of stage.world.nodes)
          for (const app of ['steady', 'rotating'] as const)
            owned.push(await obtain(stage, node, app, cleo))
        const reason = ['--reason', 'fault']
        const person = ['account', 'deactivate', emailOf('cleo'), ...reason]
        await actUnderUse(stage, owned, { person: 'cleo' }, person)

        const ada = createPerson('ada')
        const fleeting: Held[] = []
        for (const node of stage.world.nodes)
          fleeting.push(await obtain(stage, node, 'fleeting', ada))
        const app = ['app', 'suspend', stage.world.apps.fleeting.id, ...reason]
        await actUnderUse(stage, fleeting, { app: 'fleeting' }, app)
      },
    },
    {
      name: 'a scope removed',
      async run(stage) {
        const { client, world, findings } = stage
        const held = await obtain(stage, world.nodes[0]!, 'fleeting', createPerson('ada'))
        await world.cli(['scope', 'remove', FLEETING_SCOPE])
        for (const node of world.nodes) {
          const { body: seen } = await client.introspect(node, held.access)
          const { body: fresh } = await client.refresh(node, held.app, held.refresh)
          for (const [what, body] of Object.entries({ introspection: seen, refresh: fresh }))
            findings.check(
              'I4',
              body?.['scope'] === SCOPE,
              `${what} at node ${node.index} tells the scope ${String(body?.['scope'])}`,
            )
        }
      },
    },
  ],
}
