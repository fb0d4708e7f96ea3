import { Readable } from 'node:stream'
import fc from 'fast-check'
import {
  createRedaction,
  redactedForms,
  redactText,
} from '../../../src/connections/proxy/redaction.ts'

const TOKEN = 'xoxb-1234/secret+value='

async function redact(parts: readonly string[], secrets = [TOKEN]): Promise<string> {
  const source = Readable.from(parts.map((part) => Buffer.from(part)))
  const out: Buffer[] = []
  const redaction = source.pipe(createRedaction(redactedForms(secrets), 1_000_000))
  for await (const part of redaction as AsyncIterable<Buffer>) out.push(part)
  return Buffer.concat(out).toString()
}

test.each([
  ['as it is', TOKEN],
  ['percent-encoded', encodeURIComponent(TOKEN)],
  ['as JSON that escapes slashes', TOKEN.replace('/', '\\/')],
  ['in base64', Buffer.from(TOKEN).toString('base64')],
  ['in base64url', Buffer.from(TOKEN).toString('base64url')],
])('a credential that comes back %s is blanked, and the length stays', async (_how, form) => {
  const body = `before ${form} after`
  expect(await redact([body])).toBe(`before ${'*'.repeat(form.length)} after`)
  expect(redactText(body, redactedForms([TOKEN]))).toBe(await redact([body]))
})

test('wherever the body is cut, no part of the credential gets through', async () => {
  const body = `a ${TOKEN} b ${TOKEN}${TOKEN} xoxb-1234 c`
  const stars = '*'.repeat(TOKEN.length)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(body.length), { maxLength: 12 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((left, right) => left - right), body.length]
      const parts = at.slice(1).map((end, index) => body.slice(at[index], end))
      expect(await redact(parts)).toBe(`a ${stars} b ${stars}${stars} xoxb-1234 c`)
    }),
  )
})

test('a part in which no credential begins goes on at once', () => {
  const redaction = createRedaction(redactedForms([TOKEN]), 1000)
  redaction.write('data: hello\n\n')
  expect(String(redaction.read())).toBe('data: hello\n\n')
  redaction.write('data: xoxb')
  expect(String(redaction.read())).toBe('data: ')
  redaction.end()
  expect(String(redaction.read())).toBe('xoxb')
})

test('what is too short to be told from words is left alone', async () => {
  expect(await redact(['key key'], ['key'])).toBe('key key')
})

test('more than it may be ends in an error', async () => {
  const redaction = createRedaction([], 3)
  const ended = new Promise((resolve) => redaction.on('error', resolve))
  redaction.write('abcd')
  expect(await ended).toMatchObject({ reason: 'too_large' })
})
