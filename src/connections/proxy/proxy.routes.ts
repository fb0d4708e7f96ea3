// The proxy, /connect/v1/proxy/{connection}/{path}: calls of apps to other systems. Invariants: the
// path is read from the request as it came, never from what a router made of it; an answer that
// breaks off on its way ends the app's connection and never looks whole.
import { pipeline } from 'node:stream'
import Router from '@koa/router'
import type { Context } from 'koa'
import { hasBody, readBytes } from '../../http/body.ts'
import type { Outgoing } from '../../outgoing/outgoing.ts'
import type { StreamedBody } from '../../outgoing/streamed-request.ts'
import { AppError } from '../../shared/errors.ts'
import { type AdmissionDeps, admitCaller, assertMayUseConnection, CONNECT_PATH } from '../caller.ts'
import type { ConnectionStore } from '../connection.store.ts'
import type { ConnectionUses } from '../uses.ts'
import { openConnection, type OpenDeps } from './open-connection.ts'
import { MOST_KEPT_BYTES, MOST_SENT_BYTES, type ProxiedAnswer, proxyCall } from './proxy.ts'

const PATH = `${CONNECT_PATH}/proxy/`
const ADDRESS = /^\/connect\/v1\/proxy\/(con_[A-Za-z0-9]{1,40})((?:[/?].*)?)$/
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

export interface ProxyDeps extends AdmissionDeps, OpenDeps {
  outgoing: Outgoing
  connections: Pick<ConnectionStore, 'findUsable'>
  isAccountActive: (accountId: string) => Promise<boolean>
  uses: Pick<ConnectionUses, 'note'>
  /** Counts an answer of a provider, or a failure, for the app. */
  onProxied: (appId: string, outcome: string) => void
}

/** Creates the routes. */
export function createProxyRouter(deps: ProxyDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const paths = [`${PATH}:connection`, `${PATH}:connection/{*path}`]
  router.register(paths, METHODS, (ctx: Context) => answerCall(deps, ctx))
  return router
}

async function answerCall(deps: ProxyDeps, ctx: Context): Promise<void> {
  const { req, res } = ctx
  const caller = await admitCaller(deps, ctx)
  const { id: appId } = caller.app
  const [, id = '', rest = ''] = ADDRESS.exec(req.url ?? '') ?? []
  const gone = new AbortController()
  res.once('close', () => gone.abort())
  try {
    const found = await deps.connections.findUsable(id)
    if (found === undefined) throw new AppError('connection_unknown')
    await assertMayUseConnection(ctx, caller, found, deps.isAccountActive)
    const answer = await proxyCall(deps.outgoing, await openConnection(deps, found), {
      method: ctx.method,
      rest,
      rawHeaders: req.rawHeaders,
      body: await bodyOf(ctx),
      ownAddress: `${deps.issuer}${PATH}${id}`,
      gone: gone.signal,
    })
    deps.uses.note(id, appId)
    deps.onProxied(appId, `${Math.floor(answer.status / 100)}xx`)
    send(ctx, answer)
  } catch (error) {
    if (error instanceof AppError) {
      deps.onProxied(appId, error.code)
      error.appId = appId
    }
    throw error
  }
}

/** Keeps what can be sent again, and streams what is larger or has no length. */
async function bodyOf({ req }: Context): Promise<Buffer | StreamedBody | undefined> {
  if (!hasBody(req)) return undefined
  const announced = req.headers['content-length']
  const length = announced === undefined ? undefined : Number(announced)
  if (length === undefined) return { stream: req, length }
  if (length > MOST_SENT_BYTES) throw new AppError('proxy_body_too_large')
  return length <= MOST_KEPT_BYTES
    ? await readBytes(req, MOST_KEPT_BYTES, 'proxy_body_too_large')
    : { stream: req, length }
}

function send(ctx: Context, { status, headers, body, through }: ProxiedAnswer): void {
  const { res } = ctx
  ctx.status = status
  // Koa would end the answer, and would let one that broke off look whole.
  ctx.respond = false
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.writeHead(status)
  pipeline([body, ...through, res], () => undefined)
}
