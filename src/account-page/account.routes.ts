// The pages of one's own account. Invariants: only the user who is signed in is looked at or
// changed, nothing in an address or a form says who is meant; what could lock the owner out or take
// everything along needs the password given within ten minutes.
import Router from '@koa/router'
import type { Context } from 'koa'
import { parseEmail, parseLine } from '../accounts/account-input.ts'
import { PASSWORD_RULE, passwordProblem } from '../accounts/passwords.ts'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { Parameters } from '../http/parameters.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Account } from '../model/account.ts'
import { DAY, epochSeconds } from '../shared/clock.ts'
import type { AccountDeps } from './account-deps.ts'
import { readHistory } from './history.ts'
import type { AccountField } from './pages.ts'

/** Where they are. */
export const ACCOUNT_PATH = '/account'
const SESSIONS_PATH = `${ACCOUNT_PATH}/sessions`
const HISTORY_PATH = `${ACCOUNT_PATH}/history`
const DATA_PATH = `${ACCOUNT_PATH}/data`

const RECENT_SECONDS = 600
/** For a form that was opened in time. */
const FORM_GRACE_SECONDS = 600
const WARNED_MILLIS = 14 * DAY
const MOST_WARNINGS = 5

type Handler = (deps: AccountDeps, ctx: Context, user: Account) => Promise<void>

/** Creates the router of /account. */
export function createAccountRouter(deps: AccountDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  const forUser =
    (handler: Handler, needsRecentSignIn = false) =>
    async (ctx: Context): Promise<void> => {
      const user = await deps.findUser(ctx)
      if (user === undefined) redirect(ctx, deps.signInUrl(ACCOUNT_PATH))
      else if (needsRecentSignIn && !(await isRecent(deps, ctx)))
        redirect(ctx, deps.signInUrl(ctx.path, 'again'))
      else await handler(deps, ctx, user)
    }
  router.get(ACCOUNT_PATH, limited, forUser(showAccount))
  router.get(SESSIONS_PATH, limited, forUser(showSessions))
  router.post(SESSIONS_PATH, limited, forUser(endSessions))
  router.get(HISTORY_PATH, limited, forUser(showHistory))
  router.get(DATA_PATH, limited, forUser(sendData, true))
  for (const form of deps.askForAddress === undefined ? FORMS : [...FORMS, ADDRESS_FORM]) {
    router.get(form.path, limited, forUser(showForm(form), form.needsRecentSignIn))
    router.post(form.path, limited, forUser(takeForm(form), form.needsRecentSignIn))
  }
  return router
}

function redirect(ctx: Context, to: string): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(to)
}

async function isRecent({ lastSignIn, clock }: AccountDeps, ctx: Context): Promise<boolean> {
  const signIn = await lastSignIn(ctx)
  const grace = ctx.method === 'POST' ? FORM_GRACE_SECONDS : 0
  return signIn !== undefined && epochSeconds(clock) - signIn.at <= RECENT_SECONDS + grace
}

const ownerOf = ({ email, name }: Account) => ({ email, name })

async function showAccount(deps: AccountDeps, ctx: Context, user: Account): Promise<void> {
  const outcome = outcomeToShow(ctx, deps.issuer) as { done?: string } | undefined
  const from = new Date(deps.clock() - WARNED_MILLIS)
  const lately = await readHistory(deps.history, user.id, from)
  sendPage(ctx, deps.views, {
    kind: 'account',
    account: ownerOf(user),
    done: DONE[outcome?.done ?? ''],
    canChangeAddress: deps.askForAddress !== undefined,
    isMailRefused: user.mailRefusedAt !== undefined,
    warnings: lately.filter(({ isWarning }) => isWarning).slice(0, MOST_WARNINGS),
    connectionsUrl: deps.connectionsUrl,
    consoleUrl: user.role === 'member' ? undefined : deps.consoleUrl,
  })
}

const DONE: Readonly<Record<string, string>> = {
  name: 'Your name was changed.',
  email: 'We sent a link to the new address. Your address changes when you confirm it there.',
  password: 'Your password was changed. You are signed out everywhere else.',
}

