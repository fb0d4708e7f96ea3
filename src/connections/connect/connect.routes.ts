// The pages on which people connect other systems, see what they have connected, and end it.
// Invariants: only the user who is signed in is ever looked at or changed; what was typed as a
// secret is never in a page or an address; and whatever goes wrong on the way, there are words and
// a way on.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../../model/account.ts'
import type { Csrf } from '../../http/csrf.ts'
import { outcomeToShow, redirectToOutcome } from '../../http/form-outcome.ts'
import { limitPages } from '../../http/limit-pages.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { webAddress } from '../../http/safe-links.ts'
import { sendPage } from '../../http/send-page.ts'
import { dateInWords, type Views } from '../../http/views.ts'
import { ConfigValueMissing, type ConfigValues } from '../../providers/address-template.ts'
import type { Provider } from '../../providers/provider.ts'
import { AppError } from '../../shared/errors.ts'
import type { ConnectionStore, LastUse, UsableConnection } from '../connection.store.ts'
import {
  type CheckResult,
  COMPANY,
  type Connection,
  type ConnectionStatus,
  type Owner,
} from '../connection.ts'
import type { IntegrationStore } from '../integration.store.ts'
import type { Integration } from '../integration.ts'
import {
  beginConnect,
  type ConnectDeps,
  type FailedConnect,
  finishConnect,
  type Visitor,
} from './connect.ts'
import { CONNECT_PROBLEMS, type ConnectProblem } from './connect-problems.ts'
import {
  findConnectSession,
  type OpenSession,
  returnAddress,
  SESSION_PATH,
  type WayBack,
} from './connect-session.ts'
import { endConnection, type EndConnectionDeps } from './disconnect.ts'
import { askedConfig, configProblems, connectByKeys, type FieldProblems } from './keys.ts'
import type {
  ConnectAction,
  ConnectFolderPage,
  ConnectionCard,
  ConnectionNews,
  ConnectPage,
  ConnectProblemPage,
} from './pages.ts'
import { type Attempt, labelOf, resolveChoice, type Settled } from './settle.ts'
import { asksFirst, connectFields, isOpenFor, remarkOn } from './view-models.ts'

/** The events of one request. */
type Events = ConnectDeps['events'] & EndConnectionDeps['events']

