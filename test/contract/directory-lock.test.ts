// The lock of an embedded data directory, held by real processes that end normally, are killed, or
// race for it.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DirectoryInUse, lockDirectory } from '../../src/storage/directory-lock.ts'

const MODULE = new URL('../../src/storage/directory-lock.ts', import.meta.url).href

let scratch: string
const children: ChildProcess[] = []
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'otesse-test-lock-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await rm(scratch, { recursive: true, force: true })
})

/** Starts a process that takes the lock, says how that went, and then holds it. */
async function startHolder(directory: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    const { lockDirectory } = await import(${JSON.stringify(MODULE)})
    try {
      await lockDirectory(${JSON.stringify(directory)})
      process.stdout.write('locked')
      setInterval(() => {}, 1000)
    } catch (error) {
      process.stdout.write(error.name)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, said: said.toString() }
}

describe('the lock of a data directory', () => {
  test('is held by one process, which the next one names', async () => {
    const directory = join(scratch, 'database')
    const { child } = await startHolder(directory)
    const attempt = lockDirectory(directory)
    await expect(attempt).rejects.toBeInstanceOf(DirectoryInUse)
    await expect(attempt).rejects.toThrow(
      `the data directory is in use by the running server (pid ${String(child.pid)}): stop it, or use Postgres and Redis`,
    )
  })

  test('is taken over from a process that was killed', async () => {
    const directory = join(scratch, 'database')
    const { child } = await startHolder(directory)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await using lock = await lockDirectory(directory)
    expect(lock).toBeDefined()
  })

  test('is taken over where another process has the number of the dead one', async () => {
    const directory = join(scratch, 'database')
    await writeFile(`${directory}.lock`, `${process.ppid} another-boot/12345\n`)
    await using lock = await lockDirectory(directory)
    expect(lock).toBeDefined()
  })

  test('goes with its holder and leaves nothing behind', async () => {
    const directory = join(scratch, 'database')
    {
      await using _lock = await lockDirectory(directory)
      await expect(lockDirectory(directory)).rejects.toBeInstanceOf(DirectoryInUse)
    }
    expect(await readdir(scratch)).toEqual([])
  })

  test('of five processes that find a stale lock at once, one gets it', async () => {
    const directory = join(scratch, 'database')
    await writeFile(`${directory}.lock`, '999999999 \n')
    const racers = await Promise.all(Array.from({ length: 5 }, () => startHolder(directory)))
    const outcomes = racers.map(({ said }) => said).sort()
    expect(outcomes).toEqual([...Array<string>(4).fill('DirectoryInUse'), 'locked'])
  })
})
