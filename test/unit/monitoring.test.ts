// The examples for Prometheus and Grafana name only what /metrics has; and where promtool is
// installed, each alert fires when it should and not else.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { createMetrics } from '../../src/shared/metrics.ts'

const FOLDER = 'examples/monitoring'
const read = (file: string): string => readFileSync(`${FOLDER}/${file}`, 'utf8')

/** Names of metrics in texts, without the endings of histograms. */
const namesIn = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/\b(?:otesse|process|nodejs)_\w+/g)].map(([name]) =>
      name.replace(/^(otesse_\w+_seconds)_(?:bucket|count|sum)$/, '$1'),
    ),
  )

const known = (): Promise<Set<string>> =>
  Promise.resolve(
    new Set(
      createMetrics({ processMetrics: true })
        .registry.getMetricsAsArray()
        .map(({ name }) => name),
    ),
  )

test.each(['alerts.yml', 'alerts.test.yml', 'grafana/otesse.json'])(
  '%s names only metrics that there are',
  async (file) => {
    const metrics = await known()
    const names = namesIn(read(file))
    expect(names.size).toBeGreaterThan(3)
    expect([...names].filter((name) => !metrics.has(name))).toEqual([])
  },
)

test('the board has a panel for each expression, none on top of another', () => {
  const { panels } = JSON.parse(read('grafana/otesse.json')) as {
    panels: { gridPos: { x: number; y: number }; targets: { expr: string }[] }[]
  }
  const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)
  expect(new Set(places).size).toBe(panels.length)
  for (const { targets } of panels) expect(targets.length).toBeGreaterThan(0)
})

test('docs/monitoring.md lists every metric of ours', async () => {
  const text = readFileSync('docs/monitoring.md', 'utf8')
  const ours = [...(await known())].filter((name) => name.startsWith('otesse_'))
  expect(ours.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})

test('each alert fires, and does not without a cause', async () => {
  const run = promisify(execFile)
  const promtool = process.env['OTESSE_TEST_PROMTOOL'] ?? 'promtool'
  const isThere = await run(promtool, ['--version']).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    // Elsewhere than in CI it may be missing.
    expect(process.env['CI'] ?? '').toBe('')
    return
  }
  const { stdout } = await run(promtool, ['test', 'rules', `${FOLDER}/alerts.test.yml`])
  expect(stdout).toContain('SUCCESS')
})
