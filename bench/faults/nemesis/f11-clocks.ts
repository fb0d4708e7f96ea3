// F11: the clocks of the servers differ, and jump. Lifetimes go by the store, so that nothing lives
// longer, and the servers agree on what was replaced.
import type { Fault } from '../fault.ts'

const MONTH_SECONDS = 31 * 86_400
const LIFETIMES = 'docs/connect-an-app.md "Tokens": a refresh token lives for 30 days'

export const CLOCKS: Fault = {
  id: 'F11',
  title: 'clocks differ and jump',
  variants: [
    {
      name: 'a minute apart, four minutes forth and back',
      world: { hasFakeClocks: true },
      async run({ world: { clocks }, hold }) {
        const [first, second] = clocks
        await first!.set('+60')
        await second!.set('-60')
        await hold(6)
        for (const jump of ['+240', '-240', '+0']) {
          for (const clock of clocks) await clock.set(jump)
          await hold(4)
        }
      },
    },
    {
      name: 'a month ahead',
      world: { hasFakeClocks: true },
      bounds: { I1: LIFETIMES },
      losesLimits: true,
      async run({ world: { clocks }, recorder, mayBeLost, hold, recovered }) {
        for (const clock of clocks) await clock.set(`+${MONTH_SECONDS}`)
        await hold(4)
        mayBeLost(0, recorder.mark('a month ahead'))
        await recovered()
        await hold(2)
      },
    },
  ],
}
