// Importing accounts from a file that was uploaded: it is checked as it arrives, kept, and imported
// when somebody says so. Invariants: what is imported is what was checked; it is imported once,
// however often that is said; and what it says is nowhere in clear between the two. Called by the
// console; the command line and the admin API read a file and import it in one go.
import type { Refused } from '../model/problem.ts'
import type { AccountService, ImportOutcome } from './account-service.ts'
import { convert, type Counts, lineOf, noCounts, type Source } from './import/export-formats.ts'
import { decodeText, FileRefused } from './import/text-file.ts'
import { assertMay, type Operator } from './operator.ts'
import type { Uploads } from './uploads.store.ts'

/** How many bytes a file may have that is uploaded. */
export const MAX_IMPORT_BYTES = 32 * 1024 * 1024

/** How a file is written. */
export type ImportFormat = 'csv' | 'ndjson' | Source

/** A file as it arrives. */
export interface ArrivingFile {
  name: string
  format: ImportFormat
  /** Of Firebase: the parameters of the project's hashes. */
  hashConfig: string | undefined
  bytes: AsyncIterable<Uint8Array>
}

/** What is known of a file that was received. */
export interface AccountImport {
  id: string
  fileName: string
  /** `stopped`: it was begun, and its process ended; what was created stays. */
  state: 'ready' | 'running' | 'stopped' | 'done'
  /** What would be done, or was. */
  outcome: ImportOutcome
  /** Of an export: what it has, and what of it is not taken. */
  counts: Omit<Counts, 'left' | 'dropped'> & {
    left: [what: string, count: number][]
    dropped: [what: string, count: number][]
  }
  isExport: boolean
}

/** How a file was received. */
type ReceivedImport = { kind: 'received'; id: string } | Refused

/** Each throws `not_found` for an upload that is somebody else's, was discarded or has expired. */
export interface AccountImports {
  /**
   * Takes a file, checks it, and keeps it encrypted for an hour.
   *
   * @throws {AppError} `power_missing`
   */
  receive(file: ArrivingFile, by: Operator): Promise<ReceivedImport>
  get(id: string, by: Operator): Promise<AccountImport>
  /** Imports it; does nothing where it was imported, or is being imported. */
  run(id: string, by: Operator): Promise<void>
  discard(id: string, by: Operator): Promise<void>
}

type Deps = { uploads: Uploads; accounts: Pick<AccountService, 'import'> }

/** What is kept beside the text; the lines of an export were made here. */
type Facts = Omit<AccountImport, 'id' | 'state'> & { lines: 'csv' | 'ndjson' }

/** Creates the service. */
export const createAccountImports = (deps: Deps): AccountImports => ({
  receive: receiveFile.bind(undefined, deps),
  get: getImport.bind(undefined, deps),
  run: runImport.bind(undefined, deps),
  async discard(id, by) {
    await getImport(deps, id, by)
    await deps.uploads.remove(id)
  },
})

async function receiveFile(
  { uploads, accounts }: Deps,
  file: ArrivingFile,
  by: Operator,
): Promise<ReceivedImport> {
  assertMay(by, 'admin:accounts:write')
  const counts = noCounts()
  const lines = file.format === 'csv' ? 'csv' : 'ndjson'
  let id: string | undefined
  try {
    id = await uploads.receive('accounts', by.id, linesOf(file, counts))
    const options = { format: lines, dryRun: true } as const
    const facts: Facts = {
      fileName: file.name,
      isExport: isSource(file.format),
      outcome: await accounts.import(uploads.read(id), options, by),
      counts: { ...counts, left: [...counts.left], dropped: [...counts.dropped] },
      lines,
    }
    await uploads.ready(id, JSON.stringify(facts))
    return { kind: 'received', id }
  } catch (error) {
    if (id !== undefined) await uploads.remove(id)
    if (!(error instanceof FileRefused)) throw error
    return { kind: 'refused', problems: [{ ...error.problem, field: 'file' }] }
  }
}

const isSource = (format: ImportFormat): format is Source => format !== 'csv' && format !== 'ndjson'

/** Reads the lines of a file; those of an export are one for each account. */
async function* linesOf(
  { bytes, name, format, hashConfig }: ArrivingFile,
  counts: Counts,
): AsyncGenerator<string> {
  const text = decodeText(bounded(bytes), name)
  if (!isSource(format)) yield* text
  else for await (const row of convert(format, text, hashConfig, counts)) yield lineOf(row)
}

async function* bounded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const piece of bytes) {
    size += piece.length
    if (size > MAX_IMPORT_BYTES)
      throw new FileRefused({
        field: 'file',
        rule: 'file-large',
        sentence: `The file is larger than ${MAX_IMPORT_BYTES / 1024 / 1024} MiB. Split it, or import it with “otesse account import”.`,
      })
    yield piece
  }
  if (size === 0)
    throw new FileRefused({ field: 'file', rule: 'file-empty', sentence: 'The file is empty.' })
}

async function getImport({ uploads }: Deps, id: string, by: Operator): Promise<AccountImport> {
  const { state, facts } = await uploads.get('accounts', id, by.id)
  return { ...(JSON.parse(facts) as Facts), id, state }
}

async function runImport({ uploads, accounts }: Deps, id: string, by: Operator): Promise<void> {
  const { facts } = await uploads.get('accounts', id, by.id)
  if (!(await uploads.start(id))) return
  try {
    const found = JSON.parse(facts) as Facts
    const options = { format: found.lines, dryRun: false } as const
    const outcome = await accounts.import(uploads.read(id), options, by)
    await uploads.finish(id, JSON.stringify({ ...found, outcome }))
  } catch (error) {
    // What was created stays, and is left as it is when the rest is imported.
    await uploads.giveBack(id).catch(() => undefined)
    throw error
  }
}
