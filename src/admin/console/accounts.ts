// The accounts of people: listed, named, invited, given a new link, made admins, deactivated.
// Invariant: a one-time link is in the one answer that made it; nothing is changed but through the
// admin services, which keep the last admin.
import { type Account, type Role, ROLES } from '../../model/account.ts'
import type { OneTimeLink } from '../../accounts/account-links.ts'
import type { Problem } from '../../model/problem.ts'
import { AppError } from '../../shared/errors.ts'
import { may, type Operator } from '../operator.ts'
import { missingFor } from '../roles.ts'
import { endAccountConnection } from './account-connections.ts'
import { connectionsModel } from './connections-model.ts'
import { ACCOUNTS_PATH as PATH, accountFacts, accountPath as pathOf } from './account-facts.ts'
import { redirected, page, type Row, type Sent, type UsedFormNotice } from './action.ts'
import { confirmation, line, lines, reasonField } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { narrowingOf } from './filters.ts'
import type { Frame, LinkTo } from './frame.ts'
import { doneOf, pagerOf } from './paging.ts'
import { accountBadge, ROLE_LABELS } from './labels.ts'
import { sortingOf, totalInWords } from './sorting.ts'

const PAGE = 25
const CRUMBS = [{ label: 'Accounts', href: PATH }]
const DONE: Readonly<Record<string, string>> = {
  role: 'Role changed. It takes effect everywhere within a second.',
  name: 'Name changed.',
  deactivated: 'Account deactivated. Its sessions and tokens no longer work.',
  discarded: 'File discarded. Nothing was imported.',
  ended: 'Access ended. The app’s tokens for this account no longer work.',
  sessions: 'Sessions ended. The user has to sign in again.',
  reactivated: 'Account reactivated. The user can sign in again; apps have to be connected again.',
}

const frameBelow = (account: Account, title: string, problem?: string): Frame => ({
  title,
  section: 'accounts',
  crumbs: [...CRUMBS, { label: account.email, href: pathOf(account) }],
  problem,
})

/** Returns the rows. */
export const accountRows = (deps: ConsoleDeps): Row[] => [
  list(deps),
  invite(deps),
  overview(deps),
  link(deps),
  rename(deps),
  changeRole(deps),
  deactivate(deps),
  reactivate(deps),
  endSessions(deps),
  endAccountConnection(deps),
]

const finder =
  ({ accounts }: ConsoleDeps) =>
  async ({ id }: { id: string }): Promise<Account> => {
    const account = await accounts.find(id)
    if (account === undefined) throw new AppError('not_found', { detail: 'account' })
    return account
  }

const SORTED = {
  email: { label: 'Account', up: 'E-mail, A to Z', down: 'E-mail, Z to A' },
  created: { label: 'Created', up: 'Oldest first', down: 'Newest first' },
} as const

const list = ({ accounts }: ConsoleDeps): Row =>
  page({
    path: PATH,
    scope: 'admin:accounts:read',
    async show({ query }) {
      const search = query.get('search')
      const status = (['active', 'deactivated'] as const).find(
        (each) => each === query.get('status'),
      )
      const role = ROLES.find((each) => each === query.get('role'))
      const cursor = query.get('cursor')
      const sorting = sortingOf(PATH, query, SORTED, { by: 'email', descending: false })
      const matching = { search, status, role }
      const [found, total] = await Promise.all([
        accounts.list({ ...matching, order: sorting.order, cursor, limit: PAGE }),
        accounts.count(matching),
      ])
      const narrowing = narrowingOf(PATH, query, [
        { name: 'search', label: 'Search', value: search },
        { name: 'role', label: 'Role', value: role && ROLE_LABELS[role].label },
        { name: 'status', label: 'Status', value: status && accountBadge({ status }).label },
      ])
      return {
        template: 'accounts',
        frame: {
          title: 'Accounts',
          narrowedTo: narrowing.text,
          section: 'accounts',
          crumbs: [],
          action: { label: 'Invite someone', href: `${PATH}/new` },
          otherAction: { label: 'Import', href: `${PATH}/import` },
          done: doneOf(query, DONE),
        },
        accounts: found.accounts.map(accountFacts),
        narrowing,
        sorting,
        total: totalInWords(total, 'account', 'accounts'),
        roles: ROLES.map((value) => ({ value, label: ROLE_LABELS[value].label })),
        filter: { search: search ?? '', status: status ?? '', role: role ?? '' },
        pager: pagerOf(PATH, query, found.next),
      }
    },
  })

const overview = (deps: ConsoleDeps): Row =>
  page({
    path: `${PATH}/:id`,
    scope: 'admin:accounts:read',
    async show({ params, query, admin }) {
      const account = await finder(deps)(params)
      return {
        template: 'account',
        frame: {
          title: account.email,
          section: 'accounts',
          crumbs: CRUMBS,
          badge: accountBadge(account),
          done: doneOf(query, DONE),
        },
        account: accountFacts(account),
        isSelf: account.id === admin.account.id,
        mayDecide: missingFor(account.role, admin.by.scopes) === undefined,
        connectionsUrl: `/admin/connections?owner=${encodeURIComponent(account.id)}`,
        activityUrl: `/admin/activity?account=${encodeURIComponent(account.id)}`,
        ...(await connectionsModel(deps, account, admin.by)),
      }
    },
  })

