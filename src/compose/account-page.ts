// The pages of one's own account, and all that can be told of it.
import type Router from '@koa/router'
import { type AddressChanges, createAddressChanges } from '../accounts/address-change.ts'
import { createAddressChangeStore } from '../accounts/address-change.store.ts'
import type { AccountDeps } from '../account-page/account-deps.ts'
import { createAccountRouter } from '../account-page/account.routes.ts'
import { createAddressLinkRouter } from '../account-page/address-link.routes.ts'
import { CONSOLE_PATH } from '../admin/console/console.routes.ts'
import { createFindAnyApp } from '../connected-apps/connections.ts'
import { CONNECTIONS_PATH } from '../connections/connect/connect.routes.ts'
import type { RateLimiter } from '../http/rate-limit.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { Account } from '../model/account.ts'
import { sessionName } from '../oauth/authorize/engine/adapter.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import { createLoginSessions } from '../oauth/authorize/login-sessions.ts'
import type { Services } from '../services.ts'
import { epochSeconds } from '../shared/clock.ts'
import { signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import { admitMail, createMailLimits } from '../sign-in/forgot.routes.ts'
import { startSession } from '../sign-in/session.ts'
import { createAddressMails } from './notices.ts'

type Shared = Pick<AccountDeps, 'issuer' | 'findUser' | 'csrf' | 'views' | 'perAddress'>

/** Creates the routers. */
export function createAccountPages(
  infrastructure: Infrastructure,
  services: Services,
  interactions: EngineInteractions,
  limiter: RateLimiter,
  shared: Shared,
): Router[] {
  const { config, clock, store } = infrastructure
  const { accounts, apps, audit, stores } = services
  const findApp = createFindAnyApp(apps)
  const sessions = createLoginSessions(
    store,
    clock,
    async (accountId) => (await accounts.get(accountId)).sessionsFrom,
  )
  const { mailbox, deliverer } = services.deliveries
  const addresses = mailbox.isSetUp ? createAddresses(infrastructure, services) : undefined
  const limits = createMailLimits(limiter, config.limits)
  const router = createAccountRouter({
    ...shared,
    signInUrl: signInAddress,
    lastSignIn: interactions.lastSignIn,
    async currentSession(ctx) {
      const session = await interactions.loginSession(ctx)
      return session && sessionName(session.sessionId)
    },
    signInAgain: (ctx, { id: accountId, generation }) =>
      startSession({ interactions, events: audit.events }, ctx, {
        accountId,
        generation,
        checkedAt: epochSeconds(clock),
      }),
    sessions,
    accounts,
    askForAddress:
      addresses &&
      (async (account, email, address) => {
        if (!(await admitMail(limits, email, address))) return 'limited'
        await addresses.ask(account, email)
        void deliverer.deliver()
        return 'sent'
      }),
    history: {
      listEvents: (query) => stores.events.list(query),
      nameOfApp: async (appId) => (await findApp(appId))?.name,
    },
    historyDays: config.events.retentionDays,
    exportData: (account) => exportData(services, sessions, account),
    connectionsUrl: config.connections.enabled ? CONNECTIONS_PATH : undefined,
    consoleUrl: CONSOLE_PATH,
    events: audit.events,
    clock,
  })
  // Before the other: its address is below that of the account.
  return addresses === undefined
    ? [router]
    : [createAddressLinkRouter({ ...shared, addresses }), router]
}

const createAddresses = (
  { config, db, clock, invalidation }: Infrastructure,
  { audit, deliveries }: Services,
): AddressChanges =>
  createAddressChanges({
    store: createAddressChangeStore(db),
    tell: createAddressMails(deliveries.mailbox, clock),
    issuer: config.server.issuer,
    clock,
    invalidation,
    events: audit.events,
  })

const MOST_EVENTS = 500

/** Gathers what is kept of an account; secrets and hashes are not data about anybody. */
async function exportData(
  { consents, grants, stores }: Services,
  sessions: AccountDeps['sessions'],
  account: Account,
): Promise<object> {
  const { id, email, name, role, status, createdAt } = account
  const [allowed, authorizations, signIns, { events }] = await Promise.all([
    consents.listOfAccount(id, 1000),
    grants.listOfAccount(id, 0, 1000),
    sessions.listOf(id),
    stores.events.list({ accountId: id, limit: MOST_EVENTS }),
  ])
  return {
    account: { id, email, name, role, status, createdAt },
    connectedApps: allowed,
    authorizations,
    signIns: signIns.map(({ device, network, signedInAt }) => ({ device, network, signedInAt })),
    events: events.map(({ at, name: what, reason, appId, address }) => ({
      at,
      what,
      reason,
      appId,
      address,
    })),
  }
}
