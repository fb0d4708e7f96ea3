// The product as it is built for the image, in a directory of its own.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

/** A directory with `dist/`, `package.json` and `node_modules`; disposing removes it. */
export interface BuiltImage extends AsyncDisposable {
  readonly directory: string
}

/** Compiles the sources as `npm run build` does. */
export async function buildImage(): Promise<BuiltImage> {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-test-build-'))
  const out = join(directory, 'dist')
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', out])
  for (const folder of ['views', 'providers'])
    await cp(join(ROOT, folder), join(out, folder), { recursive: true })
  await cp(join(ROOT, 'package.json'), join(directory, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
