// Who may use the console. Invariants: only who is signed in and active and whose role, at this
// moment, permits the page or action; what is dangerous also needs a password that was given a
// short while ago; and a form that comes too late is kept for its sender. Called by
// console.routes.ts for every row.
import type { Context, Middleware } from 'koa'
import type { Account } from '../../model/account.ts'
import type { Events } from '../../audit/events.ts'
import { limitPages } from '../../http/limit-pages.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { requestFacts } from '../../http/request-context.ts'
import { sendHtml } from '../../http/send-page.ts'
import { type Clock, epochSeconds, MINUTE, SECOND } from '../../shared/clock.ts'
import { may, type Operator } from '../operator.ts'
import { type Permission, ROLE_PERMISSIONS } from '../roles.ts'
import type { Admin } from './action.ts'
import type { RenderBare } from './console-views.ts'
import { ROLE_LABELS } from './labels.ts'
import { CONFIRMED_PATH, keepForm } from './stale-form.ts'

/** How old a sign-in may be when a dangerous page is opened. */
const RECENT_SECONDS = (10 * MINUTE) / SECOND
/** How long after that its form is still taken: it was being filled in. */
const FORM_GRACE_SECONDS = (5 * MINUTE) / SECOND

export interface RequireAdminDeps {
  /** Returns who is signed in in this browser, and since when in seconds since the epoch. */
  lastSignIn: (ctx: Context) => Promise<{ accountId: string; at: number } | undefined>
  /** At most a second behind a change anywhere. */
  accounts: { find(accountId: string): Promise<Account | undefined> }
  /**
   * Where people sign in on the way to a path of ours: `again` asks for the password once more,
   * `other` for another account.
   */
  signInUrl: (path: string, mode?: 'again' | 'other') => string
  renderBare: RenderBare
  events: Pick<Events, 'requestRefused'>
  perAddress: Pick<BatchedLimit, 'hit'>
  clock: Clock
}

type Handler = (ctx: Context, admin: Admin) => Promise<void> | void

/**
 * Returns the middleware before a route of the console; it calls the handler for people whose role
 * permits it.
 *
 * @param scope what the role must permit
 * @param needsRecentSignIn asks for the password where it was given too long ago
 */
export function requireAdmin(
  deps: RequireAdminDeps,
  { scope, needsRecentSignIn }: { scope: Permission | undefined; needsRecentSignIn: boolean },
  handler: Handler,
): Middleware[] {
  return [
    limitPages(deps.perAddress),
    async function letAdminsIn(ctx: Context) {
      const signIn = await deps.lastSignIn(ctx)
      const account = signIn === undefined ? undefined : await deps.accounts.find(signIn.accountId)
      if (signIn === undefined || account?.status !== 'active') {
        await askWhoIsThere(deps, ctx)
        return
      }
      const scopes = ROLE_PERMISSIONS[account.role]
      const by: Operator = { id: account.id, scopes, ...requestFacts(ctx) }
      if (scopes.size === 0 || (scope !== undefined && !may(by, scope))) {
        turnAway(deps, ctx, account)
        return
      }
      const hasRecentSignIn = isRecent(deps, ctx, signIn.at)
      if (needsRecentSignIn && !hasRecentSignIn) {
        await askWhoIsThere(deps, ctx, 'again')
        return
      }
      await handler(ctx, { account, by, hasRecentSignIn })
    },
  ]
}

async function askWhoIsThere(
  { signInUrl, renderBare }: RequireAdminDeps,
  ctx: Context,
  mode?: 'again',
): Promise<void> {
  const isKept = await keepForm(ctx, renderBare, signInUrl(CONFIRMED_PATH, mode))
  if (!isKept) redirect(ctx, signInUrl(ctx.path, mode))
}

function isRecent({ clock }: RequireAdminDeps, ctx: Context, signedInAt: number): boolean {
  const grace = ctx.method === 'POST' ? FORM_GRACE_SECONDS : 0
  return epochSeconds(clock) - signedInAt <= RECENT_SECONDS + grace
}

function turnAway(deps: RequireAdminDeps, ctx: Context, { id, email, name, role }: Account): void {
  const context = { ...requestFacts(ctx), actor: id }
  const reason = role === 'member' ? 'admin_needed' : 'power_missing'
  const refusal = { accountId: id, reason, endpoint: 'admin' } as const
  deps.events.requestRefused(refusal, context)
  const html = deps.renderBare({
    template: 'admins-only',
    account: { email, name },
    role: role === 'member' ? undefined : ROLE_LABELS[role].label,
    otherUrl: deps.signInUrl('/admin', 'other'),
  })
  sendHtml(ctx, html, { status: 403 })
}

/** Sends the browser to an address of ours, by GET. */
export function redirect(ctx: Context, url: string): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(url)
}