const invite = ({ services }: ConsoleDeps): Row =>
  confirmation({
    name: 'account.invite',
    path: `${PATH}/new`,
    scope: 'admin:accounts:write',
    find: () => undefined,
    recentSignIn: 'always',
    once: () => linkUsed({ label: 'Go to the accounts', href: PATH }),
    ask: (_, { typed, admin }) => ({
      frame: { title: 'Invite someone', section: 'accounts', crumbs: CRUMBS },
      consequences: [
        'The account is created right away. Its owner chooses a password with a one-time link.',
        linkIsShown(services.deliveries.isSetUp),
      ],
      tick: mailTick(services.deliveries.isSetUp),
      fields: [
        { name: 'email', label: 'E-mail address', kind: 'line' },
        { name: 'name', label: 'Name', kind: 'line', isOptional: true },
      ],
      choice: roleChoice(roleOf(typed), admin.by),
      button: 'Invite',
      isDangerous: false,
      cancelUrl: PATH,
    }),
    async run(_, typed, by, note) {
      const name = line(typed, 'name') || undefined
      const sendMail = typed.has('mail')
      const input = { email: line(typed, 'email'), name, role: roleOf(typed), sendMail }
      const outcome = await services.accounts.invite(input, by, (trx, invited) =>
        note(trx, invited.account.id),
      )
      if (outcome.kind === 'refused') return outcome
      const { account } = outcome
      return linkShown(account, outcome.link, `${account.email} is invited`)
    },
  })

const link = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.link',
    path: `${PATH}/:id/link`,
    scope: 'accounts:support',
    find: finder(deps),
    recentSignIn: 'always',
    once: (account) => linkUsed({ label: 'Go to the account', href: pathOf(account) }),
    ask: (account) => ({
      frame: frameBelow(
        account,
        account.hasPassword ? 'Create a reset link?' : 'Create a new invitation?',
      ),
      consequences: [
        linkIsShown(deps.services.deliveries.isSetUp),
        'Anyone who opens it can set the password of this account. It works once.',
        'Earlier links for this account stop working.',
      ],
      tick: mailTick(deps.services.deliveries.isSetUp),
      button: 'Create and show the link',
      isDangerous: false,
      cancelUrl: pathOf(account),
    }),
    async run(account, typed, by, note) {
      const made = await deps.services.accounts.reset(
        account.id,
        by,
        (trx) => note(trx, account.id),
        { sendMail: typed.has('mail') },
      )
      return linkShown(account, made, 'New one-time link')
    },
  })

const linkIsShown = (hasMail: boolean): string =>
  hasMail
    ? 'The link is shown once, on the next page, so that you can also send it yourself.'
    : 'The link is shown once, on the next page. Send it to the user yourself.'

const mailTick = (hasMail: boolean) =>
  hasMail ? { name: 'mail', label: 'Send the link by mail', isOn: true } : undefined

const rename = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.name',
    path: `${PATH}/:id/name`,
    scope: 'admin:accounts:write',
    find: finder(deps),
    // A name opens nothing.
    recentSignIn: 'never',
    once: false,
    ask: (account, { isConflict }) => ({
      frame: frameBelow(
        account,
        `Name of ${account.email}`,
        isConflict ? nameConflict(account) : undefined,
      ),
      consequences: ['Shown to the user when signed in, and to apps that may see the profile.'],
      fields: [
        { name: 'name', label: 'Name', value: account.name, kind: 'line', isOptional: true },
      ],
      hidden: { version: String(account.version) },
      button: isConflict ? 'Save my changes' : 'Save name',
      isDangerous: false,
      cancelUrl: pathOf(account),
    }),
    run: (account, typed, by) =>
      updated(account, '?done=name', () =>
        deps.services.accounts.update(
          account.id,
          Number(typed.get('version')),
          { name: line(typed, 'name') || undefined },
          by,
        ),
      ),
  })

const nameConflict = ({ name }: Account): string =>
  `Someone else changed this account in the meantime: it now has ${name === undefined ? 'no name' : `the name “${name}”`}. Saving replaces it with what you typed.`

const changeRole = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.role',
    path: `${PATH}/:id/role`,
    scope: 'admin:roles:write',
    find: finder(deps),
    recentSignIn: 'always',
    once: false,
    ask: (account, { admin, isConflict }) => ({
      frame: frameBelow(
        account,
        `Role of ${account.email}`,
        isConflict
          ? 'Someone else changed this account in the meantime. This is its current role.'
          : undefined,
      ),
      consequences: [
        account.id === admin.account.id
          ? 'This is your own account. Only another admin can change its role.'
          : 'Takes effect on all servers within a second.',
      ],
      choice: roleChoice(account.role, admin.by),
      hidden: { version: String(account.version) },
      button: 'Change role',
      isDangerous: false,
      cancelUrl: pathOf(account),
    }),
    run: (account, typed, by) =>
      unlessLastAdmin({ field: 'role', status: 409 }, () =>
        updated(account, '?done=role', () =>
          deps.services.accounts.update(
            account.id,
            Number(typed.get('version')),
            { role: roleOf(typed) },
            by,
          ),
        ),
      ),
  })

