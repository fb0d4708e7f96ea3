// How the admin API tells errors: problem documents of RFC 9457, one mapping from AppError and from
// refused input. Invariant: a document has the table's sentences and names that the client sent or
// that we chose, never a detail or a cause; its `type` resolves in the OpenAPI document.
import type { Problem } from '../../model/problem.ts'
import { type AppError, type ErrorCode, ERRORS } from '../../shared/errors.ts'
import { wireName } from './members.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** The codes that the API answers with; they are listed in the OpenAPI document. */
export const PROBLEM_CODES = [
  'body_too_large',
  'body_not_utf8',
  'body_incomplete',
  'body_not_json',
  'media_type_unsupported',
  'logo_too_large',
  'import_line_too_long',
  'parameter_duplicated',
  'parameter_missing',
  'parameter_invalid',
  'parameter_unknown',
  'method_not_allowed',
  'not_found',
  'already_exists',
  'conflict',
  'token_missing',
  'token_malformed',
  'token_sent_twice',
  'token_invalid',
  'power_missing',
  'precondition_missing',
  'precondition_failed',
  'precondition_weak',
  'input_refused',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'idempotency_key_busy',
  'keys_too_young',
  'last_admin',
  'rate_limited',
  'temporarily_unavailable',
  'server_error',
] as const satisfies readonly ErrorCode[]

const LISTED: ReadonlySet<string> = new Set(PROBLEM_CODES)

/** What is told of an error for whoever does not know which request it was. */
export const titleOf = (code: ErrorCode): string => ERRORS[code].sentence.replace(' {about}', '')

/** Where the types are described, as a JSON pointer (RFC 6901) within the OpenAPI document. */
const PROBLEM_POINTER = '/x-problems/'

/** A problem document. */
export interface ProblemDocument {
  type: string
  title: string
  status: number
  detail: string
  code: ErrorCode
  request_id: string
  problems: readonly Problem[]
}

/** Returns the document of an error. @param documentUrl the address of the OpenAPI document */
export function problemDocument(
  error: AppError,
  facts: { requestId: string; documentUrl: string; problems?: readonly Problem[] },
): ProblemDocument {
  const { code, about, status, sentence } = error
  const title = titleOf(code)
  const own: readonly Problem[] =
    about !== undefined && code.startsWith('parameter_')
      ? [{ field: about, rule: code.replaceAll('_', '-'), sentence }]
      : []
  return {
    type: LISTED.has(code) ? `${facts.documentUrl}#${PROBLEM_POINTER}${code}` : 'about:blank',
    title,
    status,
    detail: sentence,
    code,
    request_id: facts.requestId,
    problems: (facts.problems ?? own).map((problem) => ({
      ...problem,
      field: wireName(problem.field),
    })),
  }
}
