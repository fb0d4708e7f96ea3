// Files that admins upload in the console, until they are acted on. Invariants: what a file says is
// encrypted, and gone when it was acted on, discarded, or has expired; one person sees it; and of
// two who want to act on it, however close together, one does.
import type { Encryption } from '../shared/encryption.ts'
import { type Clock, dateNow, HOUR, MINUTE } from '../shared/clock.ts'
import { randomBase62 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import type { UploadRow } from '../storage/schema.ts'

const KEPT_MILLIS = HOUR
/** Work that was not seen for so long has ended with its process. */
const SILENT_MILLIS = MINUTE
/** How many files of one person wait at a time. */
const MAX_WAITING = 5
const PIECE_CHARACTERS = 256 * 1024

/** A file that was received. */
export interface KeptUpload {
  id: string
  /** `stopped` is the work on it that ended with its process. */
  state: 'ready' | 'running' | 'stopped' | 'done'
  /** What was found in it, and what came of it: JSON of whoever received it. */
  facts: string
}

/** What an upload is for. */
export type UploadKind = 'accounts' | 'declaration'

/** Keeps uploads. `not_found` is thrown for those of others and those that have expired. */
export interface Uploads {
  /**
   * Takes a text as it arrives; of the person's files that wait to be acted on the oldest go.
   *
   * @returns the id, under which it can be read; it is found after `ready`
   */
  receive(kind: UploadKind, accountId: string, text: AsyncIterable<string>): Promise<string>
  /** Lets it be found. @param facts what was found in it */
  ready(id: string, facts: string): Promise<void>
  /** @throws {AppError} `not_found` */
  get(kind: UploadKind, id: string, accountId: string): Promise<KeptUpload>
  /** Reads the text, piece by piece. @throws {AppError} `not_found` where one is gone meanwhile */
  read(id: string): AsyncGenerator<string>
  /** Begins to act on it; `false` where somebody does so already, or did. */
  start(id: string): Promise<boolean>
  /** Ends acting on it: the text goes, and the facts are kept for whoever looks again. */
  finish(id: string, facts: string): Promise<void>
  /** Lets somebody act on it again. */
  giveBack(id: string): Promise<void>
  /** Removes it, unless somebody acts on it. */
  remove(id: string): Promise<void>
  /** Removes up to `limit` that have expired and returns how many it removed. */
  removeExpired(limit?: number): Promise<number>
}

type Deps = { db: Database; encryption: Encryption; clock: Clock }

/** Creates the store. */
export const createUploads = (deps: Deps): Uploads => ({
  receive: receiveText.bind(undefined, deps),
  ready: (id, facts) =>
    change(deps, id, ['receiving'], {
      state: 'ready',
      encrypted_facts: deps.encryption.encrypt(facts, factsOf(id)),
    }).then(() => undefined),
  get: getUpload.bind(undefined, deps),
  read: readPieces.bind(undefined, deps),
  start: start.bind(undefined, deps),
  finish: (id, facts) =>
    withDatabase(() =>
      deps.db.transaction().execute(async (trx) => {
        await change({ ...deps, db: trx }, id, ['running'], {
          state: 'done',
          encrypted_facts: deps.encryption.encrypt(facts, factsOf(id)),
        })
        await trx.deleteFrom('upload_pieces').where('upload_id', '=', id).execute()
      }),
    ),
  giveBack: (id) => change(deps, id, ['running'], { state: 'ready' }).then(() => undefined),
  remove: removeUpload.bind(undefined, deps),
  removeExpired: (limit = 100) =>
    withDatabase(async () => {
      const expired = deps.db
        .selectFrom('uploads')
        .select('id')
        .where('expires_at', '<=', dateNow(deps.clock))
        .limit(limit)
      const { numDeletedRows } = await deps.db
        .deleteFrom('uploads')
        .where('id', 'in', expired)
        .executeTakeFirst()
      return Number(numDeletedRows)
    }),
})

const removeUpload = (deps: Deps, id: string): Promise<void> =>
  withDatabase(async () => {
    const silent = before(deps, SILENT_MILLIS)
    await deps.db
      .deleteFrom('uploads')
      .where('id', '=', id)
      .where((eb) => eb.or([eb('state', '!=', 'running'), eb('touched_at', '<=', silent)]))
      .execute()
  })

const before = ({ clock }: Deps, millis: number): Date => new Date(clock() - millis)
const factsOf = (id: string) => ({ table: 'uploads', column: 'encrypted_facts', rowId: id })
const placeOf = (id: string, position: number) => ({
  table: 'upload_pieces',
  column: 'encrypted_piece',
  rowId: `${id} ${position}`,
})

async function receiveText(
  deps: Deps,
  kind: UploadKind,
  accountId: string,
  text: AsyncIterable<string>,
): Promise<string> {
  const { db, encryption, clock } = deps
  const id = `upl_${randomBase62(20)}`
  const now = dateNow(clock)
  await withDatabase(async () => {
    const mine = db
      .selectFrom('uploads')
      .select('id')
      .where('account_id', '=', accountId)
      .where('state', '=', 'ready')
      .orderBy('created_at', 'desc')
      .offset(MAX_WAITING - 1)
    await db.deleteFrom('uploads').where('id', 'in', mine).execute()
    await db
      .insertInto('uploads')
      .values({
        id,
        kind,
        account_id: accountId,
        state: 'receiving',
        pieces: 0,
        created_at: now,
        touched_at: now,
        expires_at: new Date(now.getTime() + KEPT_MILLIS),
      })
      .execute()
  })
  let position = 0
  try {
    for await (const piece of inPieces(text)) {
      const encrypted = encryption.encrypt(piece, placeOf(id, position))
      const values = { upload_id: id, position, encrypted_piece: encrypted }
      await withDatabase(() => db.insertInto('upload_pieces').values(values).execute())
      position += 1
    }
  } catch (error) {
    // Otherwise it goes when it expires.
    await removeUpload(deps, id).catch(() => undefined)
    throw error
  }
  await change(deps, id, ['receiving'], { pieces: position })
  return id
}

/** Puts small pieces together, so that none costs a query of its own. */
async function* inPieces(text: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = ''
  for await (const part of text) {
    piece += part
    if (piece.length < PIECE_CHARACTERS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

const change = (
  { db, clock }: Deps,
  id: string,
  states: readonly UploadRow['state'][],
  values: Partial<Pick<UploadRow, 'state' | 'pieces' | 'encrypted_facts'>>,
): Promise<boolean> =>
  withDatabase(async () => {
    const { numUpdatedRows } = await db
      .updateTable('uploads')
      .set({ ...values, touched_at: dateNow(clock) })
      .where('id', '=', id)
      .where('state', 'in', states)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  })

async function getUpload(
  deps: Deps,
  kind: UploadKind,
  id: string,
  accountId: string,
): Promise<KeptUpload> {
  const row = await withDatabase(() =>
    deps.db
      .selectFrom('uploads')
      .selectAll()
      .where('id', '=', id)
      .where('kind', '=', kind)
      .where('account_id', '=', accountId)
      .where('expires_at', '>', dateNow(deps.clock))
      .executeTakeFirst(),
  )
  if (row === undefined || row.encrypted_facts === null || row.state === 'receiving')
    throw new AppError('not_found', { detail: 'upload' })
  const isSilent = row.touched_at <= before(deps, SILENT_MILLIS)
  return {
    id,
    state: row.state === 'running' && isSilent ? 'stopped' : row.state,
    facts: deps.encryption.decrypt(row.encrypted_facts, factsOf(id)),
  }
}

async function* readPieces({ db, encryption, clock }: Deps, id: string): AsyncGenerator<string> {
  // Work is seen by its reading.
  const touch = () =>
    withDatabase(() =>
      db
        .updateTable('uploads')
        .set({ touched_at: dateNow(clock) })
        .where('id', '=', id)
        .returning('pieces')
        .executeTakeFirst(),
    )
  for (let position = 0; ; position += 1) {
    const upload = await touch()
    if (upload === undefined) throw new AppError('not_found', { detail: 'upload' })
    if (position >= upload.pieces) return
    const row = await withDatabase(() =>
      db
        .selectFrom('upload_pieces')
        .select('encrypted_piece')
        .where('upload_id', '=', id)
        .where('position', '=', position)
        .executeTakeFirst(),
    )
    if (row === undefined) throw new AppError('not_found', { detail: 'upload' })
    yield encryption.decrypt(row.encrypted_piece, placeOf(id, position))
  }
}

const start = (deps: Deps, id: string): Promise<boolean> =>
  withDatabase(async () => {
    const now = dateNow(deps.clock)
    const { numUpdatedRows } = await deps.db
      .updateTable('uploads')
      .set({ state: 'running', touched_at: now, expires_at: new Date(now.getTime() + KEPT_MILLIS) })
      .where('id', '=', id)
      .where('expires_at', '>', now)
      .where((eb) =>
        eb.or([
          eb('state', '=', 'ready'),
          eb.and([
            eb('state', '=', 'running'),
            eb('touched_at', '<=', before(deps, SILENT_MILLIS)),
          ]),
        ]),
      )
      .executeTakeFirst()
    return numUpdatedRows > 0n
  })
