// Files that people hand to the console and the command line: Unicode in its usual forms is read,
// everything else is named.
import { decodeText, decodeWhole } from '../../../../src/admin/import/text-file.ts'

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size)
    yield await Promise.resolve(bytes.subarray(at, at + size))
}

async function read(bytes: Uint8Array, size: number): Promise<string> {
  let text = ''
  for await (const piece of decodeText(inPieces(bytes, size), 'people.csv')) text += piece
  return text
}

const TEXT = 'email\nkäthe@example.com\nłódź 😀\n'
const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(TEXT, 'utf16le')])

test.each([
  ['UTF-8', Buffer.from(TEXT)],
  ['UTF-8 with a mark', Buffer.from(`\uFEFF${TEXT}`)],
  ['UTF-16, little end first', utf16],
  ['UTF-16, big end first', Buffer.from(utf16).swap16()],
])('%s is read, however it arrives', async (_name, bytes) => {
  for (const size of [1, 2, 3, 1000]) expect(await read(bytes, size)).toBe(TEXT)
  expect(await decodeWhole(bytes, 'apps.yaml')).toBe(TEXT)
})

test('nothing is nothing', async () => {
  expect(await read(Buffer.alloc(0), 1)).toBe('')
})

test.each([
  ['Windows-1252', Buffer.from('email\nmüller@example.com\n', 'latin1'), /line 2 .*Windows-1252/],
  ['UTF-16 without a mark', Buffer.from('email\nmüller@example.com\n', 'utf16le'), /UTF-16/],
  ['half of UTF-16', Buffer.concat([utf16, Buffer.from([0])]), /UTF-16/],
])('%s is refused and named, and the file with it', async (_name, bytes, sentence) => {
  for (const size of [7, 1000])
    await expect(read(bytes, size)).rejects.toMatchObject({
      problem: {
        value: 'people.csv',
        rule: 'file-encoding',
        sentence: expect.stringMatching(sentence),
      },
    })
})
