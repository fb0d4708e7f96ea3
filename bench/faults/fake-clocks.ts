// Clocks that are wrong for one server alone: libfaketime stands between it and the system, and
// reads the difference from a file. The monotonic clock stays right, as on a real machine.
import { existsSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Skipped } from './skipped.ts'

const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map(
  (machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`,
)

export interface FakeClock {
  /** What a server is started with. */
  settings: Readonly<Record<string, string>>
  /** @param difference to the right time, such as `+60`, in seconds */
  set(difference: string): Promise<void>
}

/** Makes a clock that is right so far. @throws {Skipped} without libfaketime */
export async function openFakeClock(directory: string, name: string): Promise<FakeClock> {
  const library = LIBRARIES.find((path) => existsSync(path))
  if (library === undefined) throw new Skipped('libfaketime is not installed')
  const file = join(directory, name)
  const set = async (difference: string): Promise<void> => {
    await writeFile(`${file}.new`, `${difference}\n`)
    await rename(`${file}.new`, file)
  }
  await set('+0')
  return {
    settings: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    set,
  }
}
