// The activity as a file: no cell is a formula, nothing is lost, and no more than a page is in
// memory.
import { describe, expect, it } from '@jest/globals'
import { csvCell, exportEvents } from '../../../../src/admin/console/export.ts'
import type { EventPage, EventQuery, RecordedEvent } from '../../../../src/audit/event.store.ts'

const anEvent = (id: number): RecordedEvent => ({
  id: `evt_${id}`,
  at: new Date(Date.UTC(2026, 0, 5)),
  name: 'app.suspended',
  reason: undefined,
  appId: 'app_1',
  accountId: undefined,
  grantId: undefined,
  actor: '=1+1',
  address: undefined,
  requestId: undefined,
  data: { statusReason: 'It said "no", twice;\nthen stopped' },
})

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const line of lines) text += line
  return text
}

describe('a cell', () => {
  it.each([
    ['=HYPERLINK("http://evil.example")', `"'=HYPERLINK(""http://evil.example"")"`],
    ['+1', `"'+1"`],
    ['-1', `"'-1"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['  =1', `"'  =1"`],
    ['\t=1', `"'\t=1"`],
    ['\r=1', `"'\r=1"`],
    ['\uFF1D1', `"'\uFF1D1"`],
    ['plain, with a comma', '"plain, with a comma"'],
    ['{"a":"b"}', '"{""a"":""b""}"'],
    ['', '""'],
  ])('%j is written as %j', (text, cell) => {
    expect(csvCell(text)).toBe(cell)
  })
})

describe('the file', () => {
  const pages: Record<string, EventPage> = {
    first: { events: [anEvent(1), anEvent(2)], nextCursor: 'second' },
    second: { events: [anEvent(3)], nextCursor: undefined },
  }
  const list = (query: EventQuery) => Promise.resolve(pages[query.cursor ?? 'first']!)

  it('has a line for every event of every page', async () => {
    const csv = await textOf(exportEvents(list, {}, 'csv'))
    expect(csv.startsWith('\uFEFFat,name,reason')).toBe(true)
    expect(csv.match(/evt_\d/g)).toEqual(['evt_1', 'evt_2', 'evt_3'])
    const rows = (await textOf(exportEvents(list, {}, 'ndjson'))).trim().split('\n')
    expect(rows.map((row) => (JSON.parse(row) as RecordedEvent).id)).toEqual([
      'evt_1',
      'evt_2',
      'evt_3',
    ])
    expect(JSON.parse(rows[0]!).data.statusReason).toContain('\n')
  })

  it('reads the next page only when the last was taken', async () => {
    const asked: (string | undefined)[] = []
    const lines = exportEvents(
      (query) => {
        asked.push(query.cursor)
        return list(query)
      },
      {},
      'ndjson',
    )
    await lines.next()
    expect(asked).toEqual([undefined])
    await lines.next()
    expect(asked).toEqual([undefined, 'second'])
  })
})
