// The log of mails: to whom, about what, how it went; and sending one once more. Invariant: what a
// mail says is not shown.
import { AppError } from '../../shared/errors.ts'
import { may } from '../operator.ts'
import { redirected, page, type Row } from './action.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { narrowingOf } from './filters.ts'
import { DELIVERY_STATES as STATES, MAIL_PATH as PATH, shownDelivery } from './mail-facts.ts'
import { doneOf, pagerOf } from './paging.ts'

const PAGE = 50
const DONE = { resent: 'The mail is on its way again.' }

/** Returns the rows. */
export const mailRows = (deps: ConsoleDeps): Row[] => [list(deps), resend(deps)]

const list = ({ services: { deliveries } }: ConsoleDeps): Row =>
  page({
    path: PATH,
    scope: 'admin:accounts:read',
    async show({ query, admin: { by } }) {
      const state = (['waiting', 'sent', 'dropped'] as const).find(
        (each) => each === query.get('state'),
      )
      const recipient = query.get('to')?.trim() || undefined
      const cursor = query.get('cursor')
      const found = await deliveries.list({ state, recipient, cursor, limit: PAGE }, by)
      const narrowing = narrowingOf(PATH, query, [
        { name: 'to', label: 'To', value: recipient },
        { name: 'state', label: 'Status', value: state && STATES[state].label },
      ])
      const mayResend = may(by, 'accounts:support')
      return {
        template: 'mail',
        frame: {
          title: 'Mail',
          narrowedTo: narrowing.text,
          section: 'mail',
          crumbs: [],
          done: doneOf(query, DONE),
        },
        isSetUp: deliveries.isSetUp,
        mails: found.deliveries.map((delivery) => shownDelivery(delivery, mayResend)),
        states: Object.entries(STATES).map(([value, { label }]) => ({ value, label })),
        filter: { to: recipient ?? '', state: state ?? '' },
        narrowing,
        pager: pagerOf(PATH, query, found.next),
      }
    },
  })

const resend = ({ services: { deliveries } }: ConsoleDeps): Row =>
  confirmation({
    name: 'mail.resend',
    path: `${PATH}/:id/resend`,
    scope: 'accounts:support',
    find: ({ id }) => id,
    recentSignIn: 'never',
    once: false,
    ask: () => ({
      frame: {
        title: 'Send this mail again?',
        section: 'mail',
        crumbs: [{ label: 'Mail', href: PATH }],
      },
      consequences: [
        'The same mail goes to the same address once more.',
        'A link in it works only if it was not used and has not expired.',
      ],
      button: 'Send again',
      isDangerous: false,
      cancelUrl: PATH,
    }),
    async run(id, _, by) {
      try {
        await deliveries.resend(id, by)
      } catch (error) {
        if (error instanceof AppError && error.code === 'conflict') return TOO_LATE
        throw error
      }
      return redirected(`${PATH}?done=resent`)
    },
  })

const TOO_LATE = {
  kind: 'refused',
  status: 409,
  problems: [
    {
      field: 'id',
      rule: 'not-resendable',
      sentence: 'This mail is still waiting to be sent, or its link has expired.',
    },
  ],
} as const
