// The shape of the source in numbers: names that are exported twice, and how long functions are. A
// ceiling only ever comes down.
import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'

/** Lines of the longest function. */
const LONGEST = 120
/** Lines that one function in a hundred may exceed. */
const P99 = 60

const sources = globSync('src/**/*.ts').map((path) => ({
  path,
  file: ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext, true),
}))

test('no exported name is defined in two files', () => {
  const places = new Map<string, string[]>()
  for (const { path, file } of sources)
    for (const name of file.statements.flatMap(exportedNames))
      places.set(name, [...(places.get(name) ?? []), path])
  expect(places.size).toBeGreaterThan(500)
  const twins = [...places].filter(([, paths]) => new Set(paths).size > 1)
  expect(twins.map(([name, paths]) => `${name}: ${paths.join(', ')}`)).toEqual([])
})

describe('functions', () => {
  const functions = sources.flatMap(({ path, file }) => functionsOf(path, file))
  const byLength = functions.toSorted((left, right) => right.lines - left.lines)

  test(`have at most ${LONGEST} lines`, () => {
    expect(functions.length).toBeGreaterThan(1000)
    const tooLong = byLength.filter(({ lines }) => lines > LONGEST)
    expect(tooLong.map(({ place, lines }) => `${place} has ${lines}`)).toEqual([])
  })

  test(`have at most ${P99} lines, but for one in a hundred`, () => {
    const longest = byLength.slice(0, Math.floor(functions.length / 100))
    const next = byLength[longest.length]
    expect(next?.lines).toBeLessThanOrEqual(P99)
  })
})

function exportedNames(statement: ts.Statement): string[] {
  const isExported =
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  if (isExported !== true) return []
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  const { name } = statement as ts.Statement & { name?: ts.Identifier }
  return name === undefined ? [] : [name.text]
}

function functionsOf(path: string, file: ts.SourceFile): { place: string; lines: number }[] {
  const found: { place: string; lines: number }[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1
      const [first, last] = [lineOf(node.getStart()), lineOf(node.getEnd())]
      found.push({ place: `${path}:${first}`, lines: last - first + 1 })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}
