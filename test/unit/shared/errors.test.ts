// The closed table of errors: answers have only the characters that RFC 6749 §5.2 allows, and
// nothing private.
import fc from 'fast-check'
import {
  AppError,
  ERRORS,
  type ErrorCode,
  isUnavailable,
  errorPageOf,
} from '../../../src/shared/errors.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]
// RFC 6749 §5.2: error and error_description MUST NOT include characters outside %x20-21 / %x23-5B
// / %x5D-7E.
const ALLOWED = /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/

describe('RFC 6749 §5.2 — the letters of an error answer', () => {
  it.each(codes)('%s', (code) => {
    const bare = new AppError(code)
    for (const text of [
      bare.error,
      bare.sentence,
      new AppError(code, { about: 'scope' }).sentence,
    ]) {
      expect(text).toMatch(ALLOWED)
      expect(text).not.toMatch(/[{}]/)
    }
    expect(bare.error).toMatch(/^[a-z_]+$/)
    expect(bare.sentence).toMatch(/^[A-Z].*[.]$/)
    expect(bare.sentence).not.toMatch(/ {2}| \./)
    expect(bare.status).toBeGreaterThanOrEqual(400)
  })

  it('hold whatever name a request gives', () => {
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.string(), (code, about) => {
        expect(new AppError(code, { about }).sentence).toMatch(ALLOWED)
      }),
      { numRuns: 500 },
    )
  })
})

it.each(['$&', '$`', "$'", '$$', '$1', 'bookings:read', '!#[]~'])(
  'repeats the name %s as it is',
  (about) => {
    expect(new AppError('scope_unknown', { about }).sentence).toBe(
      `The scope ${about} does not exist.`,
    )
  },
)

it.each(['', 'a b', 'a"b', 'a\\b', 'é', 'a\nb', 'x'.repeat(81)])('does not repeat %j', (about) => {
  expect(new AppError('scope_unknown', { about }).sentence).toBe('The scope does not exist.')
})

it('maps reasons to the errors of the protocol', () => {
  const wire = (code: ErrorCode) => [ERRORS[code].status, ERRORS[code].error]
  expect(wire('client_secret_wrong')).toEqual([401, 'invalid_client'])
  expect(wire('code_used')).toEqual([400, 'invalid_grant'])
  expect(wire('refresh_token_reused')).toEqual([400, 'invalid_grant'])
  expect(wire('grant_type_password')).toEqual([400, 'unsupported_grant_type'])
  expect(wire('scope_unknown')).toEqual([400, 'invalid_scope'])
  expect(wire('rate_limited')).toEqual([429, 'rate_limited'])
  expect(wire('token_invalid')).toEqual([401, 'invalid_token'])
  expect(wire('scope_insufficient')).toEqual([403, 'insufficient_scope'])
  expect(wire('temporarily_unavailable')).toEqual([503, 'temporarily_unavailable'])
  expect(wire('body_too_large')).toEqual([413, 'invalid_request'])
})

it('tells the outside no difference between wrong secrets, nor between foreign and unknown tokens', () => {
  const sentences = (...list: ErrorCode[]) =>
    new Set(list.map((code) => new AppError(code).sentence)).size
  expect(
    sentences('client_unknown', 'client_secret_wrong', 'client_secret_expired', 'client_suspended'),
  ).toBe(1)
  expect(sentences('code_unknown', 'code_of_another_client')).toBe(1)
  expect(sentences('refresh_token_unknown', 'refresh_token_of_another_client')).toBe(1)
})

it('sends whoever sees the same answer to the same page', () => {
  const face = (code: ErrorCode): string =>
    JSON.stringify([ERRORS[code].status, ERRORS[code].error, ERRORS[code].sentence])
  for (const code of codes)
    for (const other of codes)
      if (face(code) === face(other))
        expect([code, errorPageOf(code)]).toEqual([code, errorPageOf(other)])
})

describe('the value that came', () => {
  const saysOf = (came: string) => new AppError('redirect_uri_mismatch', { came }).sentence

  it.each([
    ['a space and a quote', 'a "b', 'a%20%22b'],
    ['letters beyond ASCII', 'é\u{1F600}', '%C3%A9%F0%9F%98%80'],
    ['half a character', 'a\ud800b', 'a%EF%BF%BDb'],
    ['what looks like a placeholder', '$& {about}', '$&%20{about}'],
    ['a password in an address', 'https://u:p@x.example/', 'https://[redacted]@x.example/'],
    ['a token of ours', `x?t=otesse_rt_${'a'.repeat(56)}`, 'x?t=otesse_rt_[redacted]'],
    ['more than 200 characters', 'x'.repeat(999), `${'x'.repeat(200)}...`],
  ])('is shown with %s escaped', (_what, came, shown) => {
    expect(saysOf(came)).toBe(
      `The redirect_uri differs from the one in the authorization request (it was ${shown}).`,
    )
  })

  it('holds the letters of RFC 6749 §5.2, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (came) => {
        expect(saysOf(came)).toMatch(ALLOWED)
        expect(saysOf(came).length).toBeLessThan(320)
      }),
    )
  })
})

it('keeps what is private out of what is public', () => {
  const error = new AppError('server_error', {
    detail: 'private detail',
    cause: new Error('private cause'),
  })
  expect(`${error.error} ${error.sentence} ${error.message}`).not.toContain('private')
  expect(error.detail).toBe('private detail')
  expect(error.cause).toBeInstanceOf(Error)
})

it('knows a store that is away', () => {
  expect(isUnavailable(new AppError('temporarily_unavailable'))).toBe(true)
  expect(isUnavailable(new AppError('server_error'))).toBe(false)
  expect(isUnavailable(new Error('temporarily_unavailable'))).toBe(false)
})
