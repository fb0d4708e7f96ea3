import fc from 'fast-check'
import { readCallback, stateIn } from '../../../src/connections/connect/callback.ts'
import { CONNECT_PROBLEMS } from '../../../src/connections/connect/connect-problems.ts'

const read = (text: string) => readCallback(new URLSearchParams(text))

it('reads a code, or an error (RFC 6749 §4.1.2 and §4.1.2.1)', () => {
  expect(read('code=abc&state=s&iss=https://crm.test')).toMatchObject({
    code: 'abc',
    error: undefined,
    issuer: 'https://crm.test',
  })
  expect(read('error=access_denied&state=s')).toMatchObject({ error: 'access_denied' })
})

it.each(['', 'state=s', 'code=&error=', 'code=a&code=b', 'error=a&error=b', 'code=a&iss=x&iss=y'])(
  'takes nothing from %j',
  (text) => {
    expect(read(text)).toBeUndefined()
  },
)

it('an error is shown only as a code', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (error) => {
      const shown = readCallback(new URLSearchParams({ error }))?.error ?? ''
      expect(shown === error || shown === 'unknown').toBe(true)
      expect(shown).toMatch(/^[\w.:-]{1,64}$/)
    }),
  )
})

it('a state is one, or none', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 3 }), (states) => {
      const query = new URLSearchParams(states.map((state): [string, string] => ['state', state]))
      const expected = states.length === 1 && states[0] !== '' ? states[0] : undefined
      expect(stateIn(query)).toBe(expected)
    }),
  )
})

test('each problem says what happened and what to do, without a leftover placeholder', () => {
  for (const { title, what, next } of Object.values(CONNECT_PROBLEMS)) {
    const all = [title, what, next]
      .join(' ')
      .replaceAll('{name}', 'CRM')
      .replaceAll('{detail}', 'x')
    expect(all).not.toMatch(/[{}]/)
    expect(what).toMatch(/\.$/)
    expect(next).toMatch(/\.$/)
  }
})