export interface ConnectRoutesDeps
  extends
    Omit<ConnectDeps, 'events' | 'integrations' | 'connections' | 'onNotSaved'>,
    Pick<EndConnectionDeps, 'endings' | 'withdraw'> {
  integrations: ConnectDeps['integrations'] & Pick<IntegrationStore, 'list'>
  connections: Pick<ConnectionStore, 'find' | 'listOf' | 'listUses' | 'establish' | 'findUsable'>
  /** Tries a connection. @throws {AppError} where there is nothing to try with */
  check: (usable: UsableConnection) => Promise<CheckResult>
  /** Returns who is signed in in this browser, and in which login session. */
  findVisit: (ctx: Context) => Promise<{ account: Account; sessionId: string } | undefined>
  /** Returns whether the account may connect systems for the company. */
  mayActForCompany: (account: Account) => boolean
  /** Where users sign in on the way to a path of ours; with `other`, also who is signed in. */
  signInUrl: (path: string, mode?: 'other') => string
  /** Returns whether an app may still send people here. */
  isAppActive: (appId: string) => Promise<boolean>
  /** Returns the name of an app, also of one that is gone. */
  findAppName: (appId: string) => Promise<string>
  eventsOf: (ctx: Context, accountId: string) => Events
  onNotSaved: (ctx: Context, error: unknown) => void
  csrf: Csrf
  views: Views<ConnectFolderPage>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

/** Where the list is. */
export const CONNECTIONS_PATH = '/connections'
const PATH = CONNECTIONS_PATH
const ADD_PATH = `${PATH}/add/:handle`
const CALLBACK_PATH = `${PATH}/callback/:handle`
const CHOICE_PATH = `${PATH}/choice/:name`
const SESSION_ROUTE = `${SESSION_PATH}/:name`
const CONNECTION_PATH = `${PATH}/:id`
const DISCONNECT_PATH = `${CONNECTION_PATH}/disconnect`
const TRY_PATH = `${CONNECTION_PATH}/try`

type Visit = Context & { params: { handle: string; name: string; id: string } }

interface Visited {
  account: Account
  visitor: Visitor
  /** The person. */
  own: Owner
  mayOwn: (owner: Owner) => boolean
}

type Answer = (deps: ConnectRoutesDeps, ctx: Visit, who: Visited) => Promise<void>

/** Creates the router of /connections. */
export function createConnectRouter(deps: ConnectRoutesDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  const forUser = (answer: Answer, path?: (ctx: Visit) => string) => async (ctx: Visit) => {
    const who = await visitedBy(deps, ctx)
    if (who === undefined) redirect(ctx, deps.signInUrl(path?.(ctx) ?? PATH))
    else await answer(deps, ctx, who)
  }
  router.get(PATH, limited, forUser(showList))
  router.get(
    ADD_PATH,
    limited,
    forUser(askToConnect, ({ params }) => addUrl(params.handle)),
  )
  router.post(ADD_PATH, limited, forUser(begin))
  router.get(CALLBACK_PATH, limited, (ctx: Visit) => comeBack(deps, ctx))
  router.get(
    SESSION_ROUTE,
    limited,
    forUser(askForApp, ({ params }) => sessionUrl(params.name)),
  )
  router.get(CHOICE_PATH, limited, forUser(askWhich))
  router.post(CHOICE_PATH, limited, forUser(choose))
  router.get(CONNECTION_PATH, limited, forUser(leadToConnection, connectionUrl))
  router.get(DISCONNECT_PATH, limited, forUser(askToDisconnect))
  router.post(DISCONNECT_PATH, limited, forUser(disconnect))
  router.post(TRY_PATH, limited, forUser(tryOut))
  return router
}

async function visitedBy(deps: ConnectRoutesDeps, ctx: Context): Promise<Visited | undefined> {
  const visit = await deps.findVisit(ctx)
  if (visit === undefined) return undefined
  const { account, sessionId } = visit
  const isCompanyOpen = deps.mayActForCompany(account)
  return {
    account,
    visitor: { accountId: account.id, sessionId },
    own: { kind: 'account', id: account.id },
    mayOwn: (owner) => (owner.kind === 'company' ? isCompanyOpen : owner.id === account.id),
  }
}

/** Returns whom an address or a form means. @throws {AppError} `not_found` */
function ownerOf({ own, mayOwn }: Visited, named: string | null | undefined): Owner {
  const owner = named === 'company' ? COMPANY : own
  if (!mayOwn(owner)) throw new AppError('not_found', { detail: 'owner' })
  return owner
}

function redirect(ctx: Context, to: string): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(to)
}

function addUrl(handle: string, owner?: Owner, connection?: string): string {
  const query = new URLSearchParams({
    ...(owner?.kind === 'company' && { owner: 'company' }),
    ...(connection !== undefined && { connection }),
  }).toString()
  return `${PATH}/add/${encodeURIComponent(handle)}${query === '' ? '' : `?${query}`}`
}

const sessionUrl = (name: string): string => `${SESSION_PATH}/${encodeURIComponent(name)}`

const connectionUrl = ({ params }: Visit): string => `${PATH}/${encodeURIComponent(params.id)}`

/**
 * A signed cookie ties the session to the browser, and this ties the form to the session's user and
 * what it is about.
 */
const bindingOf = (accountId: string, about: string): string => `connect ${accountId} ${about}`

const settleDeps = (deps: ConnectRoutesDeps, ctx: Context, accountId: string) => ({
  ...deps,
  events: deps.eventsOf(ctx, accountId),
  onNotSaved: (error: unknown) => deps.onNotSaved(ctx, error),
})

// —— The list ——

async function showList(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { account, own } = who
  const all = await deps.integrations.list()
  const known = new Map(all.map((integration) => [integration.id, integration]))
  const [mine, company] = await Promise.all([
    listOf(deps, account.id, own, known),
    who.mayOwn(COMPANY) ? listOf(deps, account.id, COMPANY, known) : undefined,
  ])
  const expired = new Set(mine.held.filter(({ status }) => status === 'expired').map(idOf))
  const hasCompany = company !== undefined && company.cards.length + company.available.length > 0
  sendPage(ctx, deps.views, {
    kind: 'connections',
    account: { email: account.email, name: account.name },
    needsYou: mine.cards.filter(({ id }) => expired.has(id)),
    connected: mine.cards.filter(({ id }) => !expired.has(id)),
    available: mine.available,
    company: hasCompany ? { connections: company.cards, available: company.available } : undefined,
    news: newsIn(outcomeToShow(ctx, deps.issuer), [...mine.held, ...(company?.held ?? [])], known),
  })
}

