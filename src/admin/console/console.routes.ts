// The console: its rows as routes. Invariant: every row goes through the same phases, so none can
// forget one: somebody whose role permits it, a form of our own page that was made for this admin,
// this action and this target, a recent sign-in where the row asks for one, once only where it
// must, and a form that is shown again whenever nothing was changed.
import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { Csrf } from '../../http/csrf.ts'
import { sendHtml } from '../../http/send-page.ts'
import type { Templates } from '../../http/views.ts'
import { AppError } from '../../shared/errors.ts'
import type { WriteAlong } from '../../storage/database.ts'
import { accountImportRows } from './account-import.ts'
import { accountRows } from './accounts.ts'
import type {
  ActionRow,
  Admin,
  Download,
  FormState,
  PageRow,
  ReceivedFile,
  Row,
  Sent,
  SentForm,
} from './action.ts'
import { activityRows } from './activity.ts'
import { applyRows } from './apply.ts'
import { appStatusRows } from './app-status.ts'
import { appRows } from './apps.ts'
import { REASON_NEEDED } from './confirmation.ts'
import { connectionRows } from './connections.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { createConsoleViews, type RenderConsole } from './console-views.ts'
import { credentialRows } from './credentials.ts'
import { integrationRows } from './integrations.ts'
import { keyRows } from './keys.ts'
import { mailRows } from './mail.ts'
import { createMayOpen, type MayOpen } from './may-open.ts'
import { once } from './once.ts'
import type { ConsolePage } from './page-models.ts'
import { queryOf } from './paging.ts'
import { previewRows } from './preview.ts'
import { registrationRows } from './register.ts'
import { redirect, requireAdmin, type RequireAdminDeps } from './require-admin.ts'
import { scopeRows } from './scopes.ts'
import { tokenRows } from './tokens.ts'
import { usageRows } from './usage-pages.ts'
import { CONFIRMED_PATH } from './stale-form.ts'
import { formIdOf, newFormId, type UsedForms } from './used-forms.store.ts'

/** Where the console is. */
export const CONSOLE_PATH = '/admin'

/** All rows, in the order in which their paths are tried. */
const rowsOf = (deps: ConsoleDeps): Row[] => [
  ...usageRows(deps),
  ...registrationRows(deps),
  ...appRows(deps),
  ...appStatusRows(deps),
  ...credentialRows(deps),
  ...previewRows(deps),
  ...applyRows(deps),
  ...tokenRows(deps),
  ...activityRows(deps),
  ...scopeRows(deps),
  ...accountImportRows(deps),
  ...accountRows(deps),
  ...mailRows(deps),
  ...keyRows(deps),
  ...connectedSystemRows(deps),
]

/** None where connections to other systems are switched off. */
function connectedSystemRows({ connections, ...deps }: ConsoleDeps): Row[] {
  if (connections === undefined) return []
  const open = { ...deps, connections }
  return [...integrationRows(open), ...connectionRows(open)]
}

type RouterDeps = Omit<RequireAdminDeps, 'renderBare'> & {
  templates: Templates
  csrf: Csrf
  usedForms: UsedForms
}

/** What the phases need. */
type Phases = Omit<RouterDeps, 'templates'> &
  RequireAdminDeps & { render: RenderConsole; mayOpen: MayOpen }

/** Creates the router of the console. */
export function createConsoleRouter(deps: ConsoleDeps & RouterDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const rows = rowsOf(deps)
  const phases: Phases = {
    ...deps,
    ...createConsoleViews(deps.templates),
    mayOpen: createMayOpen(rows),
  }
  for (const row of rows)
    if ('show' in row) router.get(row.path, ...pageRoute(phases, row))
    else {
      if (row.isPartOfOtherPage !== true) router.get(row.path, ...formRoute(phases, row))
      router.post(row.path, ...sendRoute(phases, row))
    }
  return router
}

function pageRoute(phases: Phases, row: PageRow): Middleware[] {
  return requireAdmin(
    phases,
    { scope: row.scope, needsRecentSignIn: false },
    async (ctx, admin) => {
      const query = queryOf(ctx)
      const params = paramsOf(ctx)
      const shown = await row.show({ params, query, search: ctx.querystring, admin })
      if ('redirectTo' in shown) redirect(ctx, shown.redirectTo)
      else if ('content' in shown) sendDownload(ctx, shown)
      else show(phases, ctx, admin, shown)
    },
  )
}

/** Shows the form of an action. */
function formRoute(phases: Phases, row: ActionRow): Middleware[] {
  const needs = { scope: row.scope, needsRecentSignIn: row.recentSignIn === 'always' }
  return requireAdmin(phases, needs, async (ctx, admin) => {
    const target = await row.find(paramsOf(ctx))
    const typed = row.read(undefined, target)
    const state = stateOf(phases, row, ctx, { admin, target, typed, formId: newFormId() })
    show(phases, ctx, admin, await row.page(state))
  })
}

