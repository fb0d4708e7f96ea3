// The table of settings: complete, and without a name that means two things.
import { readFileSync } from 'node:fs'
import { ALL_SETTINGS } from '../../../src/apps/app-settings.ts'

test.each(['wire', 'flag', 'label'] as const)('no two settings share a %s', (what) => {
  const names = ALL_SETTINGS.map(([, { wire, cli, console }]) => ({
    wire,
    flag: cli.flag.replace(/ .*/, ''),
    label: console.label,
  }))
  expect(new Set(names.map((each) => each[what])).size).toBe(ALL_SETTINGS.length)
})

test('the API calls a setting as the code does, in snake case', () => {
  for (const [name, { wire }] of ALL_SETTINGS)
    expect(wire).toBe(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
})

test('a switch can be turned off by a flag', () => {
  const switches = ALL_SETTINGS.filter(([, { kind }]) => kind === 'switch')
  expect(switches.filter(([, { cli }]) => cli.off === undefined)).toEqual([])
})

test('no setting is newer than this version', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  for (const [, { since }] of ALL_SETTINGS) {
    expect(since).toMatch(/^\d+\.\d+\.\d+$/)
    expect(since.localeCompare(version, 'en', { numeric: true })).toBeLessThanOrEqual(0)
  }
})