const idOf = ({ id }: Connection): string => id

/** Lists what an owner has, and what can be connected. */
async function listOf(
  deps: ConnectRoutesDeps,
  accountId: string,
  owner: Owner,
  known: ReadonlyMap<string, Integration>,
) {
  const held = await deps.connections.listOf(owner)
  const uses = await deps.connections.listUses(held.map(idOf))
  const cards = await Promise.all(
    held.flatMap((connection) => {
      const integration = known.get(connection.integrationId)
      return integration === undefined
        ? []
        : [cardOf(deps, accountId, connection, integration, uses)]
    }),
  )
  const open = await Promise.all(
    [...known.values()]
      .filter((integration) => isOpenFor(integration, owner))
      .map(async (integration) => ({
        name: integration.name,
        isAnother: held.some(({ integrationId }) => integrationId === integration.id),
        connect: await actionFor(deps, accountId, integration, owner),
      })),
  )
  const available = open.flatMap(({ connect, ...system }) =>
    connect === undefined ? [] : [{ ...system, connect }],
  )
  return { held, cards, available }
}

async function cardOf(
  deps: ConnectRoutesDeps,
  accountId: string,
  connection: Connection,
  integration: Integration,
  uses: readonly LastUse[],
): Promise<ConnectionCard> {
  const own = uses.filter(({ connectionId }) => connectionId === connection.id)
  const named = own.map(async ({ appId, usedAt }) => ({
    app: await deps.findAppName(appId),
    at: usedAt,
  }))
  return {
    id: connection.id,
    name: integration.name,
    label: labelOf(connection) || undefined,
    since: connection.createdAt,
    remark: remarkOn(connection, integration, dateInWords),
    scopes: connection.grantedScopes,
    missingScopes: connection.missingScopes,
    uses: await Promise.all(named),
    tried:
      connection.lastCheckedAt && connection.lastCheck
        ? { at: connection.lastCheckedAt, result: connection.lastCheck }
        : undefined,
    tryOut: WORKING.includes(connection.status)
      ? {
          action: `${PATH}/${encodeURIComponent(connection.id)}/try`,
          csrf: deps.csrf.token(bindingOf(accountId, connection.id)),
        }
      : undefined,
    again: isOpenFor(integration, connection.owner)
      ? await actionFor(deps, accountId, integration, connection.owner, connection.id)
      : undefined,
    disconnectUrl: `${PATH}/${encodeURIComponent(connection.id)}/disconnect`,
  }
}

const WORKING: readonly ConnectionStatus[] = ['active', 'failing']

async function actionFor(
  { providers, csrf }: ConnectRoutesDeps,
  accountId: string,
  integration: Integration,
  owner: Owner,
  connection?: string,
): Promise<ConnectAction | undefined> {
  const provider = await providers.find(integration.providerKey)
  return (
    provider && {
      action: addUrl(integration.handle),
      csrf: csrf.token(bindingOf(accountId, integration.handle)),
      connection,
      owner: owner.kind,
      url: addUrl(integration.handle, owner, connection),
      asksFirst: asksFirst(provider, integration),
    }
  )
}

/** Reads the news from the cookie; about connections only what is so. */
function newsIn(
  outcome: unknown,
  held: readonly Connection[],
  known: ReadonlyMap<string, Integration>,
): ConnectionNews | undefined {
  const { did, id, handle, withdrawal, at, result } = (outcome ?? {}) as Record<string, unknown>
  if (did === 'disconnected') {
    const integration = [...known.values()].find((each) => each.handle === handle)
    return (
      integration && {
        did,
        name: integration.name,
        withdrawal: withdrawal === 'done' || withdrawal === 'later' ? withdrawal : 'impossible',
        at: webAddress(typeof at === 'string' ? at : undefined),
      }
    )
  }
  const connection = held.find((each) => each.id === id)
  const integration = connection && known.get(connection.integrationId)
  if (connection === undefined || integration === undefined) return undefined
  if (did === 'tried') {
    const known = RESULTS.find((each) => each === result) ?? 'unknown'
    return { did, name: integration.name, result: known }
  }
  if (did !== 'connected' && did !== 'renewed') return undefined
  return {
    did,
    name: integration.name,
    label: labelOf(connection) || undefined,
    missing: connection.missingScopes,
  }
}

