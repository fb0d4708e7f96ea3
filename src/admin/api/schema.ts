// Words for JSON Schema 2020-12, as OpenAPI 3.1 uses it. The schemas of the operations are written
// with them; requests are checked against the same objects that the document shows.

/** A schema, or a reference to a named one. */
export type Schema = Readonly<Record<string, unknown>>

/** A schema of an object with its members. */
export interface ObjectSchema extends Schema {
  readonly type: 'object'
  readonly description?: string
  readonly properties: Readonly<Record<string, Schema>>
  readonly required: readonly string[]
}

/** More about a schema: limits, format, examples. */
type More = Readonly<Record<string, unknown>>

export const text = (description: string, more: More = {}): Schema => ({
  type: 'string',
  description,
  ...more,
})

export const timestamp = (description: string): Schema => text(description, { format: 'date-time' })

export const boolean = (description: string, more: More = {}): Schema => ({
  type: 'boolean',
  description,
  ...more,
})

export const whole = (description: string, more: More = {}): Schema => ({
  type: 'integer',
  description,
  ...more,
})

export const choice = (description: string, values: readonly string[]): Schema => ({
  type: 'string',
  enum: values,
  description,
})

export const listOf = (items: Schema, description?: string): Schema => ({
  type: 'array',
  items,
  ...(description !== undefined && { description }),
})

/** Lets a schema also take null. */
export const orNull = (schema: Schema): Schema =>
  '$ref' in schema
    ? { anyOf: [schema, { type: 'null' }] }
    : {
        ...schema,
        type: [schema['type'], 'null'],
        ...(Array.isArray(schema['enum']) && { enum: [...(schema['enum'] as unknown[]), null] }),
      }

/** Names a schema among the components of the document. */
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

/** An answer: every member is always there. */
export const answer = (
  properties: Readonly<Record<string, Schema>>,
  description?: string,
): ObjectSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  ...(description !== undefined && { description }),
})

/** The body of a request: what is not named is refused. @param required the members that must be there */
export const input = (
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
): ObjectSchema => ({ type: 'object', properties, required, additionalProperties: false })

/** One page of a list. */
export const pageSchema = (items: Schema): ObjectSchema =>
  answer({
    items: listOf(items),
    next_cursor: orNull(text('Send it as `cursor` to get the next page; null on the last page.')),
  })