/** Takes the form of an action. */
function sendRoute(phases: Phases, row: ActionRow): Middleware[] {
  const isKeptByGuard = row.recentSignIn === 'always' && row.showsStaleForm !== true
  const needs = { scope: row.scope, needsRecentSignIn: isKeptByGuard }
  return requireAdmin(phases, needs, async (ctx, admin) => {
    const form = await readForm(phases, row, ctx, admin)
    const target = await row.find(paramsOf(ctx))
    const typed = row.read(form, target)
    const formId = formIdOf(form.fields)
    const state = stateOf(phases, row, ctx, { admin, target, typed, formId })
    const again = async (change: Partial<typeof state>, status: number): Promise<void> =>
      show(phases, ctx, admin, await row.page({ ...state, ...change }), status)

    const sent = await send(phases, row, state)
    if (sent.kind === 'done') redirect(ctx, sent.redirectTo)
    else if (sent.kind === 'shown') show(phases, ctx, admin, sent.page)
    else if (sent.kind === 'asked') await again({}, 200)
    else if (sent.kind === 'stale') await again({ isStale: true }, 403)
    else if (sent.kind === 'refused') await again({ problems: sent.problems }, sent.status ?? 422)
    else await again({ target: sent.target, isConflict: true }, 409)
  })
}

/** The phases between a good form and its answer, in their order. */
async function send(
  { usedForms }: Phases,
  row: ActionRow,
  { target, typed, admin, formId }: FormState<unknown, unknown>,
): Promise<Sent<unknown> | { kind: 'stale' }> {
  if (needsRecentSignIn(row, target, typed) && !admin.hasRecentSignIn) return { kind: 'stale' }
  const problems = row.check?.(typed, target) ?? []
  if (problems.length > 0) return { kind: 'refused', problems }
  const run = (note: WriteAlong<string>): Promise<Sent<unknown>> =>
    refusingReasons(() => row.run(target, typed, admin.by, note))
  if (row.once === false) return run(() => Promise.resolve())
  const key = `${row.name} ${admin.account.id} ${formId}`
  const sent = await once(usedForms, key, run)
  if (sent.kind === 'acted') return sent.outcome
  const notice = row.once(target, await usedForms.outcomeOf(key))
  return { kind: 'shown', page: { template: 'used-form', ...notice } }
}

const needsRecentSignIn = (
  { recentSignIn }: ActionRow,
  target: unknown,
  typed: unknown,
): boolean =>
  typeof recentSignIn === 'function' ? recentSignIn(target, typed) : recentSignIn === 'always'

/** Refuses an explanation that cannot be kept, as every action does that asks for one. */
async function refusingReasons(run: () => Promise<Sent<unknown>>): Promise<Sent<unknown>> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof AppError && error.about === 'reason')
      return { kind: 'refused', problems: [REASON_NEEDED] }
    throw error
  }
}

/** Reads a form that must have been made for this admin, this action and this target. */
async function readForm(
  { csrf }: Phases,
  row: ActionRow,
  ctx: Context,
  admin: Admin,
): Promise<SentForm> {
  const binding = bindingOf(admin, row.name, ctx)
  const { maxFileBytes } = row
  if (maxFileBytes === undefined)
    return { fields: await csrf.readForm(ctx, binding), files: new Map() }
  if (row.receive === undefined) return csrf.readUpload(ctx, binding, maxFileBytes)
  let received: ReceivedFile | undefined
  const form = await csrf.readUpload(ctx, binding, maxFileBytes, async (file, fields) => {
    received = await row.receive?.(file, fields, admin.by)
  })
  return { ...form, received }
}

function stateOf(
  { csrf, signInUrl }: Phases,
  row: ActionRow,
  ctx: Context,
  of: Pick<FormState<unknown, unknown>, 'admin' | 'target' | 'typed' | 'formId'>,
): FormState<unknown, unknown> {
  const csrfOf = (name: string): string => csrf.token(bindingOf(of.admin, name, ctx))
  return {
    ...of,
    problems: [],
    isConflict: false,
    isStale: false,
    action: ctx.path,
    csrf: csrfOf(row.name),
    csrfOf,
    signInAgainUrl: signInUrl(CONFIRMED_PATH, 'again'),
  }
}

const bindingOf = ({ account }: Admin, actionName: string, ctx: Context): string =>
  ['console', account.id, actionName, ...Object.values(paramsOf(ctx))].join(' ')

const paramsOf = (ctx: Context): Record<string, string> =>
  (ctx as Context & { params: Record<string, string> }).params

function show(
  { render, mayOpen }: Phases,
  ctx: Context,
  { account, by }: Admin,
  page: ConsolePage,
  status = 200,
): void {
  sendHtml(
    ctx,
    render(page, account, (href) => mayOpen(by, href)),
    { status, runsScripts: true },
  )
}

function sendDownload(ctx: Context, { filename, contentType, content }: Download): void {
  ctx.set({
    'Content-Type': contentType,
    'Content-Disposition': `attachment; filename="${filename}"`,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  ctx.body = content
}
