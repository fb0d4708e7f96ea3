// The command line in this process, which saves starting one: for what commands do. How they end as
// processes is in cli-process.ts.
import { runCli } from '../../src/cli/program.ts'
import type { Answer } from './cli-process.ts'

/** What a command printed and how it ended. */
export interface Ran {
  code: number
  stdout: string
  stderr: string
  /** Standard output as JSON. */
  json(): Answer
}

/** Runs a command. @param input its standard input */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const code = await runCli(args, env, {
    isInteractive: false,
    write: (text) => void (stdout += text),
    warn: (text) => void (stderr += text),
    readAll: () => Promise.resolve(input),
    askHidden: () => Promise.reject(new Error('nobody is there to be asked')),
    paint: (_, text) => text,
  })
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as Answer }
}