const RESULTS: readonly CheckResult[] = ['ok', 'revoked', 'unknown']

async function tryOut(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { id } = ctx.params
  await deps.csrf.readForm(ctx, bindingOf(who.account.id, id))
  const usable = await deps.connections.findUsable(id)
  if (usable === undefined || !who.mayOwn(usable.connection.owner)) {
    redirect(ctx, PATH)
    return
  }
  const result = await deps.check(usable).catch((error: unknown): CheckResult => {
    if (!(error instanceof AppError)) throw error
    return error.code === 'reconnect_needed' ? 'revoked' : 'unknown'
  })
  redirectToOutcome(ctx, deps.issuer, PATH, { did: 'tried', id, result })
}

// —— Connecting ——

interface Target {
  integration: Integration
  provider: Provider
  owner: Owner
  /** The connection that is made again. */
  again: Connection | undefined
}

/** Finds what an address and a form speak of. @throws {AppError} `not_found` */
async function targetOf(
  { integrations, providers, connections }: ConnectRoutesDeps,
  handle: string,
  connectionId: string | undefined,
  owner: Owner,
): Promise<Target> {
  const integration = await integrations.findByHandle(handle)
  const provider = integration && (await providers.find(integration.providerKey))
  if (integration === undefined || provider === undefined || !isOpenFor(integration, owner))
    throw new AppError('not_found', { detail: 'integration' })
  const held = connectionId === undefined ? [] : await connections.listOf(owner, integration.id)
  // One that was disconnected meanwhile, in another tab, is connected anew.
  const again = held.find(({ id }) => id === connectionId)
  return { integration, provider, owner, again }
}

async function askToConnect(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const query = new URLSearchParams(ctx.querystring)
  const owner = ownerOf(who, query.get('owner'))
  const asked = query.get('connection') ?? undefined
  showForm(deps, ctx, who, await targetOf(deps, ctx.params.handle, asked, owner))
}

/** Finds what a link stands for; that of an app which was suspended since is over. */
async function findLink(deps: ConnectRoutesDeps, name: string): Promise<OpenSession | undefined> {
  const session = await findConnectSession(deps, name)
  const appId = session?.back.appId
  return appId === undefined || (await deps.isAppActive(appId)) ? session : undefined
}

/** A person has followed the link of an app. */
async function askForApp(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const session = await findLink(deps, ctx.params.name)
  if (session?.accountId !== who.account.id) {
    showLinkProblem(deps, ctx, session)
    return
  }
  const { integrationId, connectionId, back } = session
  const handle = (await deps.integrations.find(integrationId))?.handle ?? ''
  const target = await targetOf(deps, handle, connectionId, who.own)
  const url = webAddress(returnAddress(back, { error: 'access_denied' }))
  const app = await nameOfBack(deps, back)
  showForm(deps, ctx, who, target, url && { session: session.name, app, backUrl: url })
}

/** @param session nothing where the link is over, otherwise that of somebody else */
function showLinkProblem(
  deps: ConnectRoutesDeps,
  ctx: Context,
  session: OpenSession | undefined,
): void {
  if (session === undefined) showProblem(deps, ctx, 'link_over', undefined)
  else
    showProblem(deps, ctx, 'other_account', undefined, {
      otherAccountUrl: deps.signInUrl(sessionUrl(session.name), 'other'),
    })
}

interface Tried {
  problems?: FieldProblems
  typed?: ConfigValues
}

