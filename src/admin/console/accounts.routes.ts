// The accounts of people: listed, named, invited, given a new link, made admins, deactivated. Invariant: a one-time link is in the one answer that made
// it; nobody can be seen or changed here but through the acts, which keep the last admin.
import Router from '@koa/router'
import type { Account } from '../../model/account.ts'
import { AppError } from '../../shared/errors.ts'
import type { OneTimeLink } from '../../accounts/account-links.ts'
import { problemOfReason } from './app-status.routes.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { once } from './once.ts'
import { formIdOf, newFormId } from './used-forms.store.ts'
import type { Frame } from './console-views.ts'
import { narrowingOf } from './filters.ts'
import { type Admin, type Gate, goTo, type Visit } from './gate.routes.ts'
import { doneOf, pagerOf, queryOf } from './paging.ts'
import { type QuestionField, questionPage } from './question.ts'
import { accountBadge } from './words.ts'

const PATH = '/admin/accounts'
const PAGE = 25
const CRUMBS = [{ label: 'Accounts', href: PATH }]
const ROLE_WORDS = { member: 'Member', admin: 'Admin' } as const
const LAST_ADMIN = 'This is the last active admin: make another one first.'
const DONE: Readonly<Record<string, string>> = {
  role: 'The role is changed. It counts everywhere within a second.',
  name: 'The name is changed.',
  deactivated: 'The account is deactivated. Its sessions and tokens have stopped working.',
  reactivated: 'The person can sign in again. Apps must be connected anew.',
}

const accountPath = (id: string, below = ''): string => `${PATH}/${encodeURIComponent(id)}${below}`

const factsOf = (account: Account) => ({
  id: account.id,
  email: account.email,
  name: account.name,
  role: account.role,
  status: account.status,
  statusReason: account.statusReason,
  isInvited: !account.hasPassword,
  createdAt: account.createdAt,
  sessionsValidFrom: account.sessionsValidFrom,
  badge: accountBadge(account),
  path: accountPath(account.id),
})

