// Forms with a file in them (RFC 7578), read in one pass. Invariant: memory is bounded whatever is
// sent: what is too long of a file is counted and thrown away, and what is too long of anything
// else refuses the whole. Called by csrf.ts for forms that upload pictures.
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
}

/** A form with its files by the name of their field; a file input that was left empty is absent. */
export interface Upload {
  fields: Parameters
  files: ReadonlyMap<string, UploadedFile>
}

const MAX_BODY_BYTES = 16 * 1024 * 1024
const MAX_FIELD_BYTES = 64 * 1024
const MAX_FIELDS = 1000

/**
 * Reads a form with files.
 *
 * @param maxFileBytes what is beyond is thrown away
 * @throws {AppError} `upload_too_large`, `body_…`, `parameter_duplicated`
 */
export function readMultipart(request: IncomingMessage, maxFileBytes: number): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>()
    const files = new Map<string, UploadedFile>()
    const seen = new Set<string>()
    const parser = createParser(request, maxFileBytes)
    let received = 0

    const fail = (error: AppError): void => {
      request.unpipe(parser)
      request.pause()
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
      if (received > MAX_BODY_BYTES) fail(new AppError('upload_too_large'))
    })
    parser.on('field', (name, value, isNameCut, isCut) => {
      if (isNameCut || isCut) fail(new AppError('upload_too_large'))
      else if (isNew(name) && value !== '') fields.set(name, value)
    })
    parser.on('file', (name, stream, fileName, _encoding, contentType) => {
      collect(stream, (bytes) => {
        // A file input that was left empty comes as a file without name and content.
        if (isNew(name) && (bytes.length > 0 || Boolean(fileName)))
          files.set(name, { bytes, contentType })
      })
    })
    for (const limit of ['fieldsLimit', 'partsLimit', 'filesLimit'] as const)
      parser.on(limit, () => fail(new AppError('upload_too_large')))
    parser.on('error', (cause) => fail(new AppError('body_not_form', { cause })))
    parser.on('finish', () => resolve({ fields, files }))
    const incomplete = (): void => fail(new AppError('body_incomplete'))
    request.on('error', incomplete)
    request.on('aborted', incomplete)
    request.pipe(parser)
  })
}

function createParser(request: IncomingMessage, maxFileBytes: number): BusboyInstance {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES)
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
