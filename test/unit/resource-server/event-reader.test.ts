// Server-sent events in pieces of any size.
import fc from 'fast-check'
import { createEventReader } from '../../../packages/resource-server/src/event-stream.ts'
import { hasTokenForm, tokenHash } from '../../../packages/resource-server/src/token-form.ts'
import { sha256 } from '../../../src/shared/crypto.ts'
import { newAccessToken, newCode, newGrantId } from '../../../src/shared/token-format.ts'

const TEXT =
  'id: 1-0\nevent: hello\ndata: {"a":1}\n\n: alive\n\nevent: revoked\r\ndata: x\r\n\r\nevent\ndata: y\n\nid: 2-0\nevent: end\ndata: a\ndata: b\n\nevent: cut'
const EVENTS = [
  { type: 'hello', id: '1-0', data: '{"a":1}' },
  { type: '', id: undefined, data: '' },
  { type: 'revoked', id: undefined, data: 'x' },
  { type: 'end', id: '2-0', data: 'a\nb' },
]

it('reads events however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: TEXT.length })), (cuts) => {
      const read = createEventReader()
      const at = [0, ...cuts.sort((a, b) => a - b), TEXT.length]
      const events = at.slice(1).flatMap((end, index) => read(TEXT.slice(at[index], end)))
      expect(events).toEqual(EVENTS)
    }),
  )
})

it('does not gather a line without an end', () => {
  const read = createEventReader()
  expect(() => {
    for (let count = 0; count < 100; count += 1) read('x'.repeat(1000))
  }).toThrow('not one')
})

it('knows the form of access tokens as the server makes them, and their names in the store', () => {
  for (let count = 0; count < 200; count += 1) {
    const token = newAccessToken(newGrantId())
    expect(hasTokenForm(token)).toBe(true)
    expect(tokenHash(token)).toBe(sha256(token))
    expect(hasTokenForm(newCode(newGrantId()))).toBe(false)
    const at = 10 + (count % 49)
    const letter = token[at] === 'a' ? 'b' : 'a'
    expect(hasTokenForm(token.slice(0, at) + letter + token.slice(at + 1))).toBe(false)
  }
})
