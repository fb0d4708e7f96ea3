// Reads the OpenAPI document of a test server and holds answers against it.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { AdminAnswer } from './admin-client.ts'

export type Json = Readonly<Record<string, unknown>>

/** One operation as the document describes it. */
export interface DescribedOperation {
  id: string
  method: string
  path: string
  /** The scope that it needs. */
  scope: string | undefined
  operation: Json
}

export interface ApiDocument extends Json {
  paths: Record<string, Record<string, Json & { operationId: string; security: Json[] }>>
  'x-problems': Record<string, { status: number; title: string }>
}

/** Lists the operations of a document. */
export function operationsOf(document: ApiDocument): DescribedOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      scope: (operation.security[0]?.['admin'] as string[] | undefined)?.[0],
      operation,
    })),
  )
}

/**
 * Treats members that a schema does not name as errors, so that an answer cannot grow beyond its
 * description.
 */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(value)) copy[name] = closed(part)
  const isClosable =
    'properties' in copy && typeof copy['properties'] === 'object' && !('name' in copy)
  return isClosable && !('additionalProperties' in copy)
    ? { ...copy, additionalProperties: false }
    : copy
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Creates the assertion that the document describes an answer for its operation and status. */
export function createAnswerCheck(document: ApiDocument) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ajv.addFormat('date-time', MOMENT)
  ajv.addFormat('date', /^\d{4}-\d\d-\d\d$/)
  ajv.addFormat('uri', (text) => URL.canParse(text))
  ajv.addFormat('email', /^[^@]+@[^@]+$/)
  ajv.addFormat('password', true)
  ajv.addSchema(closed(document) as object, 'document')
  const validators = new Map<string, ValidateFunction>()

  function validatorOf(pointer: string): ValidateFunction {
    const known = validators.get(pointer)
    if (known !== undefined) return known
    const made = ajv.compile({ $ref: `document#${pointer}` })
    validators.set(pointer, made)
    return made
  }

  return function assertDescribed(id: string, answer: AdminAnswer): void {
    const found = operationsOf(document).find((operation) => operation.id === id)
    if (found === undefined) throw new Error(`the document has no operation ${id}`)
    const escape = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1')
    const responses = found.operation['responses'] as Record<string, Json>
    const described = responses[String(answer.status)]
    if (described === undefined)
      throw new Error(`${id} does not describe ${answer.status}: ${answer.text}`)
    const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
    const shared = described['$ref'] as string | undefined
    const pointer =
      shared?.slice(1) ??
      `/paths/${escape(found.path)}/${found.method.toLowerCase()}/responses/${answer.status}`
    const response = shared === undefined ? described : (at(document, pointer) as Json)
    const content = response['content'] as Record<string, Json> | undefined
    if (content === undefined) {
      if (answer.text !== '') throw new Error(`${id} ${answer.status} has a body: ${answer.text}`)
      return
    }
    if (content[type] === undefined) throw new Error(`${id} ${answer.status} is ${type}`)
    const validate = validatorOf(`${pointer}/content/${escape(type)}/schema`)
    if (!validate(answer.body))
      throw new Error(
        `${id} ${answer.status} is not as described: ${ajv.errorsText(validate.errors)}\n${answer.text}`,
      )
  }
}

/** Follows a JSON pointer. */
export function at(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((inner, part) => (inner as Json | undefined)?.[part], value)
}
