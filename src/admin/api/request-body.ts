// The bodies of requests as their operations take them: JSON and files whole and bounded, lines as
// they arrive.
import type { Context } from 'koa'
import { MAX_LOGO_BYTES } from '../../apps/logo.ts'
import { decodeUtf8, hasBody, mediaTypeOf, readBytes, readText } from '../../http/body.ts'
import { AppError } from '../../shared/errors.ts'
import { parseJsonObject } from './json-object.ts'
import { toInput } from './members.ts'
import { mediaTypes } from './openapi.ts'
import type { Call, Operation } from './operation.ts'

const BODY_LIMIT_BYTES = 64 * 1024
const LINE_LIMIT_BYTES = 64 * 1024

async function* noLines(): AsyncGenerator<string, void, undefined> {
  // Nothing to read.
}

/** Reads what the operation takes. @throws {AppError} `media_type_unsupported` and what is wrong with the body itself */
export async function readBody(
  operation: Operation,
  ctx: Context,
): Promise<Pick<Call, 'members' | 'input' | 'bytes' | 'lines' | 'contentType'>> {
  const { body } = operation
  const { req } = ctx
  const contentType = mediaTypeOf(req)
  const nothing = { members: {}, input: {}, bytes: new Uint8Array(), lines: noLines(), contentType }
  if (body === undefined) return nothing
  if (body.kind === 'json' && body.optional === true && !hasBody(req)) return nothing
  const types = mediaTypes(operation)
  const { 'content-encoding': encoding = 'identity' } = req.headers
  if (!types.includes(contentType) || encoding !== 'identity') {
    // RFC 9110 §12.5.1: in an answer of 415, Accept names what would have been taken.
    ctx.set('Accept', types.join(', '))
    throw new AppError('media_type_unsupported')
  }
  switch (body.kind) {
    case 'json': {
      const members = parseJsonObject(decodeUtf8(await readBytes(req, BODY_LIMIT_BYTES)))
      return { ...nothing, members, input: toInput(members, body.schema) }
    }
    case 'file':
      return { ...nothing, bytes: await readBytes(req, MAX_LOGO_BYTES, 'logo_too_large') }
    case 'lines':
      return { ...nothing, lines: readText(req, LINE_LIMIT_BYTES) }
  }
}
