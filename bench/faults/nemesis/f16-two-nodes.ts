// F16: bursts of one code and of one refresh token over two servers at once, and revocations into
// them.
import type { Fault } from '../fault.ts'

const BURST = 20

export const TWO_NODES: Fault = {
  id: 'F16',
  title: 'bursts over two servers',
  variants: [
    {
      name: 'codes, refreshes, revocations',
      isShort: true,
      slowness: 3,
      async run({ world, client, load, findings, count }) {
        const { nodes } = world
        const burst = <T>(act: (at: number) => Promise<T>): Promise<T[]> =>
          Promise.all(Array.from({ length: BURST }, (_, at) => act(at)))
        const at = (index: number) => nodes[index % nodes.length]!
        for (let round = 0; round < count(20, 4); round += 1) {
          const raced = await load.newCode('steady')
          const exchanges = await burst((index) => client.exchange(at(index), 'steady', raced))
          const won = exchanges.filter(({ outcome }) => outcome === 'ok').length
          findings.check('I3', won <= 1, `${won} of ${BURST} exchanges of one code won`)

          const code = await load.newCode('rotating')
          const { refresh } = await client.exchange(at(round), 'rotating', code)
          if (refresh === undefined) continue
          const refreshes = await burst((index) => client.refresh(at(index), 'rotating', refresh))
          const successors = new Set(refreshes.flatMap((reply) => reply.refresh ?? []))
          findings.check('I3', successors.size === 1, `${successors.size} successors of one token`)
          const [next] = successors
          if (next === undefined) continue
          await Promise.all([
            burst((index) => client.refresh(at(index), 'rotating', next)),
            client.revoke(at(round + 1), 'rotating', next),
          ])
        }
      },
    },
  ],
}
