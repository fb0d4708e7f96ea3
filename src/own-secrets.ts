// The secrets that embedded mode makes for itself at its first start and keeps beside its data,
// readable by their owner alone.
import { chmod, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config, SecretsConfig } from './config/config.ts'
import { randomBase62 } from './shared/crypto.ts'
import { Secret } from './shared/secret.ts'
import { IN_MEMORY } from './storage/database.ts'
import { makePrivateDirectory } from './storage/private-directory.ts'

const SECRET_LENGTH = 48

/** Returns the secrets of embedded mode; makes them where there are none yet. */
export async function makeOwnSecrets(config: Config): Promise<SecretsConfig> {
  if (config.stores.kind !== 'embedded') throw new Error('only embedded mode makes its own secrets')
  const { dataDirectory } = config.stores
  const [secretKey, encryptionKey] =
    dataDirectory === IN_MEMORY ? makeTwo() : await readOrMake(dataDirectory)
  return {
    secretKeys: [new Secret(secretKey)],
    encryptionKeys: [new Secret(encryptionKey)],
  }
}

const makeTwo = (): [string, string] => [randomBase62(SECRET_LENGTH), randomBase62(SECRET_LENGTH)]

async function readOrMake(dataDirectory: string): Promise<[string, string]> {
  const path = join(dataDirectory, 'secrets')
  await makePrivateDirectory(dataDirectory)
  try {
    await using file = await open(path, 'wx', 0o600)
    const made = makeTwo()
    await file.writeFile(`${made.join('\n')}\n`)
    await file.sync()
    return made
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    // A copy that somebody made or restored may be open to others.
    await chmod(path, 0o600)
    const [secretKey = '', encryptionKey = ''] = (await readFile(path, 'utf8')).split('\n')
    if (secretKey === '' || encryptionKey === '')
      throw new Error(`${path} is damaged`, { cause: error })
    return [secretKey, encryptionKey]
  }
}
