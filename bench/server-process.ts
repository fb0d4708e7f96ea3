// Starts one measured server as a process of its own, waits until it says that it is ready, and stops it. The driver talks to it over
// HTTP; the IPC channel is only there for probe.ts, which is loaded when a profile or the heap is asked for.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onServerCore } from './cores.ts'

const START_TIMEOUT_MILLIS = 30_000
const STOP_TIMEOUT_MILLIS = 10_000
const SHOWN_OUTPUT_CHARACTERS = 4000

/** What to start and how to tell that it is up. */
export interface ServerCommand {
  /** A file that Node runs, relative to the project. */
  script: string
  args?: readonly string[]
  env: Readonly<Record<string, string>>
  pinned: boolean
  /** Loads probe.ts, so that `ask` gets answers. */
  probed: boolean
  /** Resolves with the port once the server answers; `line` is what it printed. */
  ready: (line: string) => number | undefined | Promise<number | undefined>
}

/** A running server. Disposing it sends SIGTERM and waits. */
export interface ServerProcess extends AsyncDisposable {
  pid: number
  port: number
  /** From the spawn to the first answer. */
  startMillis: number
  /** Sends a message to probe.ts in the server and waits for its answer. */
  ask: (question: object) => Promise<unknown>
}

/**
 * Starts a server and resolves when it is ready.
 *
 * @throws {Error} with the end of the server's output, when it exits or stays silent for 30 s
 */
export async function openServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const startedAt = performance.now()
  const probe = new URL('probe.ts', import.meta.url).href
  const nodeOptions = command.probed ? ['--expose-gc', '--import', probe] : []
  const script = fileURLToPath(new URL(`../${command.script}`, import.meta.url))
  const [program, ...args] = onServerCore(
    [process.execPath, ...nodeOptions, script, ...(command.args ?? [])],
    command.pinned,
  )
  const child = spawn(program!, args, {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      NODE_NO_WARNINGS: '1',
      ...command.env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  let unfinishedLine = ''

  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${command.script} was not ready in time:\n${output}`))
    }, START_TIMEOUT_MILLIS)
    const remember = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-SHOWN_OUTPUT_CHARACTERS)
    }
    child.stderr!.on('data', remember)
    child.stdout!.on('data', (chunk: Buffer) => {
      remember(chunk)
      const lines = (unfinishedLine + chunk.toString()).split('\n')
      unfinishedLine = lines.pop() ?? ''
      for (const line of lines) {
        Promise.resolve(command.ready(line)).then((found) => {
          if (found === undefined) return
          clearTimeout(timer)
          resolve(found)
        }, reject)
      }
    })
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`${command.script} ended with ${signal ?? String(code)}:\n${output}`))
    })
  })

  return {
    pid: child.pid!,
    port,
    startMillis: performance.now() - startedAt,
    async ask(question) {
      child.send(question)
      const [answer] = (await once(child, 'message')) as [unknown]
      return answer
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MILLIS)
      child.kill('SIGTERM')
      await once(child, 'exit')
      clearTimeout(killer)
    },
  }
}

/** Reads the line that both baselines print: `ready <port>`. */
export function readyLinePort(line: string): number | undefined {
  const port = /^ready (\d+)$/.exec(line)?.[1]
  return port === undefined ? undefined : Number(port)
}
