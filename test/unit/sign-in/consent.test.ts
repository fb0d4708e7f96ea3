// The question of the consent page: every scope of the request is there, new ones apart from
// granted ones, in a stable order.
import type { Scope } from '../../../src/model/scope.ts'
import { describe, expect, it } from '@jest/globals'
import { BUILT_IN_SCOPES } from '../../../src/apps/scope.ts'
import { consentQuestion, recipientOf } from '../../../src/sign-in/consent.ts'

const scope = (name: string, group: string, sensitive = false): Scope => ({
  name,
  sentence: `Do ${name}`,
  group,
  sensitive,
  deprecated: false,
  audience: undefined,
  version: 1,
})

const catalogue = new Map(
  [
    scope('staff:read', 'Staff'),
    scope('bookings:read', 'Bookings'),
    scope('bookings:write', 'Bookings', true),
    ...BUILT_IN_SCOPES,
  ].map((entry) => [entry.name, entry]),
)

const names = (groups: { title: string; permissions: { scope: string }[] }[]) =>
  groups.map(({ title, permissions }) => [title, ...permissions.map((each) => each.scope)])

describe('consentQuestion', () => {
  it('groups by what is touched: identity first, then by the alphabet', () => {
    const requested = ['staff:read', 'bookings:read', 'email', 'bookings:write', 'openid']
    const question = consentQuestion(requested, catalogue, [])
    expect(names(question.newPermissions)).toEqual([
      ['Your identity', 'email', 'openid'],
      ['Bookings', 'bookings:read', 'bookings:write'],
      ['Staff', 'staff:read'],
    ])
    expect(question.heldPermissions).toEqual([])
    expect(question.signsIn).toBe(true)
    expect(question.newPermissions[1]?.permissions[1]).toEqual({
      sentence: 'Do bookings:write',
      sensitive: true,
      scope: 'bookings:write',
    })
  })

  it('asks only for what is new', () => {
    const remembered = ['staff:read', 'bookings:write']
    const question = consentQuestion(['bookings:read', 'staff:read'], catalogue, remembered)
    expect(names(question.newPermissions)).toEqual([['Bookings', 'bookings:read']])
    expect(names(question.heldPermissions)).toEqual([['Staff', 'staff:read']])
    expect(question.signsIn).toBe(false)
  })

  it('shows all as held when an app asks for a new confirmation', () => {
    const question = consentQuestion(['staff:read'], catalogue, ['staff:read'])
    expect(question.newPermissions).toEqual([])
    expect(names(question.heldPermissions)).toEqual([['Staff', 'staff:read']])
  })

  it('hides no scope that has left the catalogue', () => {
    const question = consentQuestion(['gone:write', 'staff:read'], catalogue, [])
    expect(names(question.newPermissions)).toEqual([
      ['Other access', 'gone:write'],
      ['Staff', 'staff:read'],
    ])
    expect(question.newPermissions[0]?.permissions[0]?.sentence).toContain('gone:write')
  })

  it('shows each scope once', () => {
    const question = consentQuestion(['staff:read', 'staff:read'], catalogue, [])
    expect(names(question.newPermissions)).toEqual([['Staff', 'staff:read']])
  })
})

describe('RFC 8252 §7 — who receives the data', () => {
  it.each([
    ['https://app.example/cb?x=1', 'app.example', false, undefined],
    ['https://app.example:8443/cb', 'app.example:8443', false, undefined],
    ['https://user:pass@app.example/cb', 'app.example', false, undefined],
    ['https://bücher.example/cb', 'xn--bcher-kva.example', false, undefined],
    ['http://127.0.0.1:5000/cb', '127.0.0.1:5000', true, undefined],
    ['http://[::1]:5000/cb', '[::1]:5000', true, undefined],
    ['http://localhost/cb', 'localhost', true, undefined],
    ['https://localhost.evil.example/cb', 'localhost.evil.example', false, undefined],
    ['com.example.app:/cb', '', false, 'com.example.app:'],
  ])('of %s', (redirectUri, host, loopback, scheme) => {
    expect(recipientOf(redirectUri)).toEqual({ host, loopback, scheme })
  })
})
