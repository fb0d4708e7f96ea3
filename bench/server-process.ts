// Starts one measured server as a process of its own, waits until it is ready, and stops it. The
// driver talks to it over HTTP. The IPC channel is for probe.ts only, which is loaded when a
// profile or the heap is asked for.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onServerCore } from './cores.ts'

const START_TIMEOUT_MILLIS = 90_000
const STOP_TIMEOUT_MILLIS = 10_000
const POLL_MILLIS = 5
const SHOWN_OUTPUT_CHARACTERS = 4000

/** How package.json and the image start our server, beyond its settings. */
export const AS_SHIPPED = {
  nodeOptions: ['--max-semi-space-size=4'],
  env: { MALLOC_ARENA_MAX: '2' },
} as const

/** What to start and how to tell that it is up. */
export interface ServerCommand {
  /** A file that Node runs, relative to the project or absolute. */
  script: string
  args?: readonly string[]
  /** Options of Node itself. */
  nodeOptions?: readonly string[]
  env: Readonly<Record<string, string>>
  pinned: boolean
  /** Loads probe.ts, so that `ask` gets answers. */
  probed: boolean
  ready: ReadyByLine | ReadyByPolling
}

/** Ready when it prints a line in which `portIn` finds its port. */
export interface ReadyByLine {
  kind: 'line'
  portIn: (line: string) => number | undefined
}

/**
 * Ready when `path`, on a port that was chosen for it, answers 200. Its output goes to a file, as a
 * log would.
 */
export interface ReadyByPolling {
  kind: 'polling'
  port: number
  path: string
  outputFile: string
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
 * @throws {Error} with the end of the server's output, when it exits or stays silent for 90 s
 */
export async function openServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const startedAt = performance.now()
  const probe = new URL('probe.ts', import.meta.url).href
  const nodeOptions = [
    ...(command.nodeOptions ?? []),
    ...(command.probed ? ['--expose-gc', '--import', probe] : []),
  ]
  const script = fileURLToPath(new URL(command.script, new URL('..', import.meta.url)))
  const [program, ...args] = onServerCore(
    [process.execPath, ...nodeOptions, script, ...(command.args ?? [])],
    command.pinned,
  )
  const { ready } = command
  const child = spawn(program!, args, {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      NODE_NO_WARNINGS: '1',
      ...command.env,
    },
    stdio: [
      'ignore',
      ready.kind === 'polling' ? openSync(ready.outputFile, 'w') : 'pipe',
      'pipe',
      'ipc',
    ],
  })
  // A driver that ends early (an error, a closed terminal) takes its servers with it.
  const killOnExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killOnExit)
  child.once('exit', () => process.off('exit', killOnExit))
  let output = ''
  const remember = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-SHOWN_OUTPUT_CHARACTERS)
  }
  child.stderr!.on('data', remember)
  child.stdout?.on('data', remember)
  const shown = (): string =>
    output +
    (ready.kind === 'polling'
      ? readFileSync(ready.outputFile, 'utf8').slice(-SHOWN_OUTPUT_CHARACTERS)
      : '')

  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${command.script} was not ready in time:\n${shown()}`))
    }, START_TIMEOUT_MILLIS)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`${command.script} ended with ${signal ?? String(code)}:\n${shown()}`))
    })
    const found =
      ready.kind === 'line'
        ? portInLines(child.stdout!, ready.portIn)
        : portWhenAnswering(ready, () => child.exitCode !== null || child.killed)
    found.then((port) => {
      clearTimeout(timer)
      resolve(port)
    }, reject)
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

function portInLines(stdout: Readable, portIn: ReadyByLine['portIn']): Promise<number> {
  let unfinishedLine = ''
  return new Promise((resolve) => {
    stdout.on('data', (chunk: Buffer) => {
      const lines = (unfinishedLine + chunk.toString()).split('\n')
      unfinishedLine = lines.pop() ?? ''
      for (const line of lines) {
        const port = portIn(line)
        if (port !== undefined) resolve(port)
      }
    })
  })
}

async function portWhenAnswering(
  { port, path }: ReadyByPolling,
  isOver: () => boolean,
): Promise<number> {
  while (!isOver()) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      await answer.text()
      if (answer.ok) break
    } catch {
      // Not listening yet.
    }
    await delay(POLL_MILLIS)
  }
  return port
}

/** How both baselines say that they are ready: they print `ready <port>`. */
export const READY_LINE: ReadyByLine = {
  kind: 'line',
  portIn(line) {
    const port = /^ready (\d+)$/.exec(line)?.[1]
    return port === undefined ? undefined : Number(port)
  },
}
