// Forms with a file in them (RFC 7578), read in one pass. Invariant: memory is bounded whatever is
// sent: a small file is kept whole and a large one handed on piece by piece; what is too long of it
// is thrown away, and what is too long of anything else refuses the whole. Called by csrf.ts.
import type { IncomingMessage } from 'node:http'
import {
  Busboy,
  type BusboyFileStream,
  type BusboyHeaders,
  type BusboyInstance,
} from '@fastify/busboy'
import { AppError } from '../shared/errors.ts'
import type { Parameters } from './parameters.ts'

/** A file of a form. */
export interface UploadedFile {
  /** One byte more than allowed at most, so that a check of the size sees that it is too large. */
  bytes: Uint8Array
  /** What the browser says that it is. */
  contentType: string
  /** What the browser says that it is called. */
  fileName: string
}

/** A form with its files by the name of their field; a file input that was left empty is absent. */
export interface Upload {
  fields: Parameters
  files: ReadonlyMap<string, UploadedFile>
}

/** A file that is taken while it arrives. */
export interface IncomingFile {
  /** The name of its field. */
  field: string
  /** What the browser says that it is called. */
  fileName: string
  /** One byte more than allowed at most; to be read to the end, or left. */
  bytes: AsyncIterable<Uint8Array>
}

/** Takes a file. @param fields those that stand before the file in the form */
export type ReceiveFile = (file: IncomingFile, fields: Parameters) => Promise<void>

const MAX_BODY_BYTES = 16 * 1024 * 1024
/** What may stand around a file that is larger than forms usually are. */
const MAX_AROUND_BYTES = 1024 * 1024
const MAX_FIELD_BYTES = 64 * 1024
const MAX_FIELDS = 1000

/**
 * Reads a form with files.
 *
 * @param maxFileBytes what is beyond is thrown away
 * @param receive takes each file as it arrives; without it files are in the answer
 * @throws {AppError} `upload_too_large`, `body_…`, `parameter_duplicated`; whatever `receive`
 * throws
 */
export function readMultipart(
  request: IncomingMessage,
  maxFileBytes: number,
  receive?: ReceiveFile,
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>()
    const files = new Map<string, UploadedFile>()
    const seen = new Set<string>()
    const maxBodyBytes = Math.max(MAX_BODY_BYTES, maxFileBytes + MAX_AROUND_BYTES)
    const parser = createParser(request, maxFileBytes, maxBodyBytes)
    const receiving: Promise<void>[] = []
    let open: BusboyFileStream | undefined
    let received = 0

    const fail = (error: Error): void => {
      request.unpipe(parser)
      request.pause()
      // Whoever takes the file waits for more of it.
      open?.destroy(error)
      reject(error)
    }
    const isNew = (name: string): boolean => {
      const isFirst = !seen.has(name)
      seen.add(name)
      if (!isFirst) fail(new AppError('parameter_duplicated', { about: name }))
      return isFirst
    }
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received > maxBodyBytes) fail(new AppError('upload_too_large'))
    })
    parser.on('field', (name, value, isNameCut, isCut) => {
      if (isNameCut || isCut) fail(new AppError('upload_too_large'))
      else if (isNew(name) && value !== '') fields.set(name, value)
    })
    parser.on('file', (name, stream, fileName, _encoding, contentType) => {
      // A file input that was left empty comes as a file without name and content.
      if (receive === undefined || !fileName)
        collect(stream, (bytes) => {
          if (isNew(name) && (bytes.length > 0 || Boolean(fileName)))
            files.set(name, { bytes, contentType, fileName: Boolean(fileName) ? fileName : '' })
        })
      else if (isNew(name)) {
        open = stream
        // Whoever reads it is told; where nobody does any more, nobody needs to be.
        stream.on('error', () => undefined)
        const file = { field: name, fileName, bytes: unendingly(stream) }
        receiving.push(
          receive(file, fields)
            .then(() => void stream.resume())
            .catch((error: unknown) =>
              fail(error instanceof Error ? error : new AppError('server_error', { cause: error })),
            ),
        )
      }
    })
    for (const limit of ['fieldsLimit', 'partsLimit', 'filesLimit'] as const)
      parser.on(limit, () => fail(new AppError('upload_too_large')))
    parser.on('error', (cause) => fail(new AppError('body_not_form', { cause })))
    parser.on('finish', () => void Promise.all(receiving).then(() => resolve({ fields, files })))
    const incomplete = (): void => fail(new AppError('body_incomplete'))
    request.on('error', incomplete)
    request.on('aborted', incomplete)
    request.pipe(parser)
  })
}

// Left before its end, the stream must not be destroyed: the parser waits until it was read.
const unendingly = (stream: BusboyFileStream): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }),
})

function createParser(
  request: IncomingMessage,
  maxFileBytes: number,
  maxBodyBytes: number,
): BusboyInstance {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes)
    throw new AppError('upload_too_large')
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: {
        fields: MAX_FIELDS,
        fieldSize: MAX_FIELD_BYTES,
        fieldNameSize: 200,
        files: 4,
        fileSize: maxFileBytes + 1,
        headerPairs: 20,
      },
    })
  } catch (cause) {
    // No boundary, above all.
    throw new AppError('body_not_form', { cause })
  }
}

function collect(stream: BusboyFileStream, done: (bytes: Uint8Array) => void): void {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  stream.on('end', () => done(Buffer.concat(chunks)))
  // A body that ends in the middle of a file is reported by the parser.
  stream.on('error', () => undefined)
}
