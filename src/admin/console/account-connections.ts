// Ending one connection of an account.
import { AppError } from '../../shared/errors.ts'
import { ACCOUNTS_PATH, accountPath } from './account-facts.ts'
import { redirected, type Row } from './action.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'

/** Returns the row. */
export const endAccountConnection = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.connection',
    path: `${ACCOUNTS_PATH}/:id/connections/:grant/end`,
    scope: 'admin:tokens:write',
    async find({ id, grant }) {
      const account = await deps.accounts.find(id)
      if (account === undefined) throw new AppError('not_found', { detail: 'account' })
      const { connections } = await deps.accountConnections(id)
      // It may have ended since the page was shown: then there is nothing to ask.
      return { account, grant, found: connections.find(({ grantId }) => grantId === grant) }
    },
    recentSignIn: 'always',
    once: false,
    ask: ({ account, found }) => ({
      frame: {
        title: `End the access of ${found?.appName ?? found?.appId ?? 'this app'}?`,
        section: 'accounts',
        crumbs: [
          { label: 'Accounts', href: ACCOUNTS_PATH },
          { label: account.email, href: accountPath(account) },
        ],
      },
      consequences: [
        'All tokens of this authorization stop working at once.',
        'Other authorizations of the same app go on.',
        'The user can connect the app again.',
      ],
      button: 'End access',
      isDangerous: true,
      cancelUrl: accountPath(account),
    }),
    async run({ account, grant, found }, _, by) {
      if (found !== undefined) await deps.services.tokens.revokeGrant(grant, by)
      return redirected(accountPath(account, '?done=ended'))
    },
  })
