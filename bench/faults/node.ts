// One server under test, as a process of its own at a fixed address: started from what was built,
// ended in any way, started again. What it wrote to its log in all its lives is kept for the look
// at leaks.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../test/support/ports.ts'
import { readResidentMebibytes } from '../load/process-cpu.ts'
import { AS_SHIPPED, openServerProcess, type ServerProcess } from '../server-process.ts'

/** What changes with a start, and stays so for later ones. */
export interface NodeLife {
  settings?: Readonly<Record<string, string>>
  /** Where main.js of another release is. */
  script?: string
}

export interface Node {
  index: number
  url: string
  /** Of the process that runs now. */
  pid(): number
  /** Whether the process that was started last still runs. */
  isRunning(): boolean
  residentMebibytes(): number
  /** Starts it where it does not run. */
  start(life?: NodeLife): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Ends it and waits until it has. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  log(): string
}

export interface NodeOptions {
  index: number
  /** Where main.js is. */
  script: string
  directory: string
  env: Readonly<Record<string, string>>
}

/** Makes a node; it does not run yet. */
export async function createNode({
  index,
  directory,
  env,
  ...options
}: NodeOptions): Promise<Node> {
  const port = await findFreePort()
  let { script } = options
  let settings = { ...env, OTESSE_PORT: String(port) }
  let running: ServerProcess | undefined
  let lives = 0
  const name = `node-${index}-`

  return {
    index,
    url: `http://127.0.0.1:${port}`,
    pid: () => running?.pid ?? 0,
    isRunning: () => running !== undefined && isAlive(running.pid),
    residentMebibytes: () => (running ? readResidentMebibytes(running.pid) : 0),
    async start(life = {}) {
      settings = { ...settings, ...life.settings }
      script = life.script ?? script
      lives += 1
      running = await openServerProcess({
        script,
        nodeOptions: AS_SHIPPED.nodeOptions,
        env: { ...AS_SHIPPED.env, ...settings },
        pinned: false,
        probed: false,
        ready: {
          kind: 'polling',
          port,
          path: '/readyz',
          outputFile: join(directory, `${name}${lives}.log`),
        },
      })
    },
    signal: (signal) => {
      if (running) process.kill(running.pid, signal)
    },
    async end(signal) {
      if (running === undefined) return
      if (signal === 'SIGKILL' && isAlive(running.pid)) process.kill(running.pid, 'SIGKILL')
      while (signal === 'SIGKILL' && isAlive(running.pid))
        await new Promise((resolve) => setTimeout(resolve, 5))
      await running[Symbol.asyncDispose]()
    },
    log: () =>
      readdirSync(directory)
        .filter((file) => file.startsWith(name))
        .map((file) => readFileSync(join(directory, file), 'utf8'))
        .join(''),
  }
}

function isAlive(pid: number): boolean {
  try {
    // A child that ended and was not waited for yet is a zombie, and no server any more.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
