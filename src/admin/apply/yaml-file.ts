// YAML, of which JSON is a part, as every command reads it from a file. Invariant: everything in it
// has a line, and merge keys and aliases mean the same in all files.
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml'

/** Where something is in the data: the names and places that lead to it. */
type Path = readonly (string | number)[]

/** A file that was read. */
export interface YamlFile {
  /** An empty object where the text is not well-formed. */
  data: unknown
  /** What is not well-formed, with its line, from 1. */
  problems: readonly { sentence: string; line: number }[]
  /** Returns the line of a path; where it is not there, of the nearest that contains it. */
  lineOf: (path: Path) => number
}

/** Reads the text of a file. */
export function readYaml(text: string): YamlFile {
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
  const lineOf = (path: Path): number => lineAt(offsetOf(document, path))
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    const problems = broken.map(({ message, pos }) => ({
      sentence: sentenceOf(message),
      line: lineAt(pos[0]),
    }))
    return { data: {}, problems, lineOf }
  }
  try {
    // Aliases that multiply beyond measure are refused by the library here.
    return { data: document.toJS({ maxAliasCount: 100 }) as unknown, problems: [], lineOf }
  } catch (error) {
    const sentence = sentenceOf(error instanceof Error ? error.message : 'it cannot be read')
    return { data: {}, problems: [{ sentence, line: lineOf([]) }], lineOf }
  }
}

const sentenceOf = (message: string): string =>
  `This is not well-formed YAML or JSON: ${message.replace(/\s+/g, ' ').slice(0, 200)}.`

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
