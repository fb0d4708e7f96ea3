// The catalogue of providers: one file each, read when it is asked for. Invariant: a file that
// breaks a rule, or whose name is not its key, stops the reading with all problems.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Provider } from './provider.ts'
import { readProvider } from './read-provider.ts'

const FOLDER = join(import.meta.dirname, '../../providers')

/** Reads all providers of the catalogue, by key. @throws {Error} with every problem */
export function readCatalogue(folder = FOLDER): readonly Provider[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
  const readings = files.toSorted().map((file) => ({
    file,
    ...readProvider(parse(readFileSync(join(folder, file), 'utf8'))),
  }))
  const problems = readings.flatMap(({ file, provider, problems: found }) => [
    ...found.map(({ field, sentence }) => `${file}: ${field}: ${sentence}`),
    ...(provider !== undefined && file !== `${provider.key}.yaml`
      ? [`${file}: key: It must be the name of the file.`]
      : []),
  ])
  if (problems.length > 0) throw new Error(`The catalogue is broken.\n${problems.join('\n')}`)
  return readings.flatMap(({ provider }) => (provider === undefined ? [] : [provider]))
}
