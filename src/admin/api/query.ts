// Reads the query of a request by the operation's own parameters. Invariant: a parameter that the
// operation does not know, comes twice or does not fit its schema is an error, because a filter
// that silently did nothing would show more than was asked for.
import { AppError } from '../../shared/errors.ts'
import { isStorable } from '../../storage/timestamps.ts'
import type { QueryParameter } from './operation.ts'
import type { Schema } from './schema.ts'

/** The values by name; what was not given has its default, where there is one. */
export type QueryValues = ReadonlyMap<string, string | number | boolean>

const invalid = (about: string): AppError => new AppError('parameter_invalid', { about })

function parse(name: string, value: string, schema: Schema): string | number | boolean {
  const { minimum, maximum, maxLength = 200 } = schema as Readonly<Record<string, number>>
  switch (schema['type']) {
    case 'integer': {
      const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (!(number >= (minimum ?? -Infinity) && number <= (maximum ?? Infinity)))
        throw invalid(name)
      return number
    }
    case 'boolean':
      if (value !== 'true' && value !== 'false') throw invalid(name)
      return value === 'true'
    default: {
      const allowed = schema['enum'] as readonly string[] | undefined
      // A NUL is the one character that Postgres takes in no text.
      const fits = allowed?.includes(value) ?? (value.length <= maxLength && !value.includes('\0'))
      if (!fits) throw invalid(name)
      if (schema['format'] === 'date-time') parseMoment(value, name)
      return value
    }
  }
}

/** @throws {AppError} `parameter_unknown`, `parameter_duplicated`, `parameter_missing`, `parameter_invalid` */
export function readQuery(text: string, parameters: readonly QueryParameter[]): QueryValues {
  const values = new Map<string, string | number | boolean>()
  const given = new URLSearchParams(text)
  for (const name of new Set(given.keys())) {
    const parameter = parameters.find((one) => one.name === name)
    if (parameter === undefined) throw new AppError('parameter_unknown', { about: name })
    const [value = '', ...others] = given.getAll(name)
    if (others.length > 0) throw new AppError('parameter_duplicated', { about: name })
    // As in forms: a filter that was left empty.
    if (value !== '') values.set(name, parse(name, value, parameter.schema))
  }
  for (const { name, required, schema } of parameters) {
    if (values.has(name)) continue
    if (required === true) throw new AppError('parameter_missing', { about: name })
    const standard = schema['default'] as string | number | boolean | undefined
    if (standard !== undefined) values.set(name, standard)
  }
  return values
}

// RFC 3339 §5.6.
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i

/** Reads a date and time of RFC 3339. @throws {AppError} `parameter_invalid` */
export function parseMoment(value: string, about: string): Date {
  const moment = new Date(MOMENT.test(value) ? value : Number.NaN)
  if (!isStorable(moment)) throw invalid(about)
  return moment
}
