// The admin API over HTTP: mounts every operation of the table and does for all of them what they
// have in common. Invariants: whatever goes wrong below the base path is answered with a problem
// document; an operation runs only for a client whose token and app have its scope; no cookie is
// looked at and no answer is kept by a cache.
import Router from '@koa/router'
import type { Context, Middleware, Next } from 'koa'
import type { App } from '../../model/app.ts'
import type { Problem } from '../../model/problem.ts'
import { readBearer } from '../../http/bearer.ts'
import { levelOf } from '../../http/error-boundary.ts'
import { JSON_TYPE } from '../../http/http-call.ts'
import type { FailedProofs } from '../../http/failed-proofs.ts'
import { type AppliedLimit, type BatchedLimit, rateLimitHeaders } from '../../http/rate-limit.ts'
import { requestFacts } from '../../http/request-context.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { assertMay, type Operator } from '../operator.ts'
import type { InspectToken } from '../../model/token-status.ts'
import { authenticate, type ApiCaller, challengeOf } from './authentication.ts'
import type { Idempotency } from './idempotency.ts'
import {
  type Call,
  type Done,
  type Expected,
  type Operation,
  refused,
  type Reply,
} from './operation.ts'
import { problemsOfBody } from './members.ts'
import { etagOf, hasAlready, readIfMatch } from './preconditions.ts'
import { PROBLEM_TYPE, problemDocument } from './problem-document.ts'
import { readQuery } from './query.ts'
import { readBody } from './request-body.ts'

/** Where the API is. */
export const ADMIN_API_PATH = '/admin/api/v1'
/** Where its OpenAPI document is. */
export const ADMIN_DOCUMENT_PATH = `${ADMIN_API_PATH}/openapi.json`

export interface AdminApiDeps {
  issuer: string
  operations: readonly Operation[]
  inspect: InspectToken
  idempotency: Idempotency
  limits: {
    perClient: BatchedLimit
    /** Of what is told to everybody. */
    perStranger: BatchedLimit
    /** Of tokens that are worth nothing here. */
    failedProofs: Pick<FailedProofs, 'count'>
  }
  logger: Logger
  /** Told of each refusal, with the app where it is known. */
  onRefused: (ctx: Context, reason: ErrorCode, app: App | undefined) => void
}

/** What is known of one request while it is answered. */
interface AdminRequest {
  readonly ctx: Context
  caller: ApiCaller | undefined
  problems: readonly Problem[] | undefined
}

const requestOf = (ctx: Context): AdminRequest => ({ ctx, caller: undefined, problems: undefined })

/** Creates the API as one middleware; what is not below its path goes on. */
export function createAdminApi(deps: AdminApiDeps): Middleware {
  const router = new Router({ strict: true, sensitive: true, prefix: ADMIN_API_PATH })
  for (const operation of deps.operations)
    router.register(
      operation.path.replace(/\{(\w+)\}/g, ':$1'),
      [operation.method],
      (ctx: Context & { params: Record<string, string> }) => answerOperation(deps, operation, ctx),
    )
  const routes = router.routes() as unknown as Middleware

  return async function adminApi(ctx: Context, next: Next) {
    if (ctx.path !== ADMIN_API_PATH && !ctx.path.startsWith(`${ADMIN_API_PATH}/`)) {
      await next()
      return
    }
    // Texts that others chose are in these answers: no browser may take one for a page.
    ctx.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' })
    try {
      await routes(ctx, async () => {
        await Promise.resolve()
        refuseUnrouted(ctx)
      })
    } catch (caught) {
      answerProblem(deps, requestOf(ctx), caught)
    }
  }
}

async function answerOperation(
  deps: AdminApiDeps,
  operation: Operation,
  ctx: Context & { params: Readonly<Record<string, string>> },
): Promise<void> {
  const request = requestOf(ctx)
  try {
    const by = await admit(deps, operation, request)
    const query = readQuery(ctx.querystring, operation.query ?? [])
    const call: Call = {
      by,
      path: (name) => ctx.params[name] ?? '',
      text: (name) => query.get(name) as string | undefined,
      number: (name) => query.get(name) as number | undefined,
      flag: (name) => query.get(name) === true,
      expected: readExpected(operation, ctx.req.headers['if-match']),
      ...(await readBody(operation, ctx)),
    }
    send(deps, request, operation, await run(deps, operation, request, call))
  } catch (caught) {
    answerProblem(deps, request, caught)
  }
}

/** Lets a request in: who is it, how often do they come, may they? */
async function admit(
  deps: AdminApiDeps,
  operation: Operation,
  request: AdminRequest,
): Promise<Operator> {
  const { ctx } = request
  const { requestId, address } = requestFacts(ctx)
  if (operation.scope === undefined) {
    count(ctx, deps.limits.perStranger, address)
    return { id: 'anybody', scopes: new Set(), requestId, address }
  }
  request.caller = await authenticateCaller(deps, ctx, address)
  const { app, scopes } = request.caller
  count(ctx, deps.limits.perClient, app.id)
  const by = { id: app.id, scopes, requestId, address }
  assertMay(by, operation.scope)
  return by
}

/** @throws {AppError} as authenticate(), `rate_limited` where the address has failed too often */
async function authenticateCaller(
  { inspect, issuer, limits }: AdminApiDeps,
  ctx: Context,
  address: string,
): Promise<ApiCaller> {
  try {
    const { headers, rawHeaders } = ctx.req
    return await authenticate(readBearer(headers.authorization, rawHeaders, ctx.req.url), {
      inspect,
      audience: issuer + ADMIN_API_PATH,
    })
  } catch (error) {
    // Counted only here: strangers cannot use up what the clients behind one address may ask.
    if (error instanceof AppError && error.status < 500) {
      const outcome = limits.failedProofs.count(address)
      if (!outcome.allowed)
        throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
    }
    throw error
  }
}

