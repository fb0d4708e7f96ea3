// The OpenAPI 3.1 document of the admin API, made from the table of operations: what it says of
// paths, scopes, parameters and bodies is what the routes do, because both read the same rows.
import { ERRORS } from '../../shared/errors.ts'
import type { ApiResource, Operation, QueryParameter } from './operation.ts'
import { PROBLEM_CODES, titleOf } from './problem-document.ts'
import { answer, listOf, choice, ref, type Schema, text, whole } from './schema.ts'

const INTRODUCTION = `Everything that admins do with apps, scopes, accounts, tokens and keys, for programs.

Get a token for a machine app that has admin scopes, and send it as \`Authorization: Bearer …\`. A token counts for the scopes that it and its app
both have, right now. A token that was issued for an audience must name the address of this API.

Members that are absent from an answer's description may be added later: ignore what you do not know. Members of requests that are not described
are refused. Where a PATCH changes members, an absent one keeps its value and null empties it (RFC 7396).

Errors are problem documents (RFC 9457); \`code\` is stable, \`problems\` names each field that broke a rule, and nothing was changed.`

const PROBLEM: Schema = answer(
  {
    type: text('Where this document describes this kind of problem.', { format: 'uri' }),
    title: text('The kind of problem in words.'),
    status: whole('The HTTP status.'),
    detail: text('This problem in words.'),
    code: choice('The stable reason code.', PROBLEM_CODES),
    request_id: text('The request ID, for searching the log and the events.'),
    problems: listOf(ref('FieldProblem'), 'What is wrong, by part of the input.'),
  },
  'RFC 9457.',
)

const FIELD_PROBLEM: Schema = {
  type: 'object',
  required: ['field', 'rule', 'sentence'],
  properties: {
    field: text('The member or parameter.'),
    rule: text('The stable name of the rule that it breaks.'),
    sentence: text('The rule in words.'),
    value: text('The value that breaks it, if there are several; shortened.'),
  },
}

const problem = (description: string): object => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
})

const COMMON_PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request is not well-formed.',
  401: 'The token is missing, expired, revoked or not one of a machine app.',
  403: 'The token lacks a scope, which WWW-Authenticate names.',
  404: 'There is no such thing.',
  409: 'It cannot be done as things are.',
  412: 'It was changed since it was read; ETag has the current version.',
  413: 'The body is too large.',
  415: 'The body is of another content type; Accept names those that are taken.',
  422: 'The input breaks rules, or the Idempotency-Key was used with another request.',
  428: 'If-Match is missing.',
  429: 'Too many requests; Retry-After says how long to wait.',
  500: 'Something went wrong on the server’s side.',
  503: 'A store is away; try again in a moment.',
}

function problemStatuses(operation: Operation): number[] {
  const { scope, inPath, query, body, versioned, isRepeatable, errors = {} } = operation
  const statuses = [429, 500, 503, ...Object.keys(errors).map(Number)]
  if (scope !== undefined) statuses.push(400, 401, 403)
  if (query !== undefined) statuses.push(400)
  if (inPath !== undefined) statuses.push(404)
  if (body !== undefined) statuses.push(400, 413, 415, 422)
  if (versioned === 'update') statuses.push(412, 428)
  if (isRepeatable === true) statuses.push(409, 422)
  return [...new Set(statuses)].sort((left, right) => left - right)
}

const header = (description: string): object => ({ description, schema: { type: 'string' } })

function answerHeaders(operation: Operation, status: number): Record<string, object> {
  const { versioned, isRepeatable, query } = operation
  return {
    'X-Request-Id': { $ref: '#/components/headers/RequestId' },
    ...(versioned !== undefined && { ETag: { $ref: '#/components/headers/ETag' } }),
    ...(status === 201 && { Location: { $ref: '#/components/headers/Location' } }),
    ...(query?.some(({ name }) => name === 'cursor') === true && {
      Link: { $ref: '#/components/headers/Link' },
    }),
    ...(isRepeatable === true && {
      'Idempotency-Replayed': { $ref: '#/components/headers/Replayed' },
    }),
  }
}

