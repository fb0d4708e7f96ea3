// The only file that leans on what oidc-provider does not promise. Each override says what breaks
// without it; test/http/engine.test.ts pins them all (test/http/connected-apps.test.ts the login
// session), so that an upgrade that moves the ground is noticed.
import type { Context } from 'koa'
import Provider, { type KoaContextWithOIDC } from 'oidc-provider'
import { networkKey } from '../../../http/client-address.ts'
import { requestFacts } from '../../../http/request-context.ts'
import type { App } from '../../../model/app.ts'
import { deviceFamily } from '../../../shared/device-family.ts'
import { newCode } from '../../../shared/token-format.ts'

type Client = InstanceType<Provider['Client']>
type Grant = InstanceType<Provider['Grant']>

/** How the cookie of a login session is sent; configuration.ts names it to the engine. */
export const SESSION_COOKIE = {
  httpOnly: true,
  sameSite: 'lax',
  signed: true,
  path: '/',
} as const

interface ClientClass {
  new (metadata: Record<string, unknown>): Client
  find(id: string): Promise<Client | undefined>
  prototype: {
    redirectUriAllowed(uri: string): boolean
    responseModeAllowed(mode: string | undefined, responseType: string | undefined): boolean
  }
}

/** The engine answers in the query and nowhere else (response-mode.ts). */
const RESPONSE_MODE = 'query'

/** That an account's password was right, and when that was looked at. */
export interface LoginProof {
  accountId: string
  /** The account's generation as it was read together with the password's hash. */
  generation: number
  /** Seconds since the epoch. */
  checkedAt: number
}

/**
 * What a login session and a login that waits in an interaction hold beside what the engine puts
 * there.
 */
export interface LoginGeneration {
  generation?: number
  /** Where the sign-in was made, for its owner to recognise. */
  place?: LoginPlace
}

/** A kind of browser, and a network. */
interface LoginPlace {
  device: string
  network: string
}

const placeOf = (ctx: Context): LoginPlace => ({
  device: deviceFamily(ctx.get('user-agent')),
  network: networkKey(requestFacts(ctx).address),
})

/** The app that the engine knows as a client (overrideEngine). */
const APPS = new WeakMap<object, App>()

/** Returns the app of a client that the engine answers. */
export const appOf = (client: object): App | undefined => APPS.get(client)

/** What the engine knows of apps. */
export interface EngineClients {
  find(clientId: string): Promise<App | undefined>
  metadata(app: App): Record<string, unknown>
  isRedirectUriAllowed(app: App, uri: string): boolean
}

/** Puts our codes and our apps under the engine. */
export function overrideEngine(provider: Provider, clients: EngineClients): void {
  // A code must carry its grant's id: the token endpoint finds the family by it. base_model.js
  // would make a bare random id.
  const codes = provider.AuthorizationCode.prototype as unknown as {
    grantId: string
    generateTokenId(this: { grantId: string }): string
  }
  codes.generateTokenId = function generateTokenId() {
    return newCode(this.grantId)
  }

  // The engine stores of a session only what it knows itself (models/payload.js).
  const sessionClass = provider.Session as unknown as { IN_PAYLOAD: readonly string[] }
  const { IN_PAYLOAD: inSession } = sessionClass
  Object.defineProperty(sessionClass, 'IN_PAYLOAD', {
    value: [...inSession, 'generation', 'place'],
  })

  // The engine validates a client's metadata again at each look-up once more than 100 apps are
  // active (client.js, an LRU of 100).
  const clientClass = provider.Client as unknown as ClientClass
  const instances = new WeakMap<App, Client>()
  clientClass.find = async (id) => {
    const app = await clients.find(id)
    // Only apps that send users here exist for the engine.
    if (app?.status !== 'active' || app.redirectUris.length === 0) return undefined
    let client = instances.get(app)
    if (client === undefined) {
      client = new clientClass(clients.metadata(app))
      instances.set(app, client)
      APPS.set(client, app)
    }
    return client
  }
  // The engine's own comparison knows loopback ports for its `native` type only and treats
  // localhost as one of them.
  clientClass.prototype.redirectUriAllowed = function redirectUriAllowed(
    this: object,
    uri: string,
  ) {
    const app = APPS.get(this)
    return app !== undefined && clients.isRedirectUriAllowed(app, uri)
  }
  // Set by the metadata of a client, the mode would be checked before the response type, and
  // `token` be refused for the mode that comes with it.
  clientClass.prototype.responseModeAllowed = (mode, responseType) =>
    mode === undefined || mode === RESPONSE_MODE || responseType !== 'code'
}

