// What is wrong with an account that an operator handed in, all at once and in words for the one
// who typed it; the accounts themselves stop at the first. Invariant: what has no problem here is
// taken by accounts/. Called by account-service.ts and by the command line before it asks for more.
import { parseEmail, parseLine } from '../accounts/account-input.ts'
import { passwordProblem } from '../accounts/passwords.ts'
import { quoted } from '../model/plain-text.ts'
import { ROLES } from '../model/account.ts'
import type { Problem, Refused } from '../model/problem.ts'

/** Returns the problems of what is given; absent fields have none. Values may be of any type: they come from JSON. */
export function accountProblems(input: {
  email?: unknown
  name?: unknown
  role?: unknown
  password?: unknown
}): Problem[] {
  const { email, name, role, password } = input
  const problems: Problem[] = []
  if (email !== undefined && (typeof email !== 'string' || parseEmail(email) === undefined))
    problems.push({
      field: 'email',
      rule: 'email-form',
      sentence: 'This is not an e-mail address, like ada@example.com.',
      ...(typeof email === 'string' && email !== '' && { value: quoted(email) }),
    })
  if (name !== undefined && !isLine(name))
    problems.push({
      field: 'name',
      rule: 'name-form',
      sentence: 'A name is one line of at most 200 characters without control characters.',
    })
  if (role !== undefined && !(ROLES as readonly unknown[]).includes(role))
    problems.push({
      field: 'role',
      rule: 'role-unknown',
      sentence: `The roles are ${ROLES.join(', ')}.`,
    })
  const ofPassword = typeof password === 'string' ? passwordProblem(password) : undefined
  if (ofPassword !== undefined)
    problems.push({ field: 'password', rule: 'password', sentence: ofPassword })
  else if (password !== undefined && typeof password !== 'string')
    problems.push({ field: 'password', rule: 'password', sentence: 'A password is a text.' })
  return problems
}

/** The refusal of an e-mail that somebody has already. */
export const EMAIL_TAKEN: Refused = {
  kind: 'refused',
  problems: [
    {
      field: 'email',
      rule: 'email-taken',
      sentence: 'There is an account with this e-mail already.',
    },
  ],
}

/** The refusal to change one's own role. */
export const OWN_ROLE: Refused = {
  kind: 'refused',
  problems: [
    {
      field: 'role',
      rule: 'own-role',
      sentence: 'You cannot change your own role. Ask another admin.',
    },
  ],
}

function isLine(text: unknown): boolean {
  if (typeof text !== 'string') return false
  try {
    parseLine(text, 'name')
    return true
  } catch {
    return false
  }
}
