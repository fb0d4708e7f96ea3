// What an operation of the admin API is: one row of the table from which come its route, its checks
// and its description in the OpenAPI document.
import type { Problem, Refused } from '../../model/problem.ts'
import type { AdminScope } from '../../apps/scope.ts'
import type { Operator } from '../operator.ts'
import type { ObjectSchema, Schema } from './schema.ts'
import type { WriteAlong } from '../../storage/database.ts'

/** A JSON object as it came. */
export type JsonObject = Readonly<Record<string, unknown>>

/** A parameter of the query. */
export interface QueryParameter {
  readonly name: string
  readonly schema: Schema
  readonly required?: boolean
}

/** What a request may bring along. */
export type RequestBody =
  | {
      readonly kind: 'json'
      readonly schema: ObjectSchema
      readonly optional?: boolean
      /**
       * Who refuses wrong members: the API by the schema, before the handler runs, or the domain,
       * whose rules look at their types as well and tell all problems at once.
       */
      readonly checkedBy: 'schema' | 'domain'
    }
  /** A file, whole in memory. */
  | { readonly kind: 'file'; readonly types: readonly string[]; readonly description: string }
  /** Text of any length, line by line. */
  | { readonly kind: 'lines'; readonly types: readonly string[]; readonly description: string }

/** The version that a change was made for: `If-Match` of the request. */
export type Expected =
  { readonly kind: 'versions'; readonly versions: readonly number[] } | { readonly kind: 'any' }

/** One request, checked against the operation's parameters. */
export interface Call {
  readonly by: Operator
  /** A part of the path, decoded. */
  path(name: string): string
  text(name: string): string | undefined
  number(name: string): number | undefined
  flag(name: string): boolean
  /** The members of the JSON as they came; empty where the operation takes none. */
  readonly members: JsonObject
  /** The same under the domain's names, null as `undefined`. */
  readonly input: Readonly<Record<string, unknown>>
  /** Empty where the operation takes no file. */
  readonly bytes: Uint8Array
  readonly lines: AsyncIterable<string>
  /** Without parameters, in lower case. */
  readonly contentType: string
  readonly expected: Expected
  /** Keeps the answer for a repetition; there where the request may be repeated. */
  readonly keepAlong?: WriteAlong<Done>
}

/** Returns what keeps the answer of an act in its transaction. @param show returns the answer */
export function keeping<Outcome>(
  { keepAlong }: Call,
  show: (outcome: Outcome) => Done,
): WriteAlong<Outcome> | undefined {
  return keepAlong && ((transaction, outcome) => keepAlong(transaction, show(outcome)))
}

/** A success. */
export interface Done {
  readonly kind: 'done'
  readonly status: 200 | 201 | 202 | 204
  readonly body?: object
  /** Of the resource that the answer shows; becomes its ETag. */
  readonly version?: number | undefined
  /** What everybody may keep, as JSON text, instead of a body. */
  readonly cacheable?: { readonly json: string; readonly etag: string }
  /** Below the base of the API. */
  readonly location?: string
  readonly nextCursor?: string | undefined
}

/** What a handler answers; what it throws as an AppError is told as a problem too. */
export type Reply =
  | Done
  | Refused
  /** It is not the version any more that the change was made for. */
  | { readonly kind: 'stale'; readonly version: number }

export interface Answer {
  readonly description: string
  /** None for an answer without a body. */
  readonly schema?: Schema
}

/** All of an operation but its handler. */
interface OperationFacts {
  /** The operationId. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the base, with `{names}`. */
  readonly path: string
  readonly summary: string
  readonly description?: string
  /** The scope that the token must have; none for what everybody may read. */
  readonly scope: AdminScope | undefined
  /** The parameters in the path, with what they are. */
  readonly inPath?: Readonly<Record<string, Schema>>
  readonly query?: readonly QueryParameter[]
  readonly body?: RequestBody
  /** `read` answers with an ETag and knows If-None-Match; `update` needs If-Match. */
  readonly versioned?: 'read' | 'update'
  /** Takes an Idempotency-Key. */
  readonly isRepeatable?: boolean
  /** Whether its answer is kept in the transaction of its act. */
  readonly isWhole?: boolean
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Errors beyond those that every operation of its kind has, by status. */
  readonly errors?: Readonly<Record<number, string>>
}

export interface Operation extends OperationFacts {
  handle(call: Call): Promise<Reply>
}

/** The operations about one resource, and the schemas that they name. */
export interface ApiResource {
  readonly tag: string
  readonly description: string
  readonly schemas: Readonly<Record<string, Schema>>
  readonly operations: readonly Operation[]
}

/** An operation as its table has it. */
export interface OperationRow<Deps> extends OperationFacts {
  handle(deps: Deps, call: Call): Reply | Promise<Reply>
}

/** Binds a table of operations to what its handlers work with. */
export const createResource = <Deps>(
  deps: Deps,
  table: Omit<ApiResource, 'operations'> & { readonly operations: readonly OperationRow<Deps>[] },
): ApiResource => ({
  ...table,
  operations: table.operations.map((operation) => ({
    ...operation,
    handle: async (call) => operation.handle(deps, call),
  })),
})

/** Answers 200. */
export const done = (body: object, more: Pick<Done, 'version' | 'nextCursor'> = {}): Done => ({
  kind: 'done',
  status: 200,
  body,
  ...more,
})

/** Answers 201 with the place of what was made. */
export const created = (body: object, more: Pick<Done, 'version' | 'location'> = {}): Done => ({
  kind: 'done',
  status: 201,
  body,
  ...more,
})

export const NOTHING_TO_SAY: Done = { kind: 'done', status: 204 }

/** Answers that it is written down and has begun. */
export const BEGUN: Done = { kind: 'done', status: 202 }

/** Answers one page. */
export const pageOf = (items: readonly object[], next: string | undefined): Done =>
  done({ items, next_cursor: next ?? null }, { nextCursor: next })

export const refused = (problems: readonly Problem[]): Refused => ({ kind: 'refused', problems })
