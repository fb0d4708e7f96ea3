// F14: apps drop their connection a moment after they have sent a refresh or a code, and try again.
// The one successor is handed out within the grace, and a code is redeemed once.
import type { Fault, Stage } from '../fault.ts'

const AT_ONCE = 6

/** Sends, leaves between 1 and 30 ms later, and tries again at another server. */
async function leaveAndTryAgain({ world, client, load, findings }: Stage): Promise<void> {
  const { nodes, random } = world
  const patience = () => ({ millis: 1 + Math.floor(random() * 30) })
  const pick = () => nodes[Math.floor(random() * nodes.length)]!
  const code = await load.newCode('rotating')
  const { refresh } = await client.exchange(pick(), 'rotating', code)
  if (refresh === undefined) return
  const left = await client.refresh(pick(), 'rotating', refresh, patience())
  const again = await client.refresh(pick(), 'rotating', refresh)
  if (again.outcome !== 'unavailable')
    findings.check('I3', again.outcome === 'ok', `a refresh after a lost answer: ${again.outcome}`)
  if (left.refresh !== undefined && again.refresh !== undefined)
    findings.check('I3', left.refresh === again.refresh, 'two successors of one token')

  const other = await load.newCode('steady')
  await client.exchange(pick(), 'steady', other, patience())
  await client.exchange(pick(), 'steady', other)
}

export const LOST_ANSWERS: Fault = {
  id: 'F14',
  title: 'apps leave before the answer',
  variants: [
    {
      name: 'refreshes and codes',
      isShort: true,
      mayLoseAnswers: true,
      slowness: 2,
      async run(stage) {
        for (let round = 0; round < stage.count(10, 3); round += 1)
          await Promise.all(Array.from({ length: AT_ONCE }, () => leaveAndTryAgain(stage)))
      },
    },
  ],
}
