// The tokens that the demo's app was given, by browser. They are on disk, as in a real app, so that
// a connection outlives a restart; and encrypted, as a real app should do, so that the file alone
// is useless.
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBase62 } from '../../src/shared/crypto.ts'
import { createEncryption, type Encryption } from '../../src/shared/encryption.ts'
import { Secret } from '../../src/shared/secret.ts'

/** One connected account. */
export interface Connection {
  accessToken: string
  refreshToken: string
  scopes: string[]
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** The connections by the id of the browser's session. */
export interface Connections {
  find(sessionId: string): Connection | undefined
  /** Returns when it is on disk. */
  save(sessionId: string, connection: Connection): Promise<void>
  remove(sessionId: string): Promise<void>
}

const PLACE = { table: 'connections', column: 'all', rowId: 'bookings-dashboard' }

/** Opens the connections in a directory of their own. */
export async function openConnections(directory: string): Promise<Connections> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const box = createEncryption([new Secret(await readOrMakeKey(join(directory, 'key')))])
  const path = join(directory, 'connections')
  const all = new Map(Object.entries(await readAll(path, box)))
  let last: Promise<unknown> = Promise.resolve()
  const write = (): Promise<void> => {
    const next = last.then(async () => {
      const draft = `${path}.draft`
      await writeFile(draft, box.encrypt(JSON.stringify(Object.fromEntries(all)), PLACE), {
        mode: 0o600,
      })
      await rename(draft, path)
    })
    last = next.catch(() => undefined)
    return next
  }
  return {
    find: (sessionId) => all.get(sessionId),
    save(sessionId, connection) {
      all.set(sessionId, connection)
      return write()
    },
    remove(sessionId) {
      all.delete(sessionId)
      return write()
    },
  }
}

async function readOrMakeKey(path: string): Promise<string> {
  try {
    await using file = await open(path, 'wx', 0o600)
    const key = randomBase62(48)
    await file.writeFile(key)
    return key
  } catch {
    return await readFile(path, 'utf8')
  }
}

async function readAll(path: string, box: Encryption): Promise<Record<string, Connection>> {
  try {
    return JSON.parse(box.decrypt(await readFile(path, 'utf8'), PLACE)) as Record<
      string,
      Connection
    >
  } catch {
    // None yet, or of another key: people connect again.
    return {}
  }
}
