// What a row of a table of settings says. The tables of apps and of scopes are made of such rows,
// and the admin API, the command line and the console read both alike.
import { quoted } from '../model/plain-text.ts'
import type { Problem } from '../model/problem.ts'

/**
 * What a value is: one `line` of text, a text of several `lines`, an https `link`, a `list` of
 * texts, a `switch`, a number of `seconds`, a `handle`, one of several `choices`, or the `type` of
 * an app.
 */
export type SettingKind =
  'line' | 'lines' | 'link' | 'handle' | 'list' | 'switch' | 'seconds' | 'choice' | 'type'

/** One setting. */
export interface Setting {
  readonly kind: SettingKind
  /** The member of the admin API. */
  readonly wire: string
  /** The version of this server that had it first. */
  readonly since: string
  /** Must be given; a setting that need not be can be emptied too. */
  readonly required?: boolean
  /** The characters of a text, or the entries of a list, at most. */
  readonly max?: number
  /** What a choice can be; the first is what is new. */
  readonly choices?: readonly string[]
  /** How the OpenAPI document describes it. */
  readonly api: { readonly description: string; readonly example?: string }
  readonly cli: {
    /** The flag with its value, as its help shows it; absent where commands of their own set it. */
    readonly flag?: string
    readonly help?: string
    /** The help of the flag that turns a switch off. */
    readonly off?: string
    /** Values may also be given as one list with commas. */
    readonly hasCommas?: boolean
    /** How `otesse … show` calls it. */
    readonly label: string
  }
  readonly console: {
    readonly label: string
    /** The part of the form that has its field; a field without one stands in the form by hand. */
    readonly section?: 'about' | 'advanced'
    readonly hint?: string
    readonly isNarrow?: boolean
    /**
     * Shown only for apps that act for users, for those that can act for themselves, or for public
     * ones.
     */
    readonly onlyFor?: 'users' | 'self' | 'public'
  }
}

/** Returns a flag without its value and its hyphens. */
export const bareFlag = ({ cli: { flag = '' } }: Setting): string => flag.replace(/^--| .*$/g, '')

/** The problem of a setting that is in no table. */
export const unknownSetting = (name: string): Problem => ({
  field: quoted(name),
  rule: 'field-unknown',
  sentence: 'There is no such setting: check its spelling.',
})
