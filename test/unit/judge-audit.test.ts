import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../support/judge-audit.ts', import.meta.url))

function judge(answer: unknown) {
  const input = typeof answer === 'string' ? answer : JSON.stringify(answer)
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT], { input, encoding: 'utf8' })
  return { status, stdout }
}

const reportOf = (severities: Record<string, string>) => ({
  auditReportVersion: 2,
  vulnerabilities: Object.fromEntries(
    Object.entries(severities).map(([name, severity]) => [name, { name, severity, range: '<2' }]),
  ),
})

describe('what is known about the dependencies', () => {
  it.each(['high', 'critical'])('fails on a vulnerability that is %s, and names it', (severity) => {
    const { status, stdout } = judge(reportOf({ koa: severity, pg: 'low' }))
    expect(status).toBe(1)
    expect(stdout).toContain(`${severity}: koa <2`)
    expect(stdout).not.toContain('pg')
  })

  it.each([{}, { koa: 'moderate', pg: 'low' }])('passes on %j', (severities) => {
    expect(judge(reportOf(severities)).status).toBe(0)
  })

  it.each([
    [
      'a registry that does not know the question',
      { message: '405 Method Not Allowed - POST x', statusCode: 405 },
    ],
    ['a network that is away', { message: 'request to x failed, reason: ENOTFOUND', error: {} }],
    ['no answer', ''],
    ['a page of a proxy', '<html>'],
  ])('is told, and is no failure: %s', (_what, answer) => {
    const { status, stdout } = judge(answer)
    expect(status).toBe(0)
    expect(stdout).toContain('could not be asked for')
  })
})