const deactivate = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.deactivate',
    path: `${PATH}/:id/deactivate`,
    scope: 'accounts:support',
    find: finder(deps),
    recentSignIn: 'always',
    once: false,
    ask: (account) => ({
      frame: frameBelow(account, `Deactivate ${account.email}?`),
      consequences: [
        'The user is signed out everywhere and cannot sign in again.',
        'All apps lose their access to this account at once.',
        'You can reactivate it later; apps then have to be connected again.',
      ],
      fields: [reasonField('account')],
      button: 'Deactivate',
      isDangerous: true,
      cancelUrl: pathOf(account),
    }),
    run: (account, typed, by) =>
      unlessLastAdmin({ field: 'reason' }, async () => {
        await deps.services.accounts.deactivate(account.id, lines(typed, 'reason'), by)
        return redirected(pathOf(account, '?done=deactivated'))
      }),
  })

const reactivate = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.reactivate',
    path: `${PATH}/:id/reactivate`,
    scope: 'accounts:support',
    find: finder(deps),
    recentSignIn: 'always',
    once: false,
    ask: (account) => ({
      frame: frameBelow(account, `Reactivate ${account.email}?`),
      consequences: [
        'The user can sign in again with the same password.',
        'Earlier sessions and tokens stay revoked.',
      ],
      button: 'Reactivate',
      isDangerous: false,
      cancelUrl: pathOf(account),
    }),
    async run(account, _, by) {
      await deps.services.accounts.reactivate(account.id, by)
      return redirected(pathOf(account, '?done=reactivated'))
    },
  })

const endSessions = (deps: ConsoleDeps): Row =>
  confirmation({
    name: 'account.sessions',
    path: `${PATH}/:id/end-sessions`,
    scope: 'accounts:support',
    find: finder(deps),
    recentSignIn: 'always',
    once: false,
    ask: (account) => ({
      frame: frameBelow(account, `End the sessions of ${account.email}?`),
      consequences: [
        'The user is signed out in all browsers and can sign in again with the same password.',
        'Connected apps keep their access.',
      ],
      button: 'End sessions',
      isDangerous: false,
      cancelUrl: pathOf(account),
    }),
    async run(account, _, by) {
      await deps.services.accounts.endSessions(account.id, by)
      return redirected(pathOf(account, '?done=sessions'))
    },
  })

const roleOf = (typed: ReadonlyMap<string, string>): Role =>
  ROLES.find((role) => role === typed.get('role')) ?? 'member'

/** The roles that the operator may give, and the one that is there. */
const roleChoice = (current: Role, by: Operator) => ({
  name: 'role',
  legend: 'Role',
  options: ROLES.filter(
    (role) =>
      role === current ||
      (may(by, 'admin:roles:write') && missingFor(role, by.scopes) === undefined),
  ).map((role) => ({
    value: role,
    label: ROLE_LABELS[role].label,
    hint: ROLE_LABELS[role].sentence,
    isChosen: role === current,
  })),
})

/** Changes an account, if the form was made of how it is now. */
async function updated(
  account: Account,
  below: string,
  update: () => ReturnType<ConsoleDeps['services']['accounts']['update']>,
): Promise<Sent<Account>> {
  const outcome = await update()
  if (outcome.kind === 'updated') return redirected(pathOf(account, below))
  return outcome.kind === 'conflict' ? { kind: 'conflict', target: outcome.account } : outcome
}

/** Refuses, at that field, what would take the last admin away. */
async function unlessLastAdmin(
  { field, status }: { field: string; status?: 409 },
  run: () => Promise<Sent<Account>>,
): Promise<Sent<Account>> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'last_admin')) throw error
    const sentence = 'This is the last active admin. Make another account an admin first.'
    const problems: Problem[] = [{ field, rule: 'last-admin', sentence }]
    return { kind: 'refused', problems, ...(status && { status }) }
  }
}

const linkShown = (account: Account, { url, expiresAt }: OneTimeLink, title: string) =>
  ({
    kind: 'shown',
    page: {
      template: 'link',
      frame: frameBelow(account, title),
      link: url.reveal(),
      expiresAt,
      account: accountFacts(account),
    },
  }) as const

const linkUsed = (next: LinkTo): UsedFormNotice => ({
  frame: { title: 'Already done', section: 'accounts', crumbs: CRUMBS },
  what: 'The form was sent twice, for example by reloading the page. Nothing was done again, and the link is not shown again.',
  next: 'If you did not save the link, create a new one on the account’s page.',
  link: next,
})
