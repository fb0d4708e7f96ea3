// Reads the JSON body of a request strictly: one object, UTF-8, no name twice. Invariant: what is
// read means the same to every reader of the text; JSON.parse alone keeps the last of two equal
// names where others keep the first.
import { AppError } from '../../shared/errors.ts'
import type { JsonObject } from './operation.ts'

/** @throws {AppError} `body_not_json`, `parameter_duplicated` */
export function parseJsonObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError('body_not_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppError('body_not_json')
  assertNoNameTwice(text)
  // A name like __proto__ is an ordinary member of what JSON.parse makes.
  return value as JsonObject
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/gs

/** @param text well-formed JSON */
function assertNoNameTwice(text: string): void {
  // The names of each object that is open; nothing for a list.
  const open: (Set<string> | undefined)[] = []
  let isName = false
  for (const [token] of text.matchAll(TOKEN)) {
    const names = open.at(-1)
    switch (token) {
      case '{':
        open.push(new Set())
        isName = true
        break
      case '[':
        open.push(undefined)
        isName = false
        break
      case '}':
      case ']':
        open.pop()
        isName = false
        break
      case ',':
        isName = names !== undefined
        break
      default: {
        if (!isName || names === undefined) break
        const name = String(JSON.parse(token))
        if (names.has(name)) throw new AppError('parameter_duplicated', { about: name })
        names.add(name)
        isName = false
      }
    }
  }
}
