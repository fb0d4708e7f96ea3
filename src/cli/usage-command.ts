// otesse usage: the figures of the server or of one app, as the console shows them.
import type { Command } from 'commander'
import { FIGURE_NAMES, FIGURES, RANGE_NAMES, rangeOf, RANGES } from '../admin/usage-figures.ts'
import { reportJson } from '../admin/usage-json.ts'
import type { UsageReport } from '../admin/usage-reports.ts'
import { getNamedApp } from './app-commands.ts'
import type { Does } from './command.ts'
import { facts, table, timeText } from './layout.ts'
import { usageRefusal } from './session.ts'

interface UsageFlags {
  app?: string
  since: string
}

/** Adds `otesse usage`. */
export function addUsageCommand(program: Command, does: Does): void {
  const usage = program
    .command('usage')
    .description('show figures of usage, compared with the period before')
    .option('--app <app>', 'of this app; of the whole server by default')
    .option('--since <range>', `how far back: ${RANGE_NAMES.join(', ')}`, '30d')
    .addHelpText('after', '\nExample:\n  $ otesse usage --since 7d')
  does(usage, (session) => {
    const { app, since } = usage.opts<UsageFlags>()
    const range = rangeOf(since)
    if (range !== since) throw usageRefusal(`--since is one of ${RANGE_NAMES.join(', ')}`)
    return session.withServices(async ({ apps, usageReports }) => {
      const appId = app === undefined ? undefined : (await getNamedApp(apps, app)).id
      const report = await usageReports.report(range, appId)
      return { json: reportJson(report), text: textOf(report, RANGES[range].label) }
    })
  })
}

function textOf({ figures, now, refusals, revocations }: UsageReport, label: string): string {
  const rows = FIGURE_NAMES.map((name) => {
    const { total, before, values } = figures[name]
    return [FIGURES[name].label, String(total), String(before), line(values)]
  })
  const reasons = [
    ...refusals.map(({ reason, count }) => ['refused', reason, String(count)]),
    ...revocations.map(({ reason, count }) => ['ended', reason, String(count)]),
  ]
  return [
    table([`LAST ${label.toUpperCase()}`, 'COUNT', 'BEFORE', 'COURSE'], rows),
    facts([
      ['live authorizations', now && String(now.live)],
      ['people connected', now && String(now.people)],
      ['counted at', now && timeText(now.at)],
    ]),
    reasons.length === 0 ? '' : table(['WHY', 'REASON', 'COUNT'], reasons),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

const MOST_CELLS = 40
const CELLS = '▁▂▃▄▅▆▇█'

/** Draws the course of values in one line; neighbours share a cell where there are many. */
function line(values: readonly number[]): string {
  const each = Math.ceil(values.length / MOST_CELLS)
  const cells = Array.from({ length: Math.ceil(values.length / each) }, (_, at) =>
    values.slice(at * each, (at + 1) * each).reduce((sum, value) => sum + value, 0),
  )
  const most = Math.max(...cells)
  if (most === 0) return ''
  return cells
    .map((value) => (value === 0 ? ' ' : CELLS[Math.ceil((value / most) * CELLS.length) - 1]))
    .join('')
}
