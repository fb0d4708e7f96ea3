// The flags that describe an app, and how they, and the file beside them, become the input of the
// registry. The rules about values are the registry's; here is only what a command line adds:
// spelling, lists, files.
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { LogoUpload } from '../admin/app-service.ts'
import {
  ALL_SETTINGS,
  type AppSetting,
  type NamedSetting,
  type SettingName,
} from '../apps/app-settings.ts'
import { bareFlag } from '../apps/setting.ts'
import { APP_TYPES } from '../model/app.ts'
import { inputRefusal, usageRefusal } from './session.ts'
import { decodeWhole } from '../admin/import/text-file.ts'

interface AppFlags extends Readonly<Record<string, unknown>> {
  file?: string
  logo?: string
  clear?: string[]
}

/** Those that most apps need stand first in the help. */
const FIRST: readonly SettingName[] = ['name', 'type', 'redirectUris', 'scopes']
const IN_ORDER: readonly NamedSetting[] = [
  ...FIRST.flatMap((first) => ALL_SETTINGS.filter(([name]) => name === first)),
  ...ALL_SETTINGS.filter(([name]) => !FIRST.includes(name)),
]

const FLAGS: ReadonlyMap<string, string> = new Map(
  ALL_SETTINGS.map(([name, setting]) => [name, `--${bareFlag(setting)}`]),
)

/** Returns the flag that sets a setting. */
export const flagOfSetting = (name: string): string | undefined => FLAGS.get(name)

/** Settings as they were handed in, of whatever type. */
export type GivenInput = Record<string, unknown>

/** What can be emptied, by the flag that sets it. */
const CLEARABLE: ReadonlyMap<string, SettingName> = new Map(
  ALL_SETTINGS.flatMap(([name, setting]) =>
    setting.required === true || setting.kind === 'switch' || setting.kind === 'choice'
      ? []
      : [[bareFlag(setting), name] as const],
  ),
)

const collect = (value: string, before: string[] = []): string[] => [...before, value]
const collectList = (value: string, before: string[] = []): string[] => [
  ...before,
  ...value.split(/[\s,]+/).filter((part) => part !== ''),
]

/** Adds the flags that describe an app. */
export function addAppFlags(command: Command): Command {
  for (const [, { kind, cli }] of IN_ORDER) {
    const option = new Option(cli.flag, cli.help)
    if (kind === 'list') option.argParser(cli.hasCommas === true ? collectList : collect)
    command.addOption(option)
  }
  return command
    .option('--logo <file>', 'PNG, JPEG, WebP or SVG')
    .option('--file <app.json>', 'take all of this from a JSON file; flags win over it')
}

/** Adds the flags that take something away from an app that is there. */
export function addClearingFlags(command: Command): Command {
  for (const [, setting] of ALL_SETTINGS)
    if (setting.kind === 'switch') command.option(`--no-${bareFlag(setting)}`, setting.cli.off)
  return command.addOption(
    new Option('--clear <setting>', 'empty a setting; may be repeated')
      .choices([...CLEARABLE.keys()])
      .argParser((value: string, before: string[] | undefined) => {
        const names = [...(before ?? []), value]
        const unknown = names.find((name) => !CLEARABLE.has(name))
        if (unknown === undefined) return names
        throw inputRefusal([
          {
            field: 'clear',
            value: unknown,
            rule: 'clearable',
            sentence: `What can be emptied: ${[...CLEARABLE.keys()].join(', ')}.`,
          },
        ])
      }),
  )
}

/** What the flags say of a setting; a sentence where that is a word or number that it cannot be. */
function givenBy(flags: AppFlags, setting: AppSetting): { value: unknown } | { wrong: string } {
  const value = flags[camelcase(bareFlag(setting))]
  if (typeof value !== 'string') return { value }
  const flag = `--${bareFlag(setting)}`
  if (setting.kind === 'seconds')
    return /^\d{1,12}$/.test(value)
      ? { value: Number(value) }
      : { wrong: `${flag} is a whole number of seconds` }
  const words = setting.kind === 'type' ? APP_TYPES : setting.choices
  if (words === undefined) return { value }
  // The hyphen is easier to type.
  const spelled = words.map((word) => word.replaceAll('_', '-'))
  const at = words.findIndex((word, index) => word === value || spelled[index] === value)
  return at === -1
    ? { wrong: `${flag} must be one of: ${spelled.join(', ')}` }
    : { value: words[at] }
}

// As commander names them.
const camelcase = (flag: string): string =>
  flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** Reads what the flags, and the file that they name, say about an app; what they do not mention is not there. */
export async function readAppInput(
  command: Command,
): Promise<{ input: GivenInput; logo: LogoUpload | undefined }> {
  const flags = command.opts<AppFlags>()
  const { logo, ...fromFile } = flags.file === undefined ? {} : await readAppFile(flags.file)
  const wrong: string[] = []
  const input: GivenInput = { ...fromFile }
  for (const [name, setting] of ALL_SETTINGS) {
    const given = givenBy(flags, setting)
    if ('wrong' in given) wrong.push(given.wrong)
    else if (given.value !== undefined) input[name] = given.value
  }
  if (wrong.length > 0) throw usageRefusal(wrong.join('\n'))
  for (const name of flags.clear ?? []) {
    const setting = CLEARABLE.get(name) ?? name
    // Both at once would have to be guessed at.
    if (input[setting] !== undefined)
      throw inputRefusal([
        {
          field: 'clear',
          value: name,
          rule: 'clear-and-set',
          sentence: 'It is emptied and set in one command: leave one of them out.',
        },
      ])
    input[setting] = undefined
  }
  // A file may have the spelling of the flag.
  if (input['type'] === 'resource-server') input['type'] = 'resource_server'
  const path = flags.logo ?? logoBeside(flags.file, logo)
  return { input, logo: path === undefined ? undefined : await readLogo(path) }
}

/** The path of a logo that a file names. @throws {Refusal} where it is no text */
function logoBeside(file: string | undefined, logo: unknown): string | undefined {
  if (file === undefined || logo === undefined) return undefined
  if (typeof logo === 'string') return resolve(dirname(file), logo)
  throw inputRefusal([{ field: 'logo', rule: 'field-type', sentence: 'This must be a file name.' }])
}

const refuseFile = (sentence: string): Error =>
  inputRefusal([{ field: 'file', rule: 'file', sentence }])

async function readAppFile(path: string): Promise<GivenInput> {
  const read: unknown = parseJson(await decodeWhole(await readFlagFile(path, 'file'), path))
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw refuseFile('The file must be one JSON object.')
  return read as GivenInput
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refuseFile('The file is not JSON.')
  }
}

/** Reads a file that a flag names. @param field the flag, as problems name it @throws {Refusal} */
export async function readFlagFile(path: string, field: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw inputRefusal([
      { field, value: path, rule: 'file', sentence: `The file cannot be read (${code}).` },
    ])
  }
}

const LOGO_TYPES: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
}

/** Reads a picture; its type is told by the name of the file, and held against its content later. @throws {Refusal} */
export async function readLogo(path: string): Promise<LogoUpload> {
  const bytes = await readFlagFile(path, 'logo')
  return {
    bytes,
    contentType: LOGO_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
  }
}
