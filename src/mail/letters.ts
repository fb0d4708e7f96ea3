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

/** Creates the letters of a service of that name. */
export const createLetters = (service: string) => ({
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