async function showSessions(deps: AccountDeps, ctx: Context, user: Account): Promise<void> {
  const outcome = outcomeToShow(ctx, deps.issuer) as { ended?: number } | undefined
  const [sessions, current] = await Promise.all([
    deps.sessions.listOf(user.id),
    deps.currentSession(ctx),
  ])
  sendPage(ctx, deps.views, {
    kind: 'account-sessions',
    account: ownerOf(user),
    sessions: sessions.map(({ id, device = 'Unknown browser', network, signedInAt }) => ({
      id,
      device,
      network,
      signedInAt,
      isCurrent: id === current,
    })),
    done: outcome?.ended === undefined ? undefined : endedInWords(outcome.ended),
    action: SESSIONS_PATH,
    csrf: deps.csrf.token(bindingOf('sessions', user)),
  })
}

const endedInWords = (count: number): string =>
  count === 1 ? '1 sign-in was ended.' : `${count} sign-ins were ended.`

async function endSessions(deps: AccountDeps, ctx: Context, user: Account): Promise<void> {
  const form = await deps.csrf.readForm(ctx, bindingOf('sessions', user))
  const current = await deps.currentSession(ctx)
  const one = form.get('session')
  // This one is ended by signing out.
  const isMeant = (id: string): boolean => id !== current && (one === undefined || id === one)
  const ended = await deps.sessions.end(user.id, isMeant)
  for (const _session of ended)
    deps.events.sessionEnded(
      { accountId: user.id, reason: 'ended_elsewhere' },
      { ...requestFacts(ctx), actor: user.id },
    )
  redirectToOutcome(ctx, deps.issuer, SESSIONS_PATH, { ended: ended.length })
}

async function showHistory(deps: AccountDeps, ctx: Context, user: Account): Promise<void> {
  const from = new Date(deps.clock() - deps.historyDays * DAY)
  sendPage(ctx, deps.views, {
    kind: 'account-history',
    account: ownerOf(user),
    entries: await readHistory(deps.history, user.id, from),
    days: deps.historyDays,
  })
}

