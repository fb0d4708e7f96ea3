// The files of an import: what RFC 4180 allows is read; a broken line is named and stops no other.
import fc from 'fast-check'
import { readCsv } from '../../../src/accounts/csv.ts'
import { type ImportLine, readLines } from '../../../src/accounts/import-lines.ts'

/** The text as it would arrive, in pieces of that size. */
async function* inPieces(text: string, size = 7): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size)
    yield await Promise.resolve(text.slice(at, at + size))
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const linesOf = (text: string, format: 'csv' | 'ndjson' = 'csv', size = 7): Promise<ImportLine[]> =>
  all(readLines(inPieces(text, size), format))

describe('CSV (RFC 4180)', () => {
  test('fields may be quoted and hold commas, quotes and line ends; a line end is CR LF or LF', async () => {
    const text =
      '\uFEFFemail,name\r\na@example.com,"Lovelace, ""Ada""\r\nCountess"\n\nb@example.com,\n'
    expect(await linesOf(text)).toEqual([
      { line: 2, row: { email: 'a@example.com', name: 'Lovelace, "Ada"\r\nCountess' } },
      { line: 5, row: { email: 'b@example.com' } },
    ])
  })

  test('whatever is written is read again, however it is cut into pieces', async () => {
    const field = fc.string({ unit: 'grapheme', maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 30 }),
        async (records, size) => {
          const text = records
            .map((fields) => fields.map((each) => `"${each.replaceAll('"', '""')}"`).join(','))
            .join('\r\n')
          const read = await all(readCsv(inPieces(text, size)))
          expect(read.map((record) => ('fields' in record ? record.fields : record))).toEqual(
            records,
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  test.each([
    [';', 'email;name\r\na@example.com;"Ada; Countess"\r\n', 2],
    ['tab', 'email\tname\na@example.com\tAda; Countess\n', 2],
    ['|', 'email|name\na@example.com|Ada; Countess\n', 2],
    ['named by Excel', 'sep=;\r\nemail;name\r\na@example.com;"Ada; Countess"\r\n', 3],
    ['a quoted comma in the first line', '"email";"name"\na@example.com;"Ada; Countess"', 2],
    ['lines that end in CR', 'email;name\ra@example.com;"Ada; Countess"\r', 2],
  ])('the separator of the first line counts: %s', async (_name, text, line) => {
    for (const size of [1, 3, 1000])
      expect(await linesOf(text, 'csv', size)).toEqual([
        { line, row: { email: 'a@example.com', name: 'Ada; Countess' } },
      ])
  })

  test('a broken line is refused under its number and the next one is read', async () => {
    const text = [
      'email,name,role',
      'a@example.com,A',
      'b@example.com,B"b,member',
      `c@example.com,${'x'.repeat(20_000)},member`,
      'd@example.com,"D"d,member',
      'e@example.com,E,member',
    ].join('\n')
    const found = await linesOf(text, 'csv', 4000)
    expect(
      found.map((one) => [one.line, 'problem' in one ? one.problem.rule : one.row.email]),
    ).toEqual([
      [2, 'csv-columns'],
      [3, 'csv-quotes'],
      [4, 'line-too-long'],
      [5, 'csv-quotes'],
      [6, 'e@example.com'],
    ])
  })

  test('a quote that is never closed is refused where it begins', async () => {
    expect(await linesOf('email\na@example.com\n"b@example.com\nc@example.com\n')).toMatchObject([
      { line: 2 },
      { line: 3, problem: { rule: 'csv-quotes' } },
    ])
  })

  test.each([
    ['email,pasword_hash\na@example.com,x', 'columns-unknown'],
    ['email,email\na@example.com,x', 'columns-unknown'],
    ['name\nAda', 'columns-missing'],
    ['a@example.com,Ada\nb@example.com,Bob', 'columns-unknown'],
  ])('a first line that is not understood ends it: %j', async (text, rule) => {
    expect(await linesOf(text)).toEqual([
      { line: 1, problem: expect.objectContaining({ rule }), isFatal: true },
    ])
  })
})

describe('NDJSON', () => {
  test('a JSON list is named as one', async () => {
    expect(await linesOf('[{"email":"a@example.com"}]', 'ndjson')).toMatchObject([
      { line: 1, problem: { rule: 'json-list' } },
    ])
  })

  test('is an object a line; what is not is refused under its number', async () => {
    const text = [
      '{"email":"a@example.com","name":null,"password_hash":"$2b$"}',
      '',
      'nonsense',
      '["b@example.com"]',
      '{"email":"c@example.com","pasword":"x"}',
      '{"email":5}',
      `{"email":"${'d'.repeat(20_000)}"}`,
      '{"email":"e@example.com","role":"admin"}',
    ].join('\r\n')
    for (const size of [3, 5000]) {
      const found = await linesOf(text, 'ndjson', size)
      expect(found.map((one) => [one.line, 'problem' in one ? one.problem.rule : one.row])).toEqual(
        [
          [1, { email: 'a@example.com', password_hash: '$2b$' }],
          [3, 'json'],
          [4, 'json'],
          [5, 'columns-unknown'],
          [6, 'json-text'],
          [7, 'line-too-long'],
          [8, { email: 'e@example.com', role: 'admin' }],
        ],
      )
    }
  })
})
