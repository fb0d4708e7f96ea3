// A data directory of embedded mode that has been migrated, to be copied: the first start on an empty one takes seconds of work, the start
// on a copy half of one. Made by the first worker of a run that asks for it and deleted with the run (global-setup.ts).
import { mkdir, rename } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '../../src/shared/logger.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'
import { waitUntil } from './server-process.ts'

/** Returns the directory; to be copied and never opened. */
export async function embeddedTemplate(): Promise<string> {
  const scratch = process.env['OTESSE_TEST_SCRATCH']
  if (scratch === undefined) throw new Error('global-setup.ts has made no directory for this run')
  const ready = join(scratch, 'embedded')
  if (existsSync(ready)) return ready
  const draft = join(scratch, 'embedded-draft')
  // Only one worker can make a directory; the others wait for it.
  const isFirst = await mkdir(draft).then(
    () => true,
    () => false,
  )
  if (isFirst) {
    await prepare(join(draft, 'database'))
    await rename(draft, ready)
  }
  await waitUntil('the template of the embedded mode', () => Promise.resolve(existsSync(ready)))
  return ready
}

async function prepare(directory: string): Promise<void> {
  await using database = await openDatabase({ kind: 'pglite', directory }, createLogger('silent'))
  await migrate(database.db)
}
