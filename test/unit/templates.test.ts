// Every template, compiled as TypeScript against the model that it is given: a name that the model
// lacks, a value that may be missing and is written, or a part that is given the wrong things is an
// error here and not a hole in a page.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { Eta } from 'eta'
import ts from 'typescript'
import type { TemplateModels } from '../support/template-models.ts'

const ROOT = join(import.meta.dirname, '../..')
const VIEWS = join(ROOT, 'views')
const MODELS = join(ROOT, 'test/support/template-models.ts')
const HELPERS = [
  'serviceName',
  'asset',
  'initialOf',
  'durationInWords',
  'dateInWords',
  'timeInWords',
  'dayInWords',
  'clockInWords',
  'placeInWords',
  'webAddress',
  'include',
  'layout',
  'write',
]

const names = readdirSync(VIEWS, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.eta'))
  .map((file) => file.slice(0, -'.eta'.length))
const readTemplate = (name: string): string => readFileSync(join(VIEWS, `${name}.eta`), 'utf8')

/** Writes a template as a module: its code as it is, and what it shows as calls of `write`. */
function moduleOf(name: string, template: string): string {
  const parts = new Eta().parse(template).map((part) => {
    if (typeof part === 'string') return ''
    return part.t === 'e' ? part.val : `write((${part.val}))`
  })
  return [
    `import type { TemplateModels, TemplateScope } from ${JSON.stringify(MODELS)}`,
    `declare const it: TemplateModels[${JSON.stringify(name)}]`,
    ...HELPERS.map((helper) => `declare const ${helper}: TemplateScope['${helper}']`),
    ...parts,
    'export {}',
  ].join('\n')
}

/** Compiles modules that are in no file, by path. */
function problemsOf(modules: ReadonlyMap<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noImplicitAny: false,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
  }
  const files = ts.createCompilerHost(options)
  const host: ts.CompilerHost = {
    ...files,
    getSourceFile(path, ...more) {
      const text = modules.get(path)
      return text === undefined
        ? files.getSourceFile(path, ...more)
        : ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true)
    },
    fileExists: (path) => modules.has(path) || files.fileExists(path),
    readFile: (path) => modules.get(path) ?? files.readFile(path),
  }
  const program = ts.createProgram([...modules.keys()], options, host)
  return [...modules.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ start = 0, messageText }) => {
        const line = file?.text.slice(start).split('\n', 1)[0] ?? ''
        return `${path}: ${ts.flattenDiagnosticMessageText(messageText, ' ')} [${line}]`
      },
    )
  })
}

const pathOf = (name: string): string => join(VIEWS, `${name}.eta.ts`)
const compile = (
  templates: readonly (readonly [name: string, text: string, ...unknown[]])[],
): string[] =>
  problemsOf(new Map(templates.map(([name, text]) => [pathOf(name), moduleOf(name, text)])))

test('every template uses what its model has, and gives its parts what they need', () => {
  expect(names.length).toBeGreaterThan(50)
  expect(compile(names.map((name) => [name, readTemplate(name)]))).toEqual([])
})

test('what is wrong with a template is found', () => {
  const wrong: [name: keyof TemplateModels, text: string, problem: string][] = [
    ['home', '<%= it.page.nothing %>', "'nothing' does not exist"],
    ['error', '<%= it.page.homeUrl %>', 'not assignable'],
    ['redirect', "<%~ include('@parts/icon', {}) %>", "'name' is missing"],
    ['sign-out', "<%~ include('@parts/nothing', {}) %>", 'not assignable'],
  ]
  expect(compile(wrong)).toEqual(wrong.map(([, , problem]) => expect.stringContaining(problem)))
})