function showForm(
  deps: ConnectRoutesDeps,
  ctx: Context,
  { account }: Visited,
  { integration, provider, owner, again }: Target,
  asking?: ConnectPage['asking'],
): void {
  const { handle } = integration
  const { problems = {}, typed = again?.config ?? {} } = (outcomeToShow(ctx, deps.issuer) ??
    {}) as Tried
  sendPage(
    ctx,
    deps.views,
    {
      kind: 'connect',
      account: { email: account.email, name: account.name },
      name: integration.name,
      action: addUrl(handle),
      csrf: deps.csrf.token(bindingOf(account.id, handle)),
      owner: owner.kind,
      again: again && { connection: again.id, label: labelOf(again) || undefined },
      isOAuth: integration.kind === 'oauth2',
      scopes: integration.scopes,
      fields: connectFields(provider, integration, typed, problems),
      docsUrl: webAddress(provider.docs_url),
      asking,
    },
    { status: Object.keys(problems).length === 0 ? 200 : 422 },
  )
}

async function begin(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { handle } = ctx.params
  const form = await deps.csrf.readForm(ctx, bindingOf(who.account.id, handle))
  const link = form.get('session')
  const session = link === undefined ? undefined : await findLink(deps, link)
  if (link !== undefined && session?.accountId !== who.account.id) {
    showLinkProblem(deps, ctx, session)
    return
  }
  const owner = session === undefined ? ownerOf(who, form.get('owner')) : who.own
  const again = session === undefined ? form.get('connection') : session.connectionId
  const target = await targetOf(deps, handle, again, owner)
  if (session !== undefined && session.integrationId !== target.integration.id)
    throw new AppError('not_found', { detail: 'integration' })
  const attempt = { owner, visitor: who.visitor, connectionId: target.again?.id, session }
  if (target.integration.kind === 'keys') await beginByKeys(deps, ctx, target, attempt, form)
  else await beginByOAuth(deps, ctx, target, attempt, form)
}

type Begun = Attempt & { owner: Owner; connectionId: string | undefined }
type Typed = ReadonlyMap<string, string>

async function beginByKeys(
  deps: ConnectRoutesDeps,
  ctx: Context,
  target: Target,
  attempt: Begun,
  form: Typed,
): Promise<void> {
  const kept = settleDeps(deps, ctx, attempt.visitor.accountId)
  const { session } = attempt
  const outcome = await connectByKeys(kept, target, attempt, form)
  if (outcome === 'link_used')
    await showFailure(deps, ctx, { problem: outcome, integration: target.integration, session })
  else if (outcome.kind === 'problems')
    showAgain(deps, ctx, target, session, form, outcome.problems)
  else await goOn(deps, ctx, outcome)
}

async function beginByOAuth(
  deps: ConnectRoutesDeps,
  ctx: Context,
  target: Target,
  attempt: Begun,
  form: Typed,
): Promise<void> {
  const { integration, provider } = target
  const asked = askedConfig(provider, integration)
  const problems = configProblems(asked, form)
  const { session } = attempt
  if (Object.keys(problems).length > 0) {
    showAgain(deps, ctx, target, session, form, problems)
    return
  }
  const config = Object.fromEntries(asked.map(({ name }) => [name, form.get(name) ?? '']))
  try {
    const url = await beginConnect(deps, target, { ...attempt, config })
    leadAway(deps, ctx, { name: integration.name, url, isBack: false })
  } catch (error) {
    if (!(error instanceof ConfigValueMissing)) throw error
    const detail = error.member
    await showFailure(deps, ctx, { problem: 'misconfigured', integration, detail, session })
  }
}

/** Goes to another origin after a form: what a page may post to does not decide this. */
function leadAway(
  { views }: ConnectRoutesDeps,
  ctx: Context,
  { name, url: to, isBack }: { name: string; url: string; isBack: boolean },
): void {
  const url = webAddress(to)
  if (url === undefined) throw new AppError('server_error', { detail: 'no address to go to' })
  ctx.set('Refresh', `0;url=${url}`)
  sendPage(ctx, views, { kind: 'connect-away', name, url, isBack })
}

/** Back to the form, with what was wrong; of what was typed only what is no secret. */
function showAgain(
  { issuer }: ConnectRoutesDeps,
  ctx: Context,
  { integration, provider, owner, again }: Target,
  session: OpenSession | undefined,
  form: Typed,
  problems: FieldProblems,
): void {
  const open = connectFields(provider, integration, {}, {}).filter(({ isSecret }) => !isSecret)
  const typed = Object.fromEntries(open.map(({ name }) => [name, form.get(name) ?? '']))
  const url =
    session === undefined ? addUrl(integration.handle, owner, again?.id) : sessionUrl(session.name)
  redirectToOutcome(ctx, issuer, url, { problems, typed })
}

