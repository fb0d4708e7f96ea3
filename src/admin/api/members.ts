// From the members of a request's JSON to the input of the domain, and back to the wire's names in
// problems. Invariant: a member that the operation does not name never becomes a setting, however
// it is spelt; the domain refuses it with the other problems.
import { unknownSetting } from '../../apps/setting.ts'
import { quoted } from '../../model/plain-text.ts'
import type { Problem } from '../../model/problem.ts'
import type { JsonObject, Operation } from './operation.ts'
import type { ObjectSchema, Schema } from './schema.ts'

// No name of a setting begins with it, so that the domain refuses a member so marked as unknown.
const UNKNOWN = '?'

const toCamel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** Returns how a field of the domain is called on the wire. */
export const wireName = (field: string): string =>
  field.startsWith(UNKNOWN)
    ? field.slice(UNKNOWN.length)
    : field.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * Returns the members under the domain's names, null as `undefined`: where members are changed,
 * absent keeps and null empties (RFC 7396). Values are as they came; the domain looks at their
 * types.
 */
export function toInput(members: JsonObject, schema: ObjectSchema): Record<string, unknown> {
  const input: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(members)) {
    const isKnown = Object.hasOwn(schema.properties, name)
    input[isKnown ? toCamel(name) : UNKNOWN + name] = value === null ? undefined : value
  }
  return input
}

const SENTENCES: Readonly<Record<string, string>> = {
  string: 'This must be text.',
  boolean: 'This must be true or false.',
  integer: 'This must be a whole number.',
  array: 'This must be a list.',
  null: 'This cannot be null.',
}

/** Returns what is wrong with the body of a request, where the API checks it and not the domain. */
export const problemsOfBody = ({ body }: Operation, members: JsonObject): Problem[] =>
  body?.kind === 'json' && body.checkedBy === 'schema' ? checkMembers(members, body.schema) : []

function checkMembers(members: JsonObject, schema: ObjectSchema): Problem[] {
  const problems: Problem[] = []
  for (const [name, value] of Object.entries(members)) {
    const known = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (known === undefined) problems.push(unknownSetting(UNKNOWN + name))
    else problems.push(...checkValue(name, value, known))
  }
  for (const name of schema.required)
    if (!Object.hasOwn(members, name))
      problems.push({ field: name, rule: 'field-needed', sentence: 'This is needed.' })
  return problems
}

function checkValue(field: string, value: unknown, schema: Schema): Problem[] {
  const types = [schema['type']].flat() as string[]
  if (!types.includes(typeOf(value)))
    return [{ field, rule: 'field-type', sentence: SENTENCES[types[0] ?? ''] ?? 'Check its type.' }]
  const allowed = schema['enum'] as unknown[] | undefined
  if (allowed !== undefined && !allowed.includes(value))
    return [
      {
        field,
        ...(typeof value === 'string' && { value: quoted(value) }),
        rule: 'field-choice',
        sentence: `This is one of: ${allowed.filter((one) => typeof one === 'string').join(', ')}.`,
      },
    ]
  return []
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isSafeInteger(value) ? 'integer' : typeof value
}
