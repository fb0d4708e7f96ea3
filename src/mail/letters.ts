// The words of every mail. Invariant: a letter names what happened and what to do about it, and has
// no more secrets than the one link it is about.
import type { Letter } from './letter.ts'

const NOT_YOU_LINK =
  'If you did not expect this message, ignore it. Nothing happens without the link.'

/** A link with an end. */
interface LinkFacts {
  url: string
  expiresAt: Date
}

/** When and from where something was done. */
interface ActFacts {
  at: Date
  /** Of the address; absent where a command did it. */
  network: string | undefined
}

const actFacts = ({ at, network }: ActFacts): { label: string; value: string | Date }[] => [
  { label: 'When', value: at },
  ...(network === undefined ? [] : [{ label: 'Network', value: network }]),
]

/**
 * Creates the letters of a service.
 *
 * @param service how it is called
 * @param issuer where its pages are
 */
export const createLetters = (service: string, issuer: string) => ({
  passwordChanged: (act: ActFacts): Letter => ({
    purpose: 'notice.password_changed',
    subject: `Your ${service} password was changed`,
    paragraphs: [
      'The password of your account was changed, and you were signed out everywhere else.',
    ],
    facts: actFacts(act),
    after: ['If this was you, you need not do anything. If it was not, choose a new password now.'],
    action: { label: 'Choose a new password', url: `${issuer}/forgot` },
  }),

  invitation: ({ url, expiresAt }: LinkFacts): Letter => ({
    purpose: 'invitation',
    subject: `You are invited to ${service}`,
    paragraphs: [
      `You have been invited to ${service}. Open the link and choose a password to start using your account.`,
    ],
    action: { label: 'Accept the invitation', url },
    facts: [{ label: 'The link works once, until', value: expiresAt }],
    after: [NOT_YOU_LINK],
  }),

  recovery: ({ url, expiresAt }: LinkFacts): Letter => ({
    purpose: 'recovery',
    subject: `Choose a new ${service} password`,
    paragraphs: [
      'Someone asked for a new password for your account. If that was you, open the link and choose one.',
    ],
    action: { label: 'Choose a new password', url },
    facts: [{ label: 'The link works once, until', value: expiresAt }],
    after: ['If it was not you, ignore this message. Your password stays as it is.'],
  }),

  reset: ({ url, expiresAt }: LinkFacts): Letter => ({
    purpose: 'reset',
    subject: `Choose a new ${service} password`,
    paragraphs: ['Open the link to choose a new password for your account.'],
    action: { label: 'Choose a new password', url },
    facts: [{ label: 'The link works once, until', value: expiresAt }],
    after: [NOT_YOU_LINK],
  }),
})

export type Letters = ReturnType<typeof createLetters>
