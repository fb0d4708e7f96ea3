// Builds the package: once as ES modules, once as CommonJS, each with its types.
import { execFileSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(import.meta.dirname)
rmSync('dist', { recursive: true, force: true })
const compiler = fileURLToPath(import.meta.resolve('typescript/lib/tsc.js'))
for (const project of ['tsconfig.json', 'tsconfig.cjs.json'])
  execFileSync(process.execPath, [compiler, '-p', project], { stdio: 'inherit' })
// The compiler leaves the extension of the source in declarations.
for (const name of readdirSync('dist', { recursive: true, encoding: 'utf8' }))
  if (name.endsWith('.d.ts')) {
    const text = readFileSync(`dist/${name}`, 'utf8')
    writeFileSync(`dist/${name}`, text.replace(/(from '\.\/[^']+)\.ts'/g, "$1.js'"))
  }
// package.json says that files are ES modules; for these it is not so.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
// npm packs a LICENSE by itself where it finds one.
copyFileSync('../../LICENSE', 'LICENSE')
