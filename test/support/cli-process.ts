// The command line as real child processes: what they print, their exit codes, and that they end by
// themselves.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const DEMO = fileURLToPath(new URL('../../examples/demo/main.ts', import.meta.url))
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** The answer of a command with --json: a test looks only at what it knows to be there. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each command has a shape of its own
export type Answer = Record<string, any>

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
  /** Standard output as JSON. */
  json(): Answer
}

/** Starts a command with nothing of this process's environment but what is handed in. */
function startCli(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): ChildProcess {
  return start(CLI, args, settings)
}

/** Starts the demo. */
export const startDemo = (args: readonly string[]): ChildProcess => start(DEMO, args, {})

function start(
  program: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...settings },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Runs a command to its end. @param input its standard input */
export async function runCli(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  input: string | Uint8Array = '',
): Promise<Ended> {
  const child = startCli(args, settings)
  child.stdin!.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as Answer }
}
