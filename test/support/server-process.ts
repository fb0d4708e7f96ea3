// One real server process for a test: started in a directory of its own, awaited, paused, killed,
// restarted, removed. Invariant: it never outlives the Jest process that started it, however that
// one ends. A shell holds the far end of a pipe; when the pipe closes (stop, exit, ctrl-C,
// SIGKILL), it ends the server and deletes the directory. Used by backends.ts.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

const START_TIMEOUT_MILLIS = 60_000
const POLL_MILLIS = 20

/** What a test may do to a server: the failures that a production machine can have. */
export interface Disturbable extends AsyncDisposable {
  /** Freezes it: connections stay open and nothing answers. */
  pause(): void
  /** Ends a pause. */
  resume(): void
  /** Ends it at once, without a farewell to its clients, or by another signal; its data stay. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /**
   * Starts it again (kills it first if it runs) on the same port with the same data, and resolves
   * when it is ready.
   */
  restart(): Promise<void>
  /** Ends it and deletes its data. May be called twice. */
  stop(): Promise<void>
}

/** The user to run as, when the tests run as root and the server refuses that. */
export interface User {
  uid: number
  gid: number
}

export interface Launch {
  binary: string
  args: string[]
  directory: string
  /** Runs to its end before the first start, to lay out the data. */
  prepare?: { binary: string; args: string[] }
  /** The words in the server's log that say it takes connections. */
  readyText: string
  /** Ends the server at once and lets its own children go with it. */
  killSignal?: NodeJS.Signals
  user?: User | undefined
}

/** Makes an empty temporary directory for one server, owned by the user it will run as. */
export function createServerDirectory(name: string, user?: User): string {
  const directory = mkdtempSync(join(tmpdir(), `otesse-test-${name}-`))
  if (user) chownSync(directory, user.uid, user.gid)
  return directory
}

/**
 * Starts a server and resolves when its log says that it is ready.
 *
 * @throws {Error} with the end of its log, if it exits or is not ready within a minute; its
 * directory is deleted
 */
export async function launchServer(launch: Launch): Promise<Disturbable> {
  const reaper = startReaper(launch)
  let child: ChildProcess | undefined
  let stopped: Promise<void> | undefined

  async function prepare({ binary, args }: NonNullable<Launch['prepare']>): Promise<void> {
    const running = run(binary, args, { cwd: launch.directory, ...launch.user })
    reaper.follow(running.child)
    await running
  }

  async function start(): Promise<void> {
    const log = join(launch.directory, 'server.log')
    const output = openSync(log, 'w')
    child = spawn(launch.binary, launch.args, {
      cwd: launch.directory,
      stdio: ['ignore', output, output],
      // Its own process group: ctrl-C is for Jest, the reaper follows.
      detached: true,
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      ...launch.user,
    })
    closeSync(output)
    reaper.follow(child)
    await waitForLog(child, log, launch.readyText)
  }

  async function kill(signal = launch.killSignal ?? 'SIGKILL'): Promise<void> {
    if (!child || hasEnded(child)) return
    const ended = once(child, 'exit')
    signalAll(child, 'SIGCONT')
    child.kill(signal)
    await ended
  }

  async function stop(): Promise<void> {
    const ended = child && !hasEnded(child) ? once(child, 'exit') : undefined
    await reaper.reap()
    await ended
  }

  const server: Disturbable = {
    pause: () => signalAll(child, 'SIGSTOP'),
    resume: () => signalAll(child, 'SIGCONT'),
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    stop: () => (stopped ??= stop()),
    [Symbol.asyncDispose]: () => server.stop(),
  }
  try {
    if (launch.prepare) await prepare(launch.prepare)
    await start()
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

/** Disturbs several servers as if they were one. */
export function together(servers: Disturbable[]): Disturbable {
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  return {
    pause: () => servers.forEach((server) => server.pause()),
    resume: () => servers.forEach((server) => server.resume()),
    kill: async () => {
      await Promise.all(servers.map((server) => server.kill()))
    },
    restart: async () => {
      await Promise.all(servers.map((server) => server.restart()))
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Polls until the check answers true. @throws {Error} that names what was awaited, after 30 s */
export async function waitUntil(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited 30 s in vain: ${what}`)
    await sleep(50)
  }
}

// Reads the process to end from its input, line by line (the last one counts), and acts when that
// input ends.
const REAPER_SCRIPT = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
  kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
  kill -"$1" "$pid" 2>/dev/null
  i=0
  while kill -0 "$pid" 2>/dev/null && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf -- "$2"
`

interface Reaper {
  follow(child: ChildProcess): void
  reap(): Promise<void>
}

function startReaper({ directory, killSignal = 'SIGKILL' }: Launch): Reaper {
  const args = ['-c', REAPER_SCRIPT, 'reaper', killSignal.replace('SIG', ''), directory]
  const shell = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const input = shell.stdin as unknown as Socket // a pipe is a Socket in Node, typed as the Writable that it also is
  // A server left behind must keep Jest from ending, so that the leak is seen; its reaper must not.
  shell.unref()
  input.unref()
  return {
    follow(child) {
      input.write(`${child.pid ?? ''}\n`)
      child.once('exit', () => {
        if (input.writable) input.write('\n')
      })
    },
    async reap() {
      if (shell.exitCode !== null) return
      const done = once(shell, 'exit')
      shell.ref()
      input.end()
      await done
    },
  }
}

async function waitForLog(child: ChildProcess, log: string, readyText: string): Promise<void> {
  let failure: string | undefined
  child.once('error', (error) => (failure = error.message))
  const deadline = performance.now() + START_TIMEOUT_MILLIS
  while (!readLog(log).includes(readyText)) {
    if (child.pid !== undefined && hasEnded(child))
      failure ??= `it exited with ${child.signalCode ?? child.exitCode ?? 'nothing'}`
    if (performance.now() > deadline)
      failure ??= `it was not ready within ${START_TIMEOUT_MILLIS / 1000} s`
    if (failure)
      throw new Error(`${child.spawnfile} did not start: ${failure}\n${readLog(log).slice(-2000)}`)
    await sleep(POLL_MILLIS)
  }
}

function readLog(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : ''
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

// PostgreSQL answers from child processes, each in a group of its own. A freeze has to reach them
// one by one, the parent first.
function signalAll(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined || hasEnded(child)) return
  process.kill(child.pid, signal)
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  for (const pid of children.split(' ').filter(Boolean)) signalIfThere(Number(pid), signal)
}

/** A worker of a server may end by itself between our look and our signal. */
function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