function responses(operation: Operation): object {
  const found: Record<string, object> = {}
  for (const [status, { description, schema }] of Object.entries(operation.answers))
    found[status] = {
      description,
      headers: answerHeaders(operation, Number(status)),
      ...(schema !== undefined && { content: { 'application/json': { schema } } }),
    }
  if (operation.versioned === 'read') found['304'] = { description: 'Not changed.' }
  for (const status of problemStatuses(operation))
    found[status] = {
      ...(operation.errors?.[status] === undefined
        ? { $ref: `#/components/responses/Problem${status}` }
        : problem(operation.errors[status])),
    }
  return found
}

function parameters({ inPath = {}, query = [], versioned, isRepeatable }: Operation): object[] {
  return [
    ...Object.entries(inPath).map(([name, schema]) => ({
      name,
      in: 'path',
      required: true,
      schema,
    })),
    ...query.map(({ name, schema, required = false }: QueryParameter) => ({
      name,
      in: 'query',
      required,
      schema,
    })),
    ...(versioned === 'read' ? [{ $ref: '#/components/parameters/IfNoneMatch' }] : []),
    ...(versioned === 'update' ? [{ $ref: '#/components/parameters/IfMatch' }] : []),
    ...(isRepeatable === true ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : []),
  ]
}

/** Returns the content types that an operation takes. */
export function mediaTypes({ body, method }: Operation): readonly string[] {
  if (body === undefined) return []
  if (body.kind !== 'json') return body.types
  return method === 'PATCH'
    ? ['application/merge-patch+json', 'application/json']
    : ['application/json']
}

function requestBody(operation: Operation): object {
  const { body } = operation
  if (body === undefined) return {}
  // A file is not described by a schema (OpenAPI 3.1 §4.8.14.2).
  const content = body.kind === 'json' ? { schema: body.schema } : {}
  return {
    requestBody: {
      required: body.kind !== 'json' || body.optional !== true,
      ...(body.kind !== 'json' && { description: body.description }),
      content: Object.fromEntries(mediaTypes(operation).map((type) => [type, content])),
    },
  }
}

function describe(tag: string, operation: Operation): object {
  const { id, summary, description, scope } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: scope === undefined ? [] : [{ admin: [scope] }],
    parameters: parameters(operation),
    ...requestBody(operation),
    responses: responses(operation),
  }
}

const HEADERS = {
  RequestId: header('The request ID, for searching the log and the events.'),
  ETag: header('The version of the resource.'),
  Location: header('The address of what was made.'),
  Link: header('The address of the next page, with rel="next" (RFC 8288); absent on the last.'),
  Replayed: header('`true` on an answer that was kept for this Idempotency-Key.'),
}

const PARAMETERS = {
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description:
      'The ETag of what you read; `*` changes any version. Without it the response is 428.',
    schema: { type: 'string' },
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of what you have; the response is 304 while it is current.',
    schema: { type: 'string' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Makes it safe to send the request again: a success is kept for 24 hours and answered again to the same client, key and body. The same key with another body is 422, while the first is being answered 409. What was refused frees its key. After an error of the server the request can be repeated; the key may be busy for a minute.',
    schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[!-~]+$' },
  },
}

/** Returns the document. @param facts.adminScopes each admin scope with its meaning */
export function openApiDocument(
  resources: readonly ApiResource[],
  facts: { baseUrl: string; tokenUrl: string; adminScopes: Readonly<Record<string, string>> },
): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const { tag, operations } of resources)
    for (const operation of operations)
      (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describe(tag, operation)
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: { title: 'Otesse Auth admin API', version: '1.0.0', description: INTRODUCTION },
    servers: [{ url: facts.baseUrl }],
    tags: resources.map(({ tag, description }) => ({ name: tag, description })),
    paths,
    components: {
      schemas: {
        ...Object.fromEntries(resources.flatMap(({ schemas }) => Object.entries(schemas))),
        Problem: PROBLEM,
        FieldProblem: FIELD_PROBLEM,
      },
      responses: Object.fromEntries(
        Object.entries(COMMON_PROBLEMS).map(([status, words]) => [
          `Problem${status}`,
          problem(words),
        ]),
      ),
      headers: HEADERS,
      parameters: PARAMETERS,
      securitySchemes: {
        admin: {
          type: 'oauth2',
          description: 'An access token that a machine app obtained for itself.',
          flows: { clientCredentials: { tokenUrl: facts.tokenUrl, scopes: facts.adminScopes } },
        },
      },
    },
    'x-problems': Object.fromEntries(
      PROBLEM_CODES.map((code) => [code, { status: ERRORS[code].status, title: titleOf(code) }]),
    ),
  }
}