/** Makes a grant that is not saved: it is born together with its code (adapter.ts). */
export function unsavedGrant(
  provider: Provider,
  facts: { id: string; accountId: string; clientId: string; scopes: readonly string[] },
): Grant {
  const GrantClass = provider.Grant as unknown as new (payload: Record<string, unknown>) => Grant
  const grant = new GrantClass({
    jti: facts.id,
    accountId: facts.accountId,
    clientId: facts.clientId,
  })
  grant.addOIDCScope(facts.scopes.join(' '))
  return grant
}

/**
 * Signs an account in without an app, on the engine's own login session, as its resume action
 * (actions/authorization/resume.js) and its session middleware (shared/session.js) do: so one
 * sign-in serves the authorization endpoint and our own pages. The identifier always changes, and
 * with it the cookie: an attacker who planted or read the one before has nothing. What another user
 * left in the browser is not taken over.
 *
 * @param login how the session's cookie is called and how long both live
 */
export async function startLoginSession(
  provider: Provider,
  ctx: Context,
  { accountId, generation, checkedAt }: LoginProof,
  login: { name: string; ttlSeconds: number },
): Promise<void> {
  let session = await provider.Session.get(ctx)
  if (session.accountId !== undefined && session.accountId !== accountId) {
    await endLoginSession(session)
    session = new provider.Session()
  } else session.resetIdentifier()
  session.loginAccount({ accountId, loginTs: checkedAt })
  Object.assign(session, { generation, place: placeOf(ctx) } satisfies LoginGeneration)
  await session.save(login.ttlSeconds)
  ctx.cookies.set(login.name, session.jti, {
    ...SESSION_COOKIE,
    expires: new Date(session.exp * 1000),
  })
}

/**
 * Ends a login session for good. The engine writes a session back at the end of each request, also
 * one that another request has ended meanwhile, and under another identifier after a login; its uid
 * stays, so the uid is what ends (adapter.ts).
 */
export async function endLoginSession(session: InstanceType<Provider['Session']>): Promise<void> {
  const { adapter } = session as unknown as {
    adapter: { endUid(uid: string): Promise<void> }
  }
  await adapter.endUid(session.uid)
  await session.destroy()
}

/**
 * Lets an interaction be resumed in another login session than the one in which it began. What ties
 * it is `session` (actions/authorization/resume.js); the browser is still known by the
 * interaction's own cookie.
 */
export async function untieInteraction(
  interaction: InstanceType<Provider['Interaction']>,
): Promise<void> {
  delete interaction.session
  await interaction.persist()
}

/**
 * Keeps with the session what the engine's resume action (actions/authorization/resume.js) leaves
 * out of a login.
 */
export function keepLoginGeneration(ctx: KoaContextWithOIDC, accountId: string): void {
  const login = ctx.oidc.result?.login as (LoginGeneration & { accountId: string }) | undefined
  const { session } = ctx.oidc
  if (login?.accountId === accountId && session?.accountId === accountId)
    Object.assign(session, {
      generation: login.generation ?? 0,
      place: placeOf(ctx),
    } satisfies LoginGeneration)
}

/**
 * Returns the generation of the login of the request that the engine is answering; 0 where there is
 * none.
 */
export function requestGeneration(): number {
  const { ctx } = Provider as unknown as { ctx?: { oidc?: { session?: LoginGeneration } } }
  return ctx?.oidc?.session?.generation ?? 0
}

/** Runs the engine's middleware on the outer app's context. */
export async function runProvider(provider: Provider, ctx: Context): Promise<void> {
  const [only, ...others] = provider.middleware
  if (only === undefined || others.length > 0)
    throw new Error('the engine is one middleware; this version is not')
  await only(ctx, () => Promise.resolve())
}
