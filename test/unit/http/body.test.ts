// Bodies as bytes and as text: bounds hold wherever the pieces are cut, and an incomplete body is
// an error.
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { hasBody, readBytes, readText } from '../../../src/http/body.ts'

const request = (pieces: Iterable<Uint8Array>, headers = {}): IncomingMessage =>
  Object.assign(Readable.from(pieces, { objectMode: false }), {
    headers,
  }) as unknown as IncomingMessage

/** Cuts bytes into pieces of these lengths, over and over. */
function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1
    yield Buffer.from(bytes.subarray(at, at + length))
    at += length
  }
}

async function textOf(message: IncomingMessage, maxLineBytes: number): Promise<string> {
  let text = ''
  for await (const piece of readText(message, maxLineBytes)) text += piece
  return text
}

const lengths = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 })

it('reads text as it was written, wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), lengths, async (text, pieces) => {
      const body = request(cut(Buffer.from(text), pieces))
      // A byte order mark at the beginning is no text.
      expect(await textOf(body, 10_000)).toBe(text.replace(/^\uFEFF/, ''))
    }),
  )
})

it('bounds each line, wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 12 })), lengths, async (lines, pieces) => {
      const text = lines.map((length) => 'x'.repeat(length)).join('\n')
      const reading = textOf(request(cut(Buffer.from(text), pieces)), 10)
      if (lines.some((length) => length > 10))
        await expect(reading).rejects.toThrow('import_line_too_long')
      else expect(await reading).toBe(text)
    }),
  )
})

it('refuses what is not UTF-8, also at the very end', async () => {
  for (const bytes of [[0xff], [0x61, 0xc3], [0xc3, 0x28]])
    await expect(textOf(request([Buffer.from(bytes)]), 10)).rejects.toThrow('body_not_utf8')
})

it('bounds a whole body, announced or not', async () => {
  const bytes = Buffer.alloc(11)
  expect(await readBytes(request([bytes]), 11)).toEqual(bytes)
  await expect(readBytes(request([bytes]), 10)).rejects.toThrow('body_too_large')
  const announced = request([], { 'content-length': '11' })
  await expect(readBytes(announced, 10, 'logo_too_large')).rejects.toThrow('logo_too_large')
})

it('does not take a part for the whole', async () => {
  function* broken(): Generator<Uint8Array> {
    yield Buffer.from('a\n')
    throw new Error('gone')
  }
  await expect(textOf(request(broken()), 10)).rejects.toThrow('body_incomplete')
  await expect(readBytes(request(broken()), 10)).rejects.toThrow('body_incomplete')
})

it.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ 'content-length': '0' }, false],
  [{ 'content-length': '1' }, true],
  [{ 'transfer-encoding': 'chunked' }, true],
])('RFC 9112 §6.3 — headers %j announce a body: %s', (headers, expected) => {
  expect(hasBody(request([], headers))).toBe(expected)
})
