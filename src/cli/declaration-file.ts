// A file of scopes and apps as it is read from disk: YAML, of which JSON is a part. Invariant:
// every problem has the line of what it is about.
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import {
  type Declaration,
  type FileProblem,
  type Path,
  readDeclaration,
} from '../admin/apply/declaration.ts'

/** A problem with its line, from 1. */
export type LinedProblem = FileProblem & { readonly line: number }

/** A file that was read. */
export interface DeclarationFile {
  declaration: Declaration
  problems: readonly LinedProblem[]
  /** Adds the line to problems that were found later. */
  withLines: (problems: readonly FileProblem[]) => LinedProblem[]
}

/** Reads the text of a file. */
export function readDeclarationText(text: string): DeclarationFile {
  const lineCounter = new LineCounter()
  // `silent` would also keep quiet about a second document, which would be left out.
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    logLevel: 'error',
    // `<<: *anchor` is how people share settings in YAML.
    merge: true,
  })
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line
  const withLines = (problems: readonly FileProblem[]): LinedProblem[] =>
    problems.map((problem) => ({ ...problem, line: lineAt(offsetOf(document, problem.path)) }))
  const broken = [...document.errors, ...document.warnings].map((error) => ({
    path: [],
    field: 'file',
    rule: 'file-syntax',
    sentence: sentenceOf(error.message),
    line: lineAt(error.pos[0]),
  }))
  if (broken.length > 0)
    return { declaration: readDeclaration({}).declaration, problems: broken, withLines }
  const { data, problem } = toData(document)
  const { declaration, problems } = readDeclaration(data)
  return {
    declaration,
    problems: problem === undefined ? withLines(problems) : withLines([problem]),
    withLines,
  }
}

// Aliases that multiply beyond measure are refused by the library when the document becomes data.
function toData(document: Document): { data: unknown; problem?: FileProblem } {
  try {
    return { data: document.toJS({ maxAliasCount: 100 }) as unknown }
  } catch (error) {
    const sentence = sentenceOf(error instanceof Error ? error.message : 'it cannot be read')
    return { data: {}, problem: { path: [], field: 'file', rule: 'file-syntax', sentence } }
  }
}

const sentenceOf = (message: string): string =>
  `This is not well-formed YAML or JSON: ${message.replace(/\s+/g, ' ').slice(0, 200)}.`

/** Where in the text a path is; where it is not there, the nearest that contains it. */
function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents
  let offset = rangeStart(node) ?? 0
  for (const step of path) {
    // The line of a setting is that of its name: a value may begin below it.
    const key = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(step))
          ?.key
      : undefined
    node =
      typeof node === 'object' && node !== null && 'get' in node
        ? (node as { get(key: unknown, keepScalar: true): unknown }).get(step, true)
        : undefined
    const start = rangeStart(key) ?? rangeStart(node)
    if (start === undefined) return offset
    offset = start
  }
  return offset
}

const rangeStart = (node: unknown): number | undefined =>
  isNode(node) ? (node.range?.[0] ?? undefined) : undefined
