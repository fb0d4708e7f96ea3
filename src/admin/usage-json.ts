// A report of usage as JSON, the same for the admin API and the command line.
import type { UsageReport } from './usage-reports.ts'
import { FIGURE_NAMES, refreshesPerDay } from './usage-figures.ts'

const snake = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Returns the totals of a report, with those of the period before. */
export const reportJson = (report: UsageReport) => ({
  from: report.period.from.toISOString(),
  to: report.period.to.toISOString(),
  figures: Object.fromEntries(
    FIGURE_NAMES.map((name) => [
      snake(name),
      { total: report.figures[name].total, before: report.figures[name].before },
    ]),
  ),
  live_authorizations: report.now?.live ?? null,
  people_connected: report.now?.people ?? null,
  counted_at: report.now?.at.toISOString() ?? null,
  refreshes_per_day:
    refreshesPerDay(report.figures.refreshed.total, report.now?.live, report.period) ?? null,
  refusals: report.refusals.map((each) => ({ ...each })),
  revocations: report.revocations.map((each) => ({ ...each })),
})
