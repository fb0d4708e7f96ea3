// F5: a server is killed in the middle of exchanges and refreshes. Each code is then the one
// success or invalid_grant, each refresh token has one living successor, and what was handed out
// works.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Stage } from '../fault.ts'
import type { Node } from '../node.ts'

const CODES_AT_ONCE = 20

/**
 * Lets exchanges and refreshes run into a killed server; then presents the same codes and tokens
 * again.
 */
async function killUnderWay(stage: Stage, victim: Node, other: Node | undefined): Promise<void> {
  const { client, load, world } = stage
  const codes: string[] = []
  for (let at = 0; at < stage.count(CODES_AT_ONCE, 10); at += 1)
    codes.push(await load.newCode('rotating'))
  const firsts = await Promise.all(
    codes.splice(0, codes.length / 2).map((code) => client.exchange(victim, 'rotating', code)),
  )
  const tokens = firsts.flatMap(({ refresh }) => (refresh === undefined ? [] : [refresh]))
  load.avoid(victim, true)
  const underWay = [
    ...codes.map((code) => client.exchange(victim, 'rotating', code)),
    ...tokens.map((token) => client.refresh(victim, 'rotating', token)),
  ]
  await sleep(world.random() * 20)
  await victim.end('SIGKILL')
  const answers = await Promise.all(underWay)
  if (other === undefined) await victim.start()
  const next = other ?? victim
  await Promise.all([
    ...codes.map((code, at) =>
      answers[at]?.outcome === 'ok' ? undefined : client.exchange(next, 'rotating', code),
    ),
    ...tokens.map((token) => client.refresh(next, 'rotating', token)),
  ])
  if (other !== undefined) await victim.start()
  load.avoid(victim, false)
}

export const SERVER_KILLED: Fault = {
  id: 'F5',
  title: 'a server is killed in the middle of exchanges',
  variants: [
    {
      name: 'one of two',
      isShort: true,
      mayLoseAnswers: true,
      endsServers: true,
      slowness: 2,
      async run(stage) {
        const [first, second] = stage.world.nodes
        for (let round = 0; round < stage.count(8, 2); round += 1)
          await killUnderWay(stage, second!, first)
      },
    },
    {
      name: 'embedded',
      world: { isEmbedded: true, nodes: 1 },
      mayLoseAnswers: true,
      endsServers: true,
      // docs/guarantees.md "Rate limits": an embedded server counts in memory.
      losesLimits: true,
      slowness: 2,
      async run(stage) {
        const [only] = stage.world.nodes
        for (let round = 0; round < stage.count(4, 1); round += 1)
          await killUnderWay(stage, only!, undefined)
      },
    },
  ],
}
