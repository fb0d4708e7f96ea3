// A migrated data directory of embedded mode, to be copied. The first start on an empty one takes
// seconds; the start on a copy takes half a second. Made once per run by global-setup.ts and
// deleted with it.
import { join } from 'node:path'
import { createLogger } from '../../src/shared/logger.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'

/** Makes the template in an empty directory and tells the workers where it is. */
export async function makeEmbeddedTemplate(directory: string): Promise<void> {
  const location = { kind: 'pglite', directory: join(directory, 'database') } as const
  await using database = await openDatabase(location, createLogger('silent'))
  await migrate(database.db)
  process.env['OTESSE_TEST_EMBEDDED_TEMPLATE'] = directory
}

/** Returns the directory; to be copied and never opened. */
export function embeddedTemplate(): string {
  const directory = process.env['OTESSE_TEST_EMBEDDED_TEMPLATE']
  if (directory === undefined) throw new Error('global-setup.ts has made no template')
  return directory
}
