// F17: many people sign in at the same moment. Passwords are hashed beside the event loop and a few
// at a time, so that apps do not notice.
import type { Fault } from '../fault.ts'
import { createPerson } from '../person.ts'

const AT_ONCE = 50
/** Of a refresh meanwhile; the median of an idle machine is a few milliseconds. */
const MOST_MILLIS = 1500
const MOST_SHARE = 0.01

export const SIGN_INS_AT_ONCE: Fault = {
  id: 'F17',
  title: 'many sign in at once',
  variants: [
    {
      name: '50 sign-ins, refreshes meanwhile',
      async run({ world, client, load, findings, count }) {
        const [node] = world.nodes
        const { refresh = '' } = await client.exchange(
          node!,
          'steady',
          await load.newCode('steady'),
        )
        for (let round = 0; round < count(4, 1); round += 1) {
          let isOver = false
          const crowd = Promise.all(
            Array.from({ length: AT_ONCE }, () => client.signIn(node!, createPerson('bob'))),
          ).finally(() => (isOver = true))
          const waits: number[] = []
          // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set meanwhile
          while (!isOver) waits.push((await client.refresh(node!, 'steady', refresh)).millis)
          await crowd
          const slow = waits.filter((millis) => millis > MOST_MILLIS).length
          findings.check(
            'I5',
            slow <= Math.ceil(waits.length * MOST_SHARE),
            `${slow} of ${waits.length} refreshes took more than ${MOST_MILLIS} ms`,
          )
        }
      },
    },
  ],
}
