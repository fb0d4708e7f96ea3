// Keeps an embedded data directory to one process: two PGlites on one directory destroy it. The
// lock is a file beside the directory with the owner's pid. Invariant: a lock whose owner is dead,
// also after kill -9 or a restart of the machine, is taken over; one whose owner lives never is.
// Called by database.ts.
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { randomBase62 } from '../shared/crypto.ts'

/** Another process uses the data directory; the message is for the operator. */
export class DirectoryInUse extends Error {
  /** The process that uses it. */
  readonly pid: number

  constructor(pid: number) {
    super(
      `the data directory is in use by the running server (pid ${pid}): stop it, or use Postgres and Redis`,
    )
    this.name = 'DirectoryInUse'
    this.pid = pid
  }
}

/**
 * Locks a directory for this process; disposing lets it go.
 *
 * @throws {DirectoryInUse} while another living process, or this one already, holds it
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const path = `${directory}.lock`
  const draft = `${path}.${randomBase62(8)}`
  const mine = `${process.pid} ${birthOf(process.pid) ?? ''}\n`
  await writeFile(draft, mine, { mode: 0o600 })
  try {
    // link() and not an exclusive open: the lock appears together with its content, so that nobody
    // ever reads half of it.
    while (!(await linked(draft, path))) await removeIfStale(path)
  } finally {
    await rm(draft, { force: true })
  }
  return {
    async [Symbol.asyncDispose]() {
      if ((await contentOf(path)) === mine) await rm(path, { force: true })
    },
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

async function removeIfStale(path: string): Promise<void> {
  const found = await contentOf(path)
  if (found === undefined) return
  const owner = livingOwner(found)
  if (owner !== undefined) throw new DirectoryInUse(owner)
  const aside = `${path}.${randomBase62(8)}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  // Between our look and the rename, another process may have taken the stale lock over: then this
  // is its lock, and it gets it back.
  if ((await contentOf(aside)) !== found) await linked(aside, path)
  await rm(aside, { force: true })
}

/** Returns the pid that a lock names, if that very process lives. */
function livingOwner(content: string): number | undefined {
  const [pidText = '', birth = ''] = content.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined
  // After a restart another process has the number: in a container it is even likely to be the same
  // small one.
  const birthNow = birthOf(pid)
  return birth !== '' && birthNow !== undefined && birth !== birthNow ? undefined : pid
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

/** Says when a process began: the boot of the machine and the tick since then. Absent where the system has no /proc. */
function birthOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name is in parentheses and may have spaces; the start is the 22nd field, the
    // 20th after it.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return start === undefined ? undefined : `${boot}/${start}`
  } catch {
    return undefined
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code