/** Runs the operation, at most once where the request has an Idempotency-Key. */
async function run(
  { idempotency }: AdminApiDeps,
  operation: Operation,
  { ctx, caller }: AdminRequest,
  call: Call,
): Promise<Reply> {
  const header = ctx.req.headers['idempotency-key']
  if (operation.isRepeatable !== true || header === undefined || caller === undefined)
    return checkAndHandle(operation, call)
  const { reply, isRepeated } = await idempotency.once(
    {
      clientId: caller.app.id,
      header: String(header),
      asked: [ctx.method, ctx.req.url ?? '', JSON.stringify(call.members)],
      isWhole: operation.isWhole === true,
    },
    (keepAlong) => checkAndHandle(operation, { ...call, keepAlong }),
  )
  if (isRepeated) ctx.set('Idempotency-Replayed', 'true')
  return reply
}

async function checkAndHandle(operation: Operation, call: Call): Promise<Reply> {
  const problems = problemsOfBody(operation, call.members)
  return problems.length > 0 ? refused(problems) : operation.handle(call)
}

function send(deps: AdminApiDeps, request: AdminRequest, operation: Operation, reply: Reply): void {
  switch (reply.kind) {
    case 'refused':
      request.problems = reply.problems
      throw new AppError('input_refused')
    case 'stale':
      request.ctx.set('ETag', etagOf(reply.version))
      throw new AppError('precondition_failed')
    case 'done':
      sendDone(deps.issuer, request.ctx, operation, reply)
  }
}

function sendDone(issuer: string, ctx: Context, operation: Operation, reply: Done): void {
  const { status, body, version, cacheable, location, nextCursor } = reply
  const etag = version === undefined ? cacheable?.etag : etagOf(version)
  if (etag !== undefined) ctx.set('ETag', etag)
  if (cacheable !== undefined) ctx.set('Cache-Control', 'public, max-age=300')
  if (location !== undefined) ctx.set('Location', issuer + ADMIN_API_PATH + location)
  if (nextCursor !== undefined) {
    const next = new URLSearchParams(ctx.querystring)
    next.set('cursor', nextCursor)
    ctx.set('Link', `<${issuer}${ctx.path}?${next.toString()}>; rel="next"`)
  }
  const known = ctx.req.headers['if-none-match']
  if (operation.versioned === 'read' && etag !== undefined && hasAlready(known, etag)) {
    ctx.status = 304
    return
  }
  ctx.status = status
  const json = cacheable?.json ?? (body === undefined ? undefined : JSON.stringify(body))
  if (json === undefined) {
    ctx.body = null
    // Koa makes an answer without a body a 204.
    ctx.status = status
    return
  }
  ctx.set('Content-Type', JSON_TYPE)
  ctx.body = json
}

function answerProblem(deps: AdminApiDeps, request: AdminRequest, caught: unknown): void {
  const { ctx, caller, problems } = request
  const { requestId } = requestFacts(ctx)
  const error =
    caught instanceof AppError ? caught : new AppError('server_error', { cause: caught })
  if (error.status >= 500)
    deps.logger[levelOf(error)](
      { requestId, reason: error.code, detail: error.detail, err: error.cause },
      'request failed',
    )
  // A path that nobody serves is not an event.
  else if (error.code !== 'not_found') deps.onRefused(ctx, error.code, caller?.app)
  const challenge = challengeOf(error)
  if (challenge !== undefined) ctx.set('WWW-Authenticate', challenge)
  if (error.retryAfterSeconds !== undefined)
    ctx.set('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterSeconds))))
  // What is left of an oversized body is not read: the connection cannot be used again.
  if (error.status === 413) ctx.set('Connection', 'close')
  ctx.remove('Link')
  ctx.status = error.status
  ctx.set('Content-Type', PROBLEM_TYPE)
  const documentUrl = deps.issuer + ADMIN_DOCUMENT_PATH
  ctx.body = JSON.stringify(
    problemDocument(error, {
      requestId,
      documentUrl,
      ...(problems !== undefined && { problems }),
    }),
  )
}

/** @throws {AppError} `parameter_unknown` where it would do nothing: whoever sends it relies on it */
function readExpected(operation: Operation, ifMatch: string | undefined): Expected {
  if (operation.versioned === 'update') return readIfMatch(ifMatch)
  if (ifMatch !== undefined && operation.method !== 'GET')
    throw new AppError('parameter_unknown', { about: 'If-Match' })
  return { kind: 'any' }
}

/** No operation took the request. @throws {AppError} `method_not_allowed`, `not_found` */
function refuseUnrouted(ctx: Context): void {
  const { matched = [] } = ctx as { matched?: readonly { methods: readonly string[] }[] }
  const methods = new Set(matched.flatMap((route) => route.methods))
  if (methods.size === 0) throw new AppError('not_found')
  ctx.set('Allow', [...methods].sort().join(', '))
  throw new AppError('method_not_allowed')
}

/** Counts one request and tells where its sender stands. @throws {AppError} `rate_limited` */
function count(ctx: Context, limit: BatchedLimit, key: string): void {
  const outcome = limit.hit(key)
  const applied: AppliedLimit = { size: limit.size, outcome }
  for (const [name, value] of Object.entries(rateLimitHeaders([applied]))) ctx.set(name, value)
  if (!outcome.allowed)
    throw new AppError('rate_limited', { retryAfterSeconds: outcome.retryAfterSeconds })
}
