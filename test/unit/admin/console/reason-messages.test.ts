// Why a request was refused is told in words for every reason that can be recorded.
import { expect, it } from '@jest/globals'
import { EVENT_TITLES } from '../../../../src/admin/console/event-messages.ts'
import { reasonMessage } from '../../../../src/admin/console/reason-messages.ts'
import { EVENTS } from '../../../../src/audit/event-names.ts'
import { ERRORS } from '../../../../src/shared/errors.ts'

const codes = Object.keys(ERRORS)

it('words are whole sentences that do not repeat the code', () => {
  for (const code of codes) {
    const { what, todo } = reasonMessage('request.refused', code)
    expect(what).toMatch(/^[A-Z].*\.$/)
    expect(todo).toMatch(/^[A-Z].*\.$/)
    expect(what).not.toContain('_unknown')
  }
})

it('the same code has other words where something was revoked', () => {
  expect(reasonMessage('grant.revoked', 'account_deactivated').what).toBe(
    'The account was deactivated.',
  )
  expect(reasonMessage('login.failed', 'password_wrong').what).toBe('The password was wrong.')
})

it('a reason that is not known stands for itself, whatever it is called', () => {
  expect(reasonMessage('request.refused', 'from_the_future').what).toBe('from_the_future')
  expect(reasonMessage('request.refused', 'constructor').what).toBe('constructor')
})

it('every event has a name', () => {
  expect(Object.keys(EVENTS).filter((name) => !(name in EVENT_TITLES))).toEqual([])
})
