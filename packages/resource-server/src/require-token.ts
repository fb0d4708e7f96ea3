// The same requirement as middleware of Koa, of Express and connect, as a hook of Fastify, and for
// Request and Response of the web. None of them is imported: each is described by the few members
// that are used. Invariant: the next handler runs only for a call that may pass.
import type { AccessToken } from './access-token.ts'
import { createJudge, type Refusal, type Requirement } from './requirement.ts'

interface IncomingRequest {
  headers: { authorization?: string | undefined }
  rawHeaders: string[]
}

/** What is used of a Koa context. */
export interface KoaContext {
  req: IncomingRequest
  state: Record<string, unknown>
  status: number
  body: unknown
  set(fields: Record<string, string>): void
}

/** What is used of a request of Express, connect or node:http. */
export interface ConnectRequest extends IncomingRequest {
  /** The token of the call, for the handlers that follow. */
  auth?: AccessToken
}

/** What is used of a response of Express, connect or node:http. */
export interface ConnectResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text: string): unknown
}

/** What is used of a Fastify request. */
export interface FastifyRequest {
  raw: IncomingRequest
  auth?: AccessToken
}

/** What is used of a Fastify reply. */
export interface FastifyReply {
  code(status: number): unknown
  headers(fields: Record<string, string>): unknown
  send(body: unknown): unknown
}

/** A requirement in the form of each framework. */
export interface TokenGuard {
  /** Koa: `app.use(guard.koa)`; the token is in `ctx.state.auth`. */
  readonly koa: (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void>
  /** Express, connect: `app.use(guard.connect)`; the token is in `req.auth`. */
  readonly connect: (
    req: ConnectRequest,
    res: ConnectResponse,
    next: (error?: unknown) => void,
  ) => void
  /** Fastify: `app.addHook('onRequest', guard.fastify)`; the token is in `request.auth` (say so with `decorateRequest('auth', null)`). */
  readonly fastify: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
  /** Handlers of Request and Response. */
  readonly fetch: (
    request: Request,
  ) => Promise<{ kind: 'allowed'; auth: AccessToken } | { kind: 'refused'; response: Response }>
}

/**
 * Lets only calls pass that carry a live access token with the scopes (RFC 6750): 401 without or
 * with a dead one, 403 where it lacks scopes, 503 where the token cannot be checked.
 *
 * @throws {Error} where a scope or a name cannot stand in a header
 */
export function requireToken(requirement: Requirement): TokenGuard {
  const judge = createJudge(requirement)
  // Two headers are an attempt to show one token here and the other one to the handler.
  const judgeRequest = ({ headers, rawHeaders }: IncomingRequest) =>
    judge(isSentTwice(rawHeaders) ? 'Bearer ' : headers.authorization)

  return {
    async koa(ctx, next) {
      const outcome = await judgeRequest(ctx.req)
      if (outcome.kind === 'refused') {
        ctx.status = outcome.status
        ctx.set(outcome.headers)
        ctx.body = outcome.body
        return
      }
      ctx.state['auth'] = outcome.auth
      await next()
    },
    connect(req, res, next) {
      judgeRequest(req).then((outcome) => {
        if (outcome.kind === 'refused') {
          answer(res, outcome)
          return
        }
        req.auth = outcome.auth
        next()
      }, next)
    },
    async fastify(request, reply) {
      const outcome = await judgeRequest(request.raw)
      if (outcome.kind === 'refused') {
        reply.code(outcome.status)
        reply.headers(outcome.headers)
        reply.send(outcome.body)
        // A hook that returns the reply ends the call here.
        return reply
      }
      request.auth = outcome.auth
      return undefined
    },
    async fetch(request) {
      const outcome = await judge(request.headers.get('authorization') ?? undefined)
      if (outcome.kind === 'allowed') return outcome
      const { status, headers, body } = outcome
      return { kind: 'refused', response: Response.json(body, { status, headers }) }
    },
  }
}

function answer(res: ConnectResponse, { status, headers, body }: Refusal): void {
  res.statusCode = status
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.setHeader('Content-Type', 'application/json; charset=utf-8')
  res.end(JSON.stringify(body))
}

function isSentTwice(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 13 && name.toLowerCase() === 'authorization') count += 1
  }
  return count > 1
}
