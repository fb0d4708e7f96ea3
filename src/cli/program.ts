// The commands and flags of `otesse`, and how one of them is run: parsed, done, shown, turned into
// an exit code. Invariant: the process ends by itself once everything is closed, so nothing that
// was written is cut off.
import { inspect } from 'node:util'
import { Command, CommanderError, Option } from 'commander'
import type { Environment } from '../config/config.ts'
import { addAccountCommands } from './account-commands.ts'
import { addAppCommands } from './app-commands.ts'
import { flagOfSetting } from './app-flags.ts'
import { addApplyCommand } from './apply-command.ts'
import { addConnectionCommands } from './connection-commands.ts'
import { addDeliveryCommands } from './delivery-commands.ts'
import { addEventCommands } from './event-commands.ts'
import { addExportCommand } from './export-command.ts'
import { addIntegrationCommands } from './integration-commands.ts'
import { addKeyCommands } from './key-commands.ts'
import { problemList } from './layout.ts'
import { addProviderCommands } from './provider-commands.ts'
import { addScopeCommands } from './scope-commands.ts'
import { addSecretCommands } from './secret-commands.ts'
import { addServerCommands } from './server-commands.ts'
import { createSession, type Outcome, Refusal, toRefusal } from './session.ts'
import type { Terminal } from './terminal.ts'
import type { Does } from './command.ts'
import { addStoreCommands } from './store-commands.ts'
import { addTokenCommands } from './token-commands.ts'
import { addUsageCommand } from './usage-command.ts'
import { addWebhookSecretCommands } from './webhook-secret-commands.ts'

/** Runs one command of `otesse`. @returns the exit code */
export const runCli = (
  argv: readonly string[],
  env: Environment,
  terminal: Terminal,
): Promise<number> => runProgram(argv, env, terminal, createOtesse)

/** Runs a program of the kind of `otesse`. @returns the exit code */
export async function runProgram(
  argv: readonly string[],
  env: Environment,
  terminal: Terminal,
  create: (terminal: Terminal, isJson: boolean, does: Does) => Command,
): Promise<number> {
  const isJson = argv.includes('--json')
  let done: Outcome | number = 0
  const program = create(terminal, isJson, (command, action) => {
    command.action(async () => {
      const session = createSession(env, terminal, command.optsWithGlobals())
      done = await action(session, ...command.processedArgs.map(String))
    })
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and the version were asked for and have been shown; the rest was written wrongly.
      if (error.exitCode === 0) return 0
      const isHelp = error.code === 'commander.help'
      const message = isHelp
        ? 'Name a command: see otesse --help'
        : error.message.replace(/^error: /, '')
      return show(new Refusal('usage', message, { exitCode: 2 }), terminal, isJson)
    }
    const refusal = toRefusal(error)
    if (argv.includes('--verbose')) terminal.warn(`${inspect(refusal.cause ?? error)}\n`)
    return show(refusal, terminal, isJson)
  }
  if (typeof done === 'number') return done
  const { json, text, exitCode = 0 } = done as Outcome
  terminal.write(isJson ? `${JSON.stringify(json, null, 2)}\n` : text)
  return exitCode
}

function show(refusal: Refusal, terminal: Terminal, isJson: boolean): number {
  const { code, message, problems, exitCode } = refusal
  if (isJson) terminal.write(`${JSON.stringify({ error: { code, message, problems } }, null, 2)}\n`)
  else terminal.warn(`${message}\n${problemList(problems, flagOf)}`)
  return exitCode
}

const FLAGS: Readonly<Record<string, string>> = {
  expiresAt: '--expires',
  secretsOut: '--secrets-out',
  clientId: '--client-id',
  clientSecret: '--client-secret',
  ownerKinds: '--owner',
  requiredScopes: '--required-scope',
  returnAddresses: '--return-address',
  proxyHosts: '--proxy-host',
  proxyMethods: '--proxy-method',
}
const PLAIN_FLAGS =
  /^(logo|file|email|role|reason|sentence|group|audience|clear|provider|kind|config)$/

/** Says that there is no such command, and which one may be meant: one letter is another. */
function unknownCommand(typed: string, { commands }: Command): string {
  const similar = commands.map((each) => each.name()).find((name) => isOneLetterOff(typed, name))
  const hint = similar === undefined ? 'See otesse --help.' : `Did you mean ${similar}?`
  return `Unknown command "${typed}". ${hint}`
}

/**
 * Returns whether one letter too many, too few, another or in the other's place tells them apart.
 */
function isOneLetterOff(typed: string, name: string): boolean {
  let at = 0
  while (at < name.length && typed[at] === name[at]) at += 1
  const [left, right] = [typed.slice(at), name.slice(at)]
  return (
    left.slice(1) === right ||
    left === right.slice(1) ||
    left.slice(1) === right.slice(1) ||
    (left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2))
  )
}

const flagOf = (field: string): string =>
  flagOfSetting(field) ?? FLAGS[field] ?? (PLAIN_FLAGS.test(field) ? `--${field}` : field)

/** Creates a program without commands: its flags, and where its texts go. */
export const createProgram = (name: string, terminal: Pick<Terminal, 'write'>): Command =>
  new Command(name)
    .addOption(new Option('--json', 'print one JSON document, for errors too'))
    .addOption(new Option('--verbose', 'write the log to standard error'))
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      // Errors are shown once, by us; a help text that nobody asked for would hide them.
      writeErr: () => undefined,
      outputError: () => undefined,
    })

/** Creates `otesse` with all its commands. */
export function createOtesse(
  terminal: Pick<Terminal, 'write' | 'warn'>,
  isJson: boolean,
  does: Does,
): Command {
  const program = createProgram('otesse', terminal)
    .description(
      'Runs and administers Otesse Auth. Settings come from the environment, as for the server.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ otesse scope create bookings:read --sentence "See your bookings" --group Bookings
  $ otesse app create --name "Bookings Dashboard" --type web \\
      --redirect-uri https://dashboard.example.com/callback --scope bookings:read
  $ otesse doctor

Exit codes: 0 done, 1 failed or refused, 2 usage error.`,
    )
  addServerCommands(program, does)
  addAppCommands(program, does)
  addSecretCommands(program, does)
  addScopeCommands(program, does)
  addApplyCommand(program, does)
  addExportCommand(program, does)
  addAccountCommands(program, does)
  addDeliveryCommands(program, does)
  addEventCommands(program, does)
  addUsageCommand(program, does)
  addTokenCommands(program, does)
  addKeyCommands(program, does)
  addProviderCommands(program, does)
  addIntegrationCommands(program, does)
  addConnectionCommands(program, does)
  addWebhookSecretCommands(program, does)
  addStoreCommands(program, does)
  // Without a command there is nothing to do: people get the help, scripts an error.
  program.allowExcessArguments().action((_options: unknown, { args }: Command) => {
    const [unknown] = args
    if (unknown !== undefined)
      throw new Refusal('usage', unknownCommand(unknown, program), { exitCode: 2 })
    if (!isJson) terminal.warn(program.helpInformation())
    throw new Refusal('usage', 'Name a command: see otesse --help', { exitCode: 2 })
  })
  return program
}
