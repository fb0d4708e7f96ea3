// A process that writes to the embedded store until it is killed. Each line that it prints is an
// answer that a client got. Started by family-store.embedded.test.ts with the data directory.
import { writeSync } from 'node:fs'
import { openEmbeddedStore } from '../../src/grants/embedded-family.store.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'

const directory = process.argv[2] ?? ''
const { db } = await openDatabase({ kind: 'pglite', directory }, createLogger('silent'))
await migrate(db)
const store = await openEmbeddedStore(db, systemClock)

// Written synchronously: a stream buffers lines, and a line that is lost when the process dies
// would be an answer that no client got.
const tell = (line: string): void => void writeSync(1, `${line}\n`)

// Several writers, so that answers share a write. Each puts a grant and ends its previous one.
async function write(writer: number): Promise<void> {
  for (let count = 0; ; count += 1) {
    const family = `family${writer}x${count}`
    await store.commit(family, {
      expect: [{ name: 'g', state: 'absent' }],
      put: [{ name: 'g', value: family, ttlMillis: 600_000 }],
    })
    tell(`put ${family}`)
    if (count === 0) continue
    const last = `family${writer}x${count - 1}`
    await store.commit(last, { expect: [{ name: 'g', state: 'present' }], remove: ['g'] })
    tell(`removed ${last}`)
  }
}

await Promise.all([1, 2, 3, 4, 5].map(write))