/** Creates the routes. */
export function createAccountRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { accounts, acts, usedForms } = deps
  const router = new Router({ strict: true, sensitive: true })

  async function get(visit: Visit): Promise<Account> {
    const account = await accounts.find(visit.params['id'] ?? '')
    if (account === undefined) throw new AppError('not_found', { detail: 'account' })
    return account
  }

  const below = (account: Account, title: string, extra: Partial<Frame> = {}): Frame => ({
    title,
    section: 'accounts',
    crumbs: [...CRUMBS, { label: account.email, href: accountPath(account.id) }],
    ...extra,
  })

  router.get(
    PATH,
    ...gate.admins(async (visit, admin) => {
      const query = queryOf(visit)
      const search = query.get('search')
      const status = (['active', 'deactivated'] as const).find(
        (each) => each === query.get('status'),
      )
      const role = (['member', 'admin'] as const).find((each) => each === query.get('role'))
      const cursor = query.get('cursor')
      const { accounts: found, next } = await accounts.list({
        search,
        status,
        role,
        cursor,
        limit: PAGE,
      })
      const narrowing = narrowingOf(PATH, query, [
        { name: 'search', label: 'Search', value: search },
        { name: 'role', label: 'Role', value: role && ROLE_WORDS[role] },
        { name: 'status', label: 'State', value: status && accountBadge({ status }).label },
      ])
      gate.show(visit, admin, {
        template: 'accounts',
        frame: {
          title: 'Accounts',
          narrowedTo: narrowing.words,
          section: 'accounts',
          crumbs: [],
          action: { label: 'Invite somebody', href: `${PATH}/new` },
        },
        accounts: found.map(factsOf),
        narrowing,
        filter: { search: search ?? '', status: status ?? '', role: role ?? '' },
        pager: pagerOf(PATH, query, next),
      })
    }),
  )

  router.get(
    `${PATH}/new`,
    ...gate.confirmed((visit, admin) =>
      showInvite(visit, admin, { email: '', name: '', role: 'member' }, newFormId()),
    ),
  )
  router.post(
    `${PATH}/new`,
    ...gate.confirmed(async (visit, admin) => {
      const form = await gate.readForm(visit, admin, 'account.invite')
      const role: Account['role'] = form.get('role') === 'admin' ? 'admin' : 'member'
      const typed = {
        email: form.get('email')?.trim() ?? '',
        name: form.get('name')?.trim() ?? '',
        role,
      }
      const formId = formIdOf(form)
      const key = `account.invite ${admin.account.id} ${formId}`
      const sent = await once(usedForms, key, (note) =>
        acts.accounts.invite(
          { email: typed.email, name: typed.name || undefined, role },
          admin.by,
          (trx, invited) => note(trx, invited.account.id),
        ),
      )
      if (sent.kind === 'used') {
        showUsed(visit, admin, { label: 'Go to the accounts', href: PATH })
        return
      }
      const { outcome } = sent
      if (outcome.kind === 'refused') {
        const problems: Partial<Record<string, string>> = {}
        for (const { field, sentence } of outcome.problems) problems[field] ??= sentence
        showInvite(visit, admin, typed, formId, problems)
        return
      }
      showLink(visit, admin, outcome.account, outcome.link, `${outcome.account.email} is invited`)
    }),
  )

  router.get(
    `${PATH}/:id`,
    ...gate.admins(async (visit, admin) => {
      const account = await get(visit)
      gate.show(visit, admin, {
        template: 'account',
        frame: {
          title: account.email,
          section: 'accounts',
          crumbs: CRUMBS,
          badge: accountBadge(account),
          done: doneOf(queryOf(visit), DONE),
        },
        account: factsOf(account),
        isSelf: account.id === admin.account.id,
        activityUrl: `/admin/activity?account=${encodeURIComponent(account.id)}`,
      })
    }),
  )

  router.get(
    `${PATH}/:id/link`,
    ...gate.confirmed(async (visit, admin) => {
      const account = await get(visit)
      gate.show(
        visit,
        admin,
        questionPage(
          below(account, account.hasPassword ? 'Make a reset link?' : 'Make a new invitation?'),
          {
            consequences: [
              'The link is shown once, on the next page: you pass it on to the person.',
              'Whoever opens it can choose the password of this account. It works once.',
              'Links that were made for this account before stop working.',
            ],
            hidden: { form: newFormId() },
            action: accountPath(account.id, '/link'),
            csrf: gate.token(admin, `account.link ${account.id}`),
            button: 'Make the link and show it',
            isDangerous: false,
            cancelUrl: accountPath(account.id),
          },
        ),
      )
    }),
  )
  router.post(
    `${PATH}/:id/link`,
    ...gate.confirmed(async (visit, admin) => {
      const account = await get(visit)
      const form = await gate.readForm(visit, admin, `account.link ${account.id}`)
      const key = `account.link ${admin.account.id} ${formIdOf(form)}`
      const sent = await once(usedForms, key, (note) =>
        acts.accounts.reset(account.id, admin.by, (trx) => note(trx, account.id)),
      )
      if (sent.kind === 'used')
        showUsed(visit, admin, { label: 'Go to the account', href: accountPath(account.id) })
      else showLink(visit, admin, account, sent.outcome, 'The new link')
    }),
  )

  // No password for a name: it opens nothing.
  router.get(
    `${PATH}/:id/name`,
    ...gate.admins(async (visit, admin) => {
      const account = await get(visit)
      askForName(visit, admin, account, { name: account.name ?? '' })
    }),
  )
  router.post(
    `${PATH}/:id/name`,
    ...gate.admins(async (visit, admin) => {
      const account = await get(visit)
      const form = await gate.readForm(visit, admin, `account.name ${account.id}`)
      const name = form.get('name')?.trim() ?? ''
      const version = Number(form.get('version'))
      const change = { name: name === '' ? undefined : name }
      const outcome = await acts.accounts.update(account.id, version, change, admin.by)
      if (outcome.kind === 'updated') goTo(visit, accountPath(account.id, '?done=name'))
      else if (outcome.kind === 'conflict')
        askForName(visit, admin, outcome.account, { name, isConflict: true })
      else {
        const problem = outcome.problems.map(({ sentence }) => sentence).join(' ')
        askForName(visit, admin, { ...account, version }, { name, problem })
      }
    }),
  )

  router.get(
    `${PATH}/:id/role`,
    ...gate.confirmed(async (visit, admin) => askForRole(visit, admin, await get(visit))),
  )
  router.post(
    `${PATH}/:id/role`,
    ...gate.confirmed(async (visit, admin) => {
      const account = await get(visit)
      const form = await gate.readForm(visit, admin, `account.role ${account.id}`)
      const role = form.get('role') === 'admin' ? 'admin' : 'member'
      const version = Number(form.get('version'))
      const outcome = await unlessLastAdmin(() =>
        acts.accounts.update(account.id, version, { role }, admin.by),
      )
      if (outcome === undefined) askForRole(visit, admin, account, LAST_ADMIN, 409)
      else if (outcome.kind === 'updated') goTo(visit, accountPath(account.id, '?done=role'))
      else if (outcome.kind === 'conflict')
        askForRole(
          visit,
          admin,
          outcome.account,
          'Somebody else changed this account meanwhile. This is how it is now.',
          409,
        )
      else
        askForRole(
          visit,
          admin,
          account,
          outcome.problems.map(({ sentence }) => sentence).join(' '),
          422,
        )
    }),
  )

  router.get(
    `${PATH}/:id/deactivate`,
    ...gate.confirmed(async (visit, admin) => askToDeactivate(visit, admin, await get(visit))),
  )
  router.post(
    `${PATH}/:id/deactivate`,
    ...gate.confirmed(async (visit, admin) => {
      const account = await get(visit)
      const form = await gate.readForm(visit, admin, `account.deactivate ${account.id}`)
      const reason = form.get('reason') ?? ''
      const problem = await unlessLastAdmin(async () => ({
        reason: await problemOfReason(() => acts.accounts.deactivate(account.id, reason, admin.by)),
      }))
      if (problem === undefined)
        askToDeactivate(visit, admin, account, { reason, problem: LAST_ADMIN })
      else if (problem.reason !== undefined)
        askToDeactivate(visit, admin, account, { reason, problem: problem.reason })
      else goTo(visit, accountPath(account.id, '?done=deactivated'))
    }),
  )

  router.get(
    `${PATH}/:id/reactivate`,
    ...gate.confirmed(async (visit, admin) => {
      const account = await get(visit)
      gate.show(
        visit,
        admin,
        questionPage(below(account, `Reactivate ${account.email}?`), {
          consequences: [
            'The person can sign in again with the password of before.',
            'Sessions and tokens of before stay revoked.',
          ],
          action: accountPath(account.id, '/reactivate'),
          csrf: gate.token(admin, `account.reactivate ${account.id}`),
          button: 'Reactivate',
          isDangerous: false,
          cancelUrl: accountPath(account.id),
        }),
      )
    }),
  )
  router.post(
    `${PATH}/:id/reactivate`,
    ...gate.confirmed(async (visit, admin) => {
      const id = visit.params['id'] ?? ''
      await gate.readForm(visit, admin, `account.reactivate ${id}`)
      await acts.accounts.reactivate(id, admin.by)
      goTo(visit, accountPath(id, '?done=reactivated'))
    }),
  )

  function showInvite(
    visit: Visit,
    admin: Admin,
    typed: { email: string; name: string; role: Account['role'] },
    formId: string,
    problems: Partial<Record<string, string>> = {},
  ): void {
    const fields: QuestionField[] = [
      {
        name: 'email',
        label: 'E-mail address',
        value: typed.email,
        kind: 'line',
        problem: problems['email'],
      },
      {
        name: 'name',
        label: 'Name',
        value: typed.name,
        kind: 'line',
        isOptional: true,
        problem: problems['name'],
      },
    ]
    const page = questionPage(
      { title: 'Invite somebody', section: 'accounts', crumbs: CRUMBS },
      {
        consequences: [
          'The account is made at once; its owner chooses the password with a link that works once.',
          'The link is shown on the next page: you pass it on yourself.',
        ],
        fields,
        choice: roleChoice(typed.role),
        hidden: { form: formId },
        action: `${PATH}/new`,
        csrf: gate.token(admin, 'account.invite'),
        button: 'Invite',
        isDangerous: false,
        cancelUrl: PATH,
      },
    )
    gate.show(visit, admin, page, Object.keys(problems).length === 0 ? 200 : 422)
  }

  function askForName(
    visit: Visit,
    admin: Admin,
    account: Account,
    typed: { name: string; problem?: string; isConflict?: boolean },
  ): void {
    const { name, problem, isConflict = false } = typed
    const now = account.name === undefined ? 'has no name' : `is called “${account.name}”`
    const conflict = isConflict
      ? `Somebody else changed this account meanwhile: now the person ${now}. What you typed is below; saving puts it in its place.`
      : undefined
    const page = questionPage(below(account, `Name of ${account.email}`, { problem: conflict }), {
      consequences: [
        'The person sees it when signed in, and apps that may see the profile are told it.',
      ],
      fields: [
        { name: 'name', label: 'Name', value: name, kind: 'line', isOptional: true, problem },
      ],
      hidden: { version: String(account.version) },
      action: accountPath(account.id, '/name'),
      csrf: gate.token(admin, `account.name ${account.id}`),
      button: isConflict ? 'Save what I typed' : 'Save the name',
      isDangerous: false,
      cancelUrl: accountPath(account.id),
    })
    gate.show(visit, admin, page, isConflict ? 409 : problem === undefined ? 200 : 422)
  }

  function askForRole(
    visit: Visit,
    admin: Admin,
    account: Account,
    problem?: string,
    status = 200,
  ): void {
    const page = questionPage(below(account, `Role of ${account.email}`, { problem }), {
      consequences: [
        'Admins can do everything in this console.',
        account.id === admin.account.id
          ? 'This is your own account: as a member you are out of the console at once.'
          : 'It counts on all servers within a second.',
      ],
      choice: roleChoice(account.role),
      hidden: { version: String(account.version) },
      action: accountPath(account.id, '/role'),
      csrf: gate.token(admin, `account.role ${account.id}`),
      button: 'Change the role',
      isDangerous: false,
      cancelUrl: accountPath(account.id),
    })
    gate.show(visit, admin, page, status)
  }

  function askToDeactivate(
    visit: Visit,
    admin: Admin,
    account: Account,
    { reason, problem }: { reason: string; problem?: string } = { reason: '' },
  ): void {
    const page = questionPage(below(account, `Deactivate ${account.email}?`), {
      consequences: [
        'The person is signed out everywhere and cannot sign in again.',
        'All apps lose their access to this account at once.',
        'You can reactivate it; apps must then be connected anew.',
      ],
      fields: [
        {
          name: 'reason',
          label: 'Why',
          hint: 'Other admins see it with the account and in the activity.',
          value: reason,
          kind: 'lines',
          problem,
        },
      ],
      action: accountPath(account.id, '/deactivate'),
      csrf: gate.token(admin, `account.deactivate ${account.id}`),
      button: 'Deactivate',
      isDangerous: true,
      cancelUrl: accountPath(account.id),
    })
    gate.show(visit, admin, page, problem === undefined ? 200 : 422)
  }

  function showLink(
    visit: Visit,
    admin: Admin,
    account: Account,
    link: OneTimeLink,
    title: string,
  ): void {
    gate.show(visit, admin, {
      template: 'link',
      frame: below(account, title),
      link: link.url.reveal(),
      expiresAt: link.expiresAt,
      account: factsOf(account),
    })
  }

  function showUsed(visit: Visit, admin: Admin, link: { label: string; href: string }): void {
    gate.show(visit, admin, {
      template: 'used-form',
      frame: { title: 'This was done already', section: 'accounts', crumbs: CRUMBS },
      what: 'The form was sent a second time, by a reload for instance. Nothing was done again, and the link is not shown again.',
      next: 'If you did not keep the link, make a new one on the page of the account.',
      link,
    })
  }

  return router
}

const roleChoice = (role: Account['role']) => ({
  name: 'role',
  legend: 'Role',
  options: [
    {
      value: 'member',
      label: 'Member',
      hint: 'Signs in and connects apps.',
      isChosen: role === 'member',
    },
    { value: 'admin', label: 'Admin', hint: 'Also runs this server.', isChosen: role === 'admin' },
  ],
})

/** Does an act; `undefined` where it would have taken the last admin away. */
async function unlessLastAdmin<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof AppError && error.code === 'last_admin') return undefined
    throw error
  }
}
