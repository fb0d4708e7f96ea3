// Reads the answer of `npm audit --json` from standard input and ends with 1 where it names a
// vulnerability of high or critical severity. An answer that is none (no network, a registry that
// does not know the question) is told and is no failure: then nobody knows, and the change is not
// to blame. See `npm run vulnerabilities`.
import { text } from 'node:stream/consumers'

interface AuditReport {
  auditReportVersion?: number
  message?: string
  vulnerabilities?: Record<string, { severity: string; isDirect?: boolean; range?: string }>
}

function parseReport(answer: string): AuditReport {
  try {
    return JSON.parse(answer) as AuditReport
  } catch {
    return {}
  }
}

const report = parseReport(await text(process.stdin))
const { auditReportVersion, vulnerabilities = {}, message = 'no answer' } = report
if (auditReportVersion === undefined) {
  const reason = message.split(' - ', 1)[0] ?? ''
  process.stdout.write(`Note: known vulnerabilities could not be asked for (${reason}).\n`)
} else {
  const grave = Object.entries(vulnerabilities).filter(([, { severity }]) =>
    ['high', 'critical'].includes(severity),
  )
  for (const [name, { severity, range = '' }] of grave)
    process.stdout.write(`${severity}: ${name} ${range}\n`)
  process.stdout.write(
    `${grave.length} production dependencies have a known vulnerability of high or critical severity.\n`,
  )
  if (grave.length > 0) process.exitCode = 1
}