async function goOn(deps: ConnectRoutesDeps, ctx: Context, settled: Settled): Promise<void> {
  if (settled.kind === 'choice') {
    redirect(ctx, `${PATH}/choice/${settled.name}`)
    return
  }
  const { connection, isRenewed, back } = settled
  if (back !== undefined) {
    await goBack(deps, ctx, back, { connection: connection.id })
    return
  }
  const did = isRenewed ? 'renewed' : 'connected'
  redirectToOutcome(ctx, deps.issuer, PATH, { did, id: connection.id })
}

/** Whoever sent a person here. */
const nameOfBack = async (
  { findAppName }: Pick<ConnectRoutesDeps, 'findAppName'>,
  { appId }: WayBack,
): Promise<string> => (appId === undefined ? 'The admin console' : findAppName(appId))

/** Sends a person back to the app whose link they followed. */
async function goBack(
  deps: ConnectRoutesDeps,
  ctx: Context,
  back: WayBack,
  result: Parameters<typeof returnAddress>[1],
): Promise<void> {
  const url = returnAddress(back, result)
  if (ctx.method === 'GET') redirect(ctx, url)
  else leadAway(deps, ctx, { name: await nameOfBack(deps, back), url, isBack: true })
}

async function comeBack(deps: ConnectRoutesDeps, ctx: Visit): Promise<void> {
  const who = await visitedBy(deps, ctx)
  const query = new URLSearchParams(ctx.querystring)
  const kept = settleDeps(deps, ctx, who?.account.id ?? '')
  const visitor = who && { ...who.visitor, mayOwn: who.mayOwn }
  const outcome = await finishConnect(kept, ctx.params.handle, query, visitor)
  if (outcome.kind === 'failed') await showFailure(deps, ctx, outcome)
  else await goOn(deps, ctx, outcome)
}

/** Says what went wrong, or leaves it to the app where the person did not want to. */
async function showFailure(
  deps: ConnectRoutesDeps,
  ctx: Context,
  { problem, integration, detail, session }: Omit<FailedConnect, 'kind'>,
): Promise<void> {
  if (session === undefined) {
    showProblem(deps, ctx, problem, integration, { detail })
    return
  }
  const { back, name } = session
  if (problem === 'denied') {
    await goBack(deps, ctx, back, { error: 'access_denied' })
    return
  }
  const url = webAddress(returnAddress(back, { error: CONNECT_PROBLEMS[problem].error }))
  const isOpen = (await findConnectSession(deps, name)) !== undefined
  showProblem(deps, ctx, problem, integration, {
    detail,
    retryUrl: isOpen ? sessionUrl(name) : undefined,
    back: url && { app: await nameOfBack(deps, back), url },
  })
}

const OWNERS: readonly Pick<Owner, 'kind'>[] = [{ kind: 'account' }, COMPANY]

function showProblem(
  { views }: ConnectRoutesDeps,
  ctx: Context,
  problem: ConnectProblem,
  integration: Integration | undefined,
  ways: {
    detail?: string | undefined
    /** Where it begins again; where it is left out, without an app. */
    retryUrl?: string | undefined
    otherAccountUrl?: string
    back?: ConnectProblemPage['back']
  } = {},
): void {
  const { status, title, what, next, mayRetry } = CONNECT_PROBLEMS[problem]
  const { detail = '', otherAccountUrl, back } = ways
  const retryUrl = 'retryUrl' in ways ? ways.retryUrl : retryUrlOf(integration)
  const name = integration?.name ?? 'The other system'
  const say = (text: string): string =>
    text.replaceAll('{name}', () => name).replaceAll('{detail}', () => detail)
  sendPage(
    ctx,
    views,
    {
      kind: 'connect-problem',
      title: say(title),
      what: say(what),
      next: say(next),
      name: integration?.name,
      retryUrl: mayRetry ? retryUrl : undefined,
      otherAccountUrl,
      back,
      listUrl: PATH,
    },
    { status },
  )
}

