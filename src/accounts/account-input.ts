// What may become an account: e-mail, name, password and reason as people type them. Invariant:
// nothing reaches the database that it cannot hold (NUL, broken UTF-16), and one e-mail has one key
// however it is typed.
import { domainToASCII } from 'node:url'
import { AppError } from '../shared/errors.ts'
import { passwordProblem } from './passwords.ts'

const MAX_EMAIL = 254 // RFC 5321 §4.5.3.1.3 less the angle brackets
const MAX_LOCAL_PART = 64 // RFC 5321 §4.5.3.1.1
const MAX_LINE = 200

// Plausible, not proven: only a message that arrives proves an address.
const EMAIL = /^[^\s@\p{C}]+@[^\s@\p{C}.%]+(?:\.[^\s@\p{C}.%]+)+$/u
// What a resolver would take for an address of a machine is none of a mailbox.
const NUMERIC = /^[\d.]+$/
const CONTROL = /\p{Cc}|\p{Cs}/u

/** Returns the address without the spaces around it, or `undefined` where it cannot be one. */
export function parseEmail(text: string): string | undefined {
  const email = text.trim()
  if (email.length > MAX_EMAIL || email.lastIndexOf('@') > MAX_LOCAL_PART) return undefined
  if (!EMAIL.test(email)) return undefined
  const domain = domainOf(email)
  return domain === '' || NUMERIC.test(domain) ? undefined : email
}

/**
 * Returns the key under which an address is unique: lower case, NFC, its domain as the name system
 * knows it. A browser's field for addresses sends an international domain in that form.
 *
 * @see RFC 5890 §2.3.2.1, Unicode Technical Standard #46
 */
export function emailKey(email: string): string {
  const local = email.slice(0, email.lastIndexOf('@') + 1)
  return local.normalize('NFC').toLowerCase().normalize('NFC') + domainOf(email)
}

/** The domain in its form for the name system; empty where there is none. */
const domainOf = (email: string): string => domainToASCII(email.slice(email.lastIndexOf('@') + 1))

/**
 * Returns one line of free text, trimmed; `undefined` where nothing is left.
 *
 * @throws {AppError} `parameter_invalid` for control characters or more than 200 characters
 */
export function parseLine(text: string, about: string): string | undefined {
  const line = text.trim()
  if (line.length > MAX_LINE || CONTROL.test(line))
    throw new AppError('parameter_invalid', { about })
  return line === '' ? undefined : line
}

/** Throws `parameter_invalid` about the password, with the friendly sentence as its detail, unless it may be used. */
export function assertPassword(password: string): void {
  const problem = passwordProblem(password)
  if (problem !== undefined)
    throw new AppError('parameter_invalid', { about: 'password', detail: problem })
}
