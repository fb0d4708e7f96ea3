// Directories that nobody else on the machine may look into: an embedded database trusts whoever
// can write its files. Invariant: what is handed back can be entered by its owner alone. Called by
// database.ts and own-secrets.ts.
import { chmod, mkdir, stat } from 'node:fs/promises'

/**
 * A directory is open to others and cannot be closed to them, or cannot be used at all; the message
 * is for the operator.
 */
export class DirectoryRefused extends Error {}

const OTHERS = 0o077
const STICKY = 0o1000

/**
 * Makes a directory that only its owner may enter; one that exists and is open to others is closed
 * to them.
 *
 * @throws {DirectoryRefused} where it is somebody else's, is shared on purpose (such as /tmp), or
 * cannot be made
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const { mode } = await stat(path)
    // Windows has no such bits.
    if ((mode & OTHERS) === 0 || process.getuid === undefined) return
    if ((mode & STICKY) !== 0)
      throw new DirectoryRefused(
        `${path} is shared by everybody: name a directory of its own in OTESSE_DATA_DIR`,
      )
    await chmod(path, 0o700)
  } catch (error) {
    if (error instanceof DirectoryRefused) throw error
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new DirectoryRefused(
      `the data directory ${path} cannot be made private to this user (${code}): change its owner, or name another in OTESSE_DATA_DIR`,
      { cause: error },
    )
  }
}