function retryUrlOf(integration: Integration | undefined): string | undefined {
  const owner = OWNERS.find((each) => integration !== undefined && isOpenFor(integration, each))
  return integration === undefined || owner === undefined
    ? undefined
    : addUrl(integration.handle, owner.kind === 'company' ? COMPANY : undefined)
}

/** Where apps send people whose connection has to be made again. */
async function leadToConnection(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const found = await deps.connections.find(ctx.params.id)
  const connection = found && who.mayOwn(found.owner) ? found : undefined
  const integration = connection && (await deps.integrations.find(connection.integrationId))
  const isOpen =
    connection !== undefined &&
    integration !== undefined &&
    isOpenFor(integration, connection.owner)
  redirect(ctx, isOpen ? addUrl(integration.handle, connection.owner, connection.id) : PATH)
}

// —— Another account than before ——

async function askWhich(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { name } = ctx.params
  const choice = await deps.choices.find(name)
  const isOwn = choice?.visitor.accountId === who.account.id
  const integration = choice && (await deps.integrations.find(choice.integrationId))
  if (choice === undefined || !isOwn || integration === undefined) {
    showProblem(deps, ctx, 'choice_over', integration)
    return
  }
  sendPage(ctx, deps.views, {
    kind: 'connect-choice',
    account: { email: who.account.email, name: who.account.name },
    name: integration.name,
    before: choice.before,
    now: choice.now,
    action: `${PATH}/choice/${name}`,
    csrf: deps.csrf.token(bindingOf(who.account.id, name)),
  })
}

async function choose(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { name } = ctx.params
  const form = await deps.csrf.readForm(ctx, bindingOf(who.account.id, name))
  const choice = await deps.choices.take(name)
  const integration = choice && (await deps.integrations.find(choice.integrationId))
  if (choice?.visitor.accountId !== who.account.id || integration === undefined) {
    showProblem(deps, ctx, 'choice_over', integration)
    return
  }
  const answer = form.get('answer') === 'replace' ? 'replace' : 'add'
  const kept = settleDeps(deps, ctx, who.account.id)
  const outcome = await resolveChoice(kept, integration, choice, answer)
  if (outcome === 'taken') showProblem(deps, ctx, 'taken', integration)
  else await goOn(deps, ctx, outcome)
}

// —— The end ——

async function askToDisconnect(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { id } = ctx.params
  const found = await deps.connections.find(id)
  const connection = found && who.mayOwn(found.owner) ? found : undefined
  const integration = connection && (await deps.integrations.find(connection.integrationId))
  // Back, or another tab, after it was disconnected: the list says what is left.
  if (connection === undefined || integration === undefined) {
    redirect(ctx, PATH)
    return
  }
  const [provider, uses] = await Promise.all([
    deps.providers.find(integration.providerKey),
    deps.connections.listUses([id]),
  ])
  sendPage(ctx, deps.views, {
    kind: 'connection-disconnect',
    account: { email: who.account.email, name: who.account.name },
    name: integration.name,
    label: labelOf(connection) || undefined,
    apps: await Promise.all(uses.map(({ appId }) => deps.findAppName(appId))),
    isWithdrawable: provider?.auth?.revoke_url !== undefined,
    action: `${PATH}/${encodeURIComponent(id)}/disconnect`,
    csrf: deps.csrf.token(bindingOf(who.account.id, id)),
  })
}

async function disconnect(deps: ConnectRoutesDeps, ctx: Visit, who: Visited): Promise<void> {
  const { id } = ctx.params
  const accountId = who.account.id
  await deps.csrf.readForm(ctx, bindingOf(accountId, id))
  const events = deps.eventsOf(ctx, accountId)
  const owner = (await deps.connections.find(id))?.owner
  const ended =
    owner && who.mayOwn(owner)
      ? await endConnection({ ...deps, events }, id, owner, accountId)
      : undefined
  if (ended === undefined) {
    redirect(ctx, PATH)
    return
  }
  const { integration, withdrawal } = ended
  const provider = await deps.providers.find(integration.providerKey)
  const at = withdrawal === 'impossible' ? provider?.docs_url : undefined
  redirectToOutcome(ctx, deps.issuer, PATH, {
    did: 'disconnected',
    handle: integration.handle,
    withdrawal,
    ...(at && { at }),
  })
}
