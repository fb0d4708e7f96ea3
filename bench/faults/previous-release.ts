// The release before this one, built from the history of the repository. Its production
// dependencies must be those that are installed here.
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Skipped } from './skipped.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../..')
const COMMIT = '066c7665ce5751b0e2423a695af60dab7eae52a6'

/**
 * Builds it in an empty directory and returns where its `dist` is.
 *
 * @throws {Skipped} without that history, or with other dependencies
 */
export async function buildPreviousRelease(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  const archive = join(directory, 'release.tar')
  await run('git', ['-C', ROOT, 'archive', '--output', archive, COMMIT]).catch((error: unknown) => {
    throw new Skipped(`the release before is not in this checkout: ${String(error)}`)
  })
  await run('tar', ['-xf', archive, '-C', directory])
  const manifest = await readManifest(directory)
  for (const [name, version] of Object.entries(manifest.dependencies ?? {})) {
    const installed = await readManifest(join(ROOT, 'node_modules', name)).catch(() => undefined)
    if (installed?.version !== version)
      throw new Skipped(`${name} is ${installed?.version ?? 'missing'} here, and ${version} there`)
  }
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: directory })
  await cp(join(directory, 'views'), join(directory, 'dist/views'), { recursive: true })
  return join(directory, 'dist')
}

interface Manifest {
  version?: string
  dependencies?: Record<string, string>
}

const readManifest = async (directory: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest
