// The titles of the tests, read from the source: the first arguments of `it`, `test` and
// `describe`.
import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'

const NAMES = new Set(['it', 'test', 'describe'])

/** Returns every title of the test files and the suites that they share. */
export function readTestTitles(): string[] {
  return globSync('test/**/*.ts').flatMap((path) => {
    const titles: string[] = []
    const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext)
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && NAMES.has(rootOf(node.expression))) {
        const [title] = node.arguments
        if (title !== undefined) titles.push(textOf(title))
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
    return titles
  })
}

/** The name on which a call hangs: `it` of `it.each(rows)(…)`. */
function rootOf(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text
  if (ts.isPropertyAccessExpression(expression) || ts.isCallExpression(expression))
    return rootOf(expression.expression)
  return ''
}

function textOf(title: ts.Expression): string {
  if (ts.isStringLiteralLike(title)) return title.text
  if (!ts.isTemplateExpression(title)) return ''
  return [title.head, ...title.templateSpans.map(({ literal }) => literal)]
    .map(({ text }) => text)
    .join('…')
}
