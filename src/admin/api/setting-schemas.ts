// The members of the admin API that are settings, made from the tables of settings.
import { APP_TYPES } from '../../model/app.ts'
import type { Setting } from '../../apps/setting.ts'
import { boolean, choice, listOf, orNull, type Schema, text, whole } from './schema.ts'

type Table = readonly (readonly [name: string, setting: Setting])[]

/** Returns the schemas of all settings by their members. */
export const membersOf = (table: Table): Readonly<Record<string, Schema>> =>
  Object.fromEntries(table.map(([, setting]) => [setting.wire, schemaOf(setting)]))

/** Returns those members that what is new must have. */
export const neededMembersOf = (table: Table): readonly string[] =>
  table.flatMap(([, { wire, required }]) => (required === true ? [wire] : []))

/** Returns the settings of a thing by their members. */
export const showSettings = <Name extends string>(
  table: readonly (readonly [name: Name, setting: Setting])[],
  thing: Readonly<Record<Name, unknown>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(table.map(([name, { wire }]) => [wire, thing[name] ?? null]))

function schemaOf({ kind, required = false, choices = [], api }: Setting): Schema {
  const { description, example } = api
  const more = example === undefined ? {} : { examples: [example] }
  switch (kind) {
    case 'list':
      return listOf({ type: 'string' }, description)
    case 'switch':
      return boolean(description)
    case 'choice':
      return choice(description, choices)
    case 'type':
      return choice(description, APP_TYPES)
    case 'seconds':
      return orNull(whole(description))
    default:
      return required ? text(description, more) : orNull(text(description, more))
  }
}
