// The rules of scopes.
import { BUILT_IN_SCOPES, checkScope } from '../../../src/apps/scope.ts'

const good = { name: 'bookings:read', sentence: 'See your bookings', group: 'Bookings' }
const rulesOf = (input: object): string[] => {
  const verdict = checkScope(input)
  return verdict.kind === 'accepted' ? [] : verdict.problems.map(({ rule }) => rule)
}

describe('RFC 6749 §3.3 — scope names', () => {
  test.each([
    'bookings:read',
    'a',
    'https://api.example/bookings.read',
    "x!#$%&'()*+-./:;<=>?@[]^_`{|}~",
    'a'.repeat(100),
  ])('%s is one', (name) => {
    expect(rulesOf({ ...good, name })).toEqual([])
  })

  test.each(['', 'a b', 'a,b', 'a"b', 'a\\b', 'a\nb', 'bücher', 'a\u0000', 'a'.repeat(101)])(
    '%j is none',
    (name) => {
      expect(rulesOf({ ...good, name })).toEqual(['scope-name-form'])
    },
  )

  test.each([...BUILT_IN_SCOPES.map(({ name }) => name), 'admin:future'])(
    '%s is built in',
    (name) => {
      expect(rulesOf({ ...good, name })).toEqual(['scope-name-reserved'])
    },
  )
})

test.each([
  [{ sentence: ' ' }, 'scope-sentence-needed'],
  [{ sentence: undefined }, 'scope-sentence-needed'],
  [{ sentence: 'x'.repeat(201) }, 'scope-sentence-length'],
  [{ sentence: 'a\u202Eb' }, 'scope-sentence-characters'],
  [{ group: '' }, 'scope-group-needed'],
  [{ group: 'x'.repeat(81) }, 'scope-group-length'],
  [{ group: 'a\nb' }, 'scope-group-characters'],
  [{ sensitive: 'yes' }, 'field-type'],
  [{ audience: 'has space' }, 'scope-audience-form'],
  [{ audience: 'https://api.example/#x' }, 'scope-audience-form'],
  [{ colour: 'red' }, 'field-unknown'],
])('%j is refused by %s', (change, rule) => {
  expect(rulesOf({ ...good, ...change })).toEqual([rule])
})

test('the switches are off when they are left out', () => {
  expect(checkScope(good)).toEqual({
    kind: 'accepted',
    scope: { ...good, sensitive: false, deprecated: false, audience: undefined },
  })
})
