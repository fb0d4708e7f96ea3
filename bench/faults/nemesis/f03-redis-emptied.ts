// F3: Redis is emptied, by an operator or by a restart without files. All authorizations are gone:
// people sign in again, and nothing of before works or comes back.
import type { Fault, Stage } from '../fault.ts'
import { readHistory } from '../history.ts'
import { redisCommand } from '../redis-command.ts'

const DOCUMENTED_RESTORE = 'docs/operating.md "Restore": Redis alone, from an older copy or empty'
const MOST_LOOKS = 100

async function empty(stage: Stage, deed: () => Promise<unknown>): Promise<void> {
  const { world, client, load, findings, recorder, hold, mayBeLost, recovered } = stage
  await hold(3, 1)
  const code = await load.newCode('steady')
  const { tokens } = readHistory(recorder.read())
  const before = [...tokens.values()].filter(({ kind }) => kind === 'access').slice(-MOST_LOOKS)
  await deed()
  mayBeLost(0, recorder.mark('Redis is empty'))
  await recovered()
  for (const [at, { text }] of before.entries()) {
    const { active } = await client.introspect(world.nodes[at % world.nodes.length]!, text)
    findings.check('I2', active !== true, 'a token of before is active')
  }
  const { outcome } = await client.exchange(world.nodes[0]!, 'steady', code)
  findings.check('I3', outcome === 'refused', `a code of before: ${outcome}`)
  await hold(3, 1)
}

const variant = { bounds: { I1: DOCUMENTED_RESTORE }, losesLimits: true }

export const REDIS_EMPTIED: Fault = {
  id: 'F3',
  title: 'Redis is emptied',
  variants: [
    {
      ...variant,
      name: 'FLUSHALL',
      run: (stage) => empty(stage, () => redisCommand(stage.world.redis.port, 'FLUSHALL')),
    },
    {
      ...variant,
      name: 'restarted without files',
      run: (stage) => empty(stage, () => stage.world.redis.restart()),
    },
  ],
}
