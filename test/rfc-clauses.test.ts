// Compares the RFC clauses that the source cites with the titles of the tests, so that each cited
// clause has a test. A clause has one spelling, `RFC 7636 §4.6`.
import { globSync, readFileSync } from 'node:fs'
import { readTestTitles } from './support/test-titles.ts'

const CLAUSE = /RFC \d+ §[\d.]*\d/g

const proven = new Set(readTestTitles().flatMap((title) => title.match(CLAUSE) ?? []))
const citations = globSync('{src,packages/*/src}/**/*.ts').flatMap((path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, at) =>
      (line.match(CLAUSE) ?? []).map((clause) => ({ clause, place: `${path}:${at + 1}` })),
    ),
)

it('each RFC clause that the source cites is in the title of a test', () => {
  expect(citations.length).toBeGreaterThan(100)
  const unproven = citations.filter(({ clause }) => !proven.has(clause))
  expect(unproven.map(({ clause, place }) => `${clause}, cited in ${place}`)).toEqual([])
})
