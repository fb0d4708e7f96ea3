// Where an exception becomes a response, on the fast path and under Koa alike. The admin API alone
// has an answer of its own, problem documents. Invariant: the outside sees the table's sentence,
// the request id and the page about the error, nothing else; detail and cause go to the log under
// the same id.
import type { Context, Middleware, Next } from 'koa'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { HttpCall } from './http-call.ts'
import { requestFacts } from './request-context.ts'

/** How a failure is shown in a browser. */
export type ErrorPageRenderer = (ctx: Context, error: AppError, requestId: string) => void

/** Returns the JSON body of an error (RFC 6749 §5.2). */
const errorBody = (error: AppError, requestId: string, issuer: string) => ({
  error: error.error,
  error_description: error.sentence,
  error_uri: errorUri(issuer, error),
  ...error.members,
  request_id: requestId,
})

/** Returns the address of the page that explains an error: plain ASCII without spaces. */
export const errorUri = (issuer: string, { page }: Pick<AppError, 'page'>): string =>
  `${issuer}/errors/${page}`

/** What answering a failure needs. */
export interface FailureDeps {
  /** Our own address, below which the pages of errors are. */
  issuer: string
  logger: Logger
  /** Told of each refusal, for the event log. */
  onRefused: (call: HttpCall, error: AppError) => void
}

/**
 * A failure of ours is an error; a store that is away has log lines of its own; and what comes
 * while we drain goes to another process.
 */
export const levelOf = ({ code, detail }: AppError): 'error' | 'warn' | 'debug' =>
  code !== 'temporarily_unavailable' ? 'error' : detail === 'draining' ? 'debug' : 'warn'

/** Turns what was thrown into the answer, with a JSON body. */
export function answerFailure(call: HttpCall, caught: unknown, deps: FailureDeps): AppError {
  const { requestId } = requestFacts(call)
  const error =
    caught instanceof AppError ? caught : new AppError('server_error', { cause: caught })
  if (error.status >= 500)
    deps.logger[levelOf(error)](
      { requestId, reason: error.code, detail: error.detail, err: error.cause },
      'request failed',
    )
  deps.onRefused(call, error)
  call.status = error.status
  call.set('Cache-Control', 'no-store')
  if (error.retryAfterSeconds !== undefined)
    call.set('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterSeconds))))
  // What is left of an oversized body is not read: the connection cannot be used again.
  if (error.status === 413) call.set('Connection', 'close')
  call.body = errorBody(error, requestId, deps.issuer)
  return error
}

/**
 * Creates the boundary around Koa's routes.
 *
 * @param deps.isPage whether a browser is at this path, and not a program
 */
export function errorBoundary(
  deps: FailureDeps & {
    isPage: (path: string) => boolean
    renderPage: ErrorPageRenderer
  },
): Middleware {
  return async function answerErrors(ctx: Context, next: Next) {
    try {
      await next()
      if (ctx.status === 404 && ctx.body === undefined) throw new AppError('not_found')
    } catch (caught) {
      const error = answerFailure(ctx, caught, deps)
      if (deps.isPage(ctx.path)) deps.renderPage(ctx, error, requestFacts(ctx).requestId)
    }
  }
}

// How Node names a connection that its other end let go, or that stopped speaking HTTP in the
// middle of a body.
const GONE = /^(ECONNRESET|ECONNABORTED|EPIPE|ERR_STREAM_|HPE_)/

/**
 * Logs what went wrong after the boundary, while an answer was sent; clients that go away are
 * ordinary and only logged when debugging.
 */
export const logFailedAnswer =
  (logger: Logger) =>
  (error: unknown): void => {
    const { code } = { code: undefined, ...(error as object) }
    logger[GONE.test(String(code)) ? 'debug' : 'error']({ err: error }, 'response failed')
  }