async function sendData(deps: AccountDeps, ctx: Context, user: Account): Promise<void> {
  const data = await deps.exportData(user)
  ctx.set({
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Disposition': 'attachment; filename="my-data.json"',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  ctx.body = `${JSON.stringify(data, null, 2)}\n`
}

type Problems = Readonly<Record<string, string>>

/** A change that the owner makes. */
interface OwnForm {
  path: string
  /** What happened when it is done; a key of DONE. */
  done: string
  needsRecentSignIn: boolean
  title: string
  lead: string
  button: string
  tick?: { name: string; label: string }
  fields(user: Account, typed: Readonly<Record<string, string>>): Omit<AccountField, 'problem'>[]
  check(form: Parameters): Problems
  /** Does it, or returns what is wrong. */
  run(deps: AccountDeps, ctx: Context, user: Account, form: Parameters): Promise<Problems>
}

const FORMS: readonly OwnForm[] = [
  {
    path: `${ACCOUNT_PATH}/name`,
    done: 'name',
    needsRecentSignIn: false,
    title: 'Change your name',
    lead: 'Apps that may see your profile see it too.',
    button: 'Save name',
    fields: (user, typed) => [
      {
        name: 'name',
        label: 'Name',
        type: 'text',
        value: typed['name'] ?? user.name ?? '',
        autocomplete: 'name',
        hint: undefined,
      },
    ],
    check(form) {
      try {
        parseLine(form.get('name') ?? '', 'name')
        return {}
      } catch {
        return { name: 'Enter a name on a single line, of at most 200 characters.' }
      }
    },
    async run({ accounts }, ctx, user, form) {
      const change = { name: form.get('name') ?? '' }
      const context = { ...requestFacts(ctx), actor: user.id }
      const outcome = await accounts.update(user.id, user.version, change, context)
      // Somebody else changed something of the account meanwhile: the name is its owner's all the
      // same.
      if (outcome.kind === 'conflict')
        await accounts.update(user.id, outcome.account.version, change, context)
      return {}
    },
  },
  {
    path: `${ACCOUNT_PATH}/password`,
    done: 'password',
    needsRecentSignIn: true,
    title: 'Change your password',
    lead: 'You stay signed in here and are signed out everywhere else.',
    button: 'Save password',
    tick: { name: 'apps', label: 'Also disconnect all apps' },
    fields: () => [
      passwordField('password', 'New password', PASSWORD_RULE),
      passwordField('again', 'Repeat the password', undefined),
    ],
    check(form) {
      const password = form.get('password') ?? ''
      const problem = passwordProblem(password)
      return {
        ...(problem !== undefined && { password: problem }),
        ...(form.get('again') !== password && {
          again: 'The passwords do not match. Type both again.',
        }),
      }
    },
    async run(deps, ctx, user, form) {
      const account = await deps.accounts.setPassword(
        user.id,
        form.get('password') ?? '',
        { ...requestFacts(ctx), actor: user.id },
        { keepsApps: form.get('apps') !== 'on' },
      )
      await deps.signInAgain(ctx, account)
      return {}
    },
  },
]

const ADDRESS_FORM: OwnForm = {
  path: `${ACCOUNT_PATH}/email`,
  done: 'email',
  needsRecentSignIn: true,
  title: 'Change your e-mail address',
  lead: 'We send a link to the new address. Nothing changes before you confirm it there.',
  button: 'Send the link',
  fields: (_user, typed) => [
    {
      name: 'email',
      label: 'New e-mail address',
      type: 'text',
      value: typed['email'] ?? '',
      autocomplete: 'email',
      hint: undefined,
    },
  ],
  check: (form) =>
    parseEmail(form.get('email') ?? '') === undefined
      ? { email: 'Enter an e-mail address such as ada@example.com.' }
      : {},
  async run({ askForAddress }, ctx, user, form) {
    const email = parseEmail(form.get('email') ?? '') ?? ''
    const outcome = await askForAddress?.(user, email, requestFacts(ctx).address)
    return outcome === 'limited' ? { email: 'Too many mails. Try again in an hour.' } : {}
  },
}

const passwordField = (name: string, label: string, hint: string | undefined) =>
  ({ name, label, type: 'password', value: '', autocomplete: 'new-password', hint }) as const

/** What was typed but passwords, and what was wrong with it, until the page shows it. */
interface KeptForm {
  typed: Readonly<Record<string, string>>
  problems: Problems
}

const showForm =
  (form: OwnForm): Handler =>
  (deps, ctx, user) => {
    const kept = outcomeToShow(ctx, deps.issuer) as KeptForm | undefined
    const { typed = {}, problems = {} } = kept ?? {}
    sendPage(
      ctx,
      deps.views,
      {
        kind: 'account-form',
        account: ownerOf(user),
        title: form.title,
        lead: form.lead,
        fields: form
          .fields(user, typed)
          .map((field) => ({ ...field, problem: problems[field.name] })),
        tick: form.tick,
        button: form.button,
        action: form.path,
        csrf: deps.csrf.token(bindingOf(form.path, user)),
      },
      { status: Object.keys(problems).length > 0 ? 422 : 200, runsScripts: true },
    )
    return Promise.resolve()
  }

const takeForm =
  (form: OwnForm): Handler =>
  async (deps, ctx, user) => {
    const sent = await deps.csrf.readForm(ctx, bindingOf(form.path, user))
    const checked = form.check(sent)
    const isGood = Object.keys(checked).length === 0
    const problems = isGood ? await form.run(deps, ctx, user, sent) : checked
    if (Object.keys(problems).length > 0) {
      const typed = Object.fromEntries(
        form
          .fields(user, {})
          .filter(({ type }) => type !== 'password')
          .map(({ name }) => [name, sent.get(name) ?? '']),
      )
      redirectToOutcome(ctx, deps.issuer, form.path, { typed, problems }, { typed: {}, problems })
      return
    }
    redirectToOutcome(ctx, deps.issuer, ACCOUNT_PATH, { done: form.done })
  }

/**
 * A signed cookie ties the session to the browser, and this ties the form to the session's user and
 * one page.
 */
const bindingOf = (page: string, { id }: Account): string => `account ${page} ${id}`
