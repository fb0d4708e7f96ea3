// How an account looks on the wire of the admin API, in both directions. Invariant: a password
// comes in and never goes out, nor does its hash.
import type { OneTimeLink } from '../../accounts/account-links.ts'
import { type Account, ROLES } from '../../model/account.ts'
import {
  answer,
  boolean,
  input,
  listOf,
  timestamp,
  choice,
  orNull,
  ref,
  type Schema,
  text,
  whole,
} from './schema.ts'

const NAME = orNull(text('The name that pages show for the user.'))
const ROLE = choice(
  'Any but `member` needs the scope admin:roles:write to be given or changed, and all that the role may do.',
  [...ROLES],
)
const EMAIL = text('What the user signs in with.', { format: 'email' })
export const INVITATION = input(
  {
    email: EMAIL,
    name: NAME,
    role: ROLE,
    send_mail: boolean('Also send the link to the address, if mail is set up.', { default: false }),
  },
  ['email'],
)
export const NEW_ACCOUNT = input(
  {
    email: EMAIL,
    name: NAME,
    role: ROLE,
    password: orNull(
      text('Without one, nobody can sign in until a one-time link is used.', {
        format: 'password',
      }),
    ),
  },
  ['email'],
)
export const ACCOUNT_CHANGE = input({ name: NAME, role: ROLE })
export const REASON_BODY = input({ reason: text('The reason; shown to admins and kept.') }, [
  'reason',
])

export const ACCOUNT_SCHEMAS: Readonly<Record<string, Schema>> = {
  Account: answer({
    id: text('The account ID; resource servers see it as `sub`.'),
    email: text('As its owner typed it.'),
    name: NAME,
    role: ROLE,
    status: choice('A deactivated account opens nothing.', ['active', 'deactivated']),
    status_reason: orNull(text('Why it was deactivated.')),
    has_password: boolean('False until the invitation is accepted.'),
    version: whole('Goes up with every change; the ETag.'),
    created_at: timestamp('When it was made.'),
    sessions_valid_from: orNull(
      timestamp('Since when sign-ins count: all sessions of before were ended then.'),
    ),
  }),
  ImportSummary: answer({
    created: whole('Accounts that were made, or would be.'),
    existing: whole('Accounts that were there already and stay as they are.'),
    refused: whole('Lines that were refused.'),
    problems: listOf(
      answer({ line: whole('From 1.'), problems: listOf(ref('FieldProblem')) }),
      'The first 100 of them.',
    ),
  }),
  OneTimeLink: answer({
    url: text('Works once; anyone who has it can set the password.', { format: 'uri' }),
    expires_at: timestamp('When it expires.'),
  }),
}

/** Shows an account; nothing of its password. */
export const showAccount = (account: Account) => ({
  id: account.id,
  email: account.email,
  name: account.name ?? null,
  role: account.role,
  status: account.status,
  status_reason: account.statusReason ?? null,
  has_password: account.hasPassword,
  version: account.version,
  created_at: account.createdAt,
  sessions_valid_from: account.sessionsValidFrom ?? null,
})

/** Shows a link, for the only time. */
export const showLink = ({ url, expiresAt }: OneTimeLink) => ({
  url: url.reveal(),
  expires_at: expiresAt,
})
