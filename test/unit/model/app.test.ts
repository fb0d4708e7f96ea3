// The kinds of app, and what each may do.
import { type AppType, isConfidential } from '../../../src/model/app.ts'

it.each<[AppType, boolean]>([
  ['web', true],
  ['machine', true],
  ['resource_server', true],
  ['public', false],
])('RFC 6749 §2.1 — a client of type %s is confidential: %s', (type, expected) => {
  expect(isConfidential({ type })).toBe(expected)
})
