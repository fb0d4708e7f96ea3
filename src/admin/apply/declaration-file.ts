// A file of scopes and apps as text: read, so that every problem has the line of what it is about;
// and written.
import { Document } from 'yaml'
import { type Declaration, type FileProblem, readDeclaration } from './declaration.ts'
import type { Exported } from './export.ts'
import { readYaml } from './yaml-file.ts'

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
  const { data, problems: broken, lineOf } = readYaml(text)
  const withLines = (problems: readonly FileProblem[]): LinedProblem[] =>
    problems.map((problem) => ({ ...problem, line: lineOf(problem.path) }))
  const { declaration, problems } = readDeclaration(data)
  return {
    declaration,
    problems:
      broken.length === 0
        ? withLines(problems)
        : broken.map((each) => ({ ...each, path: [], field: 'file', rule: 'file-syntax' })),
    withLines,
  }
}

const HEAD = ` For otesse apply. A setting that is left out is emptied when the file is applied.`

/** Writes a file. */
export function writeDeclarationText(data: Exported): string {
  const document = new Document(data)
  document.commentBefore = HEAD
  return document.toString({ lineWidth: 100 })
}
