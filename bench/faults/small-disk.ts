// A disk of a few megabytes that can be filled up: a file system in memory, which only root may
// mount.
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { Skipped } from './skipped.ts'

const run = promisify(execFile)
const PIECE = Buffer.alloc(64 * 1024, 1)

export interface SmallDisk extends AsyncDisposable {
  path: string
  /** Takes all the room that is left. */
  fill(): Promise<void>
  /** Gives it back. */
  free(): Promise<void>
}

/** Mounts one at a new directory. @throws {Skipped} where that is not allowed */
export async function openSmallDisk(path: string, mebibytes: number): Promise<SmallDisk> {
  await mkdir(path, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'otesse-faults', path]).catch(
    (error: unknown) => {
      throw new Skipped(`no file system can be mounted here: ${String(error)}`)
    },
  )
  await chmod(path, 0o700)
  const ballast = join(path, 'ballast')
  return {
    path,
    async fill() {
      const forever = function* () {
        for (;;) yield PIECE
      }
      await pipeline(forever, createWriteStream(ballast, { flags: 'a' })).catch(
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        },
      )
    },
    free: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', path])
    },
  }
}
