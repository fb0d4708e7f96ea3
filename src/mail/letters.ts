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

/** Letters about what has happened or will. */
const noticeLetters = (service: string, issuer: string) => ({
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

  addressChanged: ({ email, undo, at }: { email: string; undo: LinkFacts; at: Date }): Letter => ({
    purpose: 'notice.address_changed',
    subject: `Your ${service} address was changed`,
    paragraphs: [`The address of your account is now ${email}. Mail no longer goes to this one.`],
    facts: [
      { label: 'When', value: at },
      { label: 'The change can be taken back until', value: undo.expiresAt },
    ],
    action: { label: 'This was not me: take the change back', url: undo.url },
  }),

  addressRestored: ({ at }: { at: Date }): Letter => ({
    purpose: 'notice.address_restored',
    subject: `Your ${service} address was changed back`,
    paragraphs: ['The change of your address was taken back. You were signed out everywhere.'],
    facts: [{ label: 'When', value: at }],
    after: ['Choose a new password now: someone else may know the old one.'],
    action: { label: 'Choose a new password', url: `${issuer}/forgot` },
  }),

  newSignIn: ({ device, ...act }: ActFacts & { device: string }): Letter => ({
    purpose: 'notice.new_sign_in',
    subject: `New sign-in to your ${service} account`,
    paragraphs: ['Your account was signed in to in a browser that was not used for it before.'],
    facts: [{ label: 'Browser', value: device }, ...actFacts(act)],
    after: ['If this was you, you need not do anything. If it was not, change your password now.'],
    action: { label: 'See where you are signed in', url: `${issuer}/account/sessions` },
  }),

  sensitiveApp: ({
    app,
    permissions,
    at,
  }: {
    app: string
    permissions: readonly string[]
    at: Date
  }): Letter => ({
    purpose: 'notice.app_connected',
    subject: `${app} can now use your ${service} account`,
    paragraphs: [
      `You allowed ${app} something sensitive:`,
      permissions.map((permission) => `- ${permission}`).join('\n'),
    ],
    facts: [{ label: 'When', value: at }],
    after: ['If this was not you, disconnect the app and change your password.'],
    action: { label: 'See connected apps', url: `${issuer}/connected-apps` },
  }),

  connectionEnded: ({ app, reason, at }: { app: string; reason: string; at: Date }): Letter => ({
    purpose: 'notice.connection_ended',
    subject: `${app} lost its access to your ${service} account`,
    paragraphs: [
      reason === 'leaked'
        ? `A secret of ${app} was found where others could read it, so its access was ended.`
        : `A token of ${app} was used twice, which can mean that it was stolen, so its access was ended.`,
      'You can connect the app again. If you do not know it, you need not do anything.',
    ],
    facts: [{ label: 'When', value: at }],
    action: { label: 'See your security history', url: `${issuer}/account/history` },
  }),

  /** @param facts.endsAt when the connection ends; absent where it has */
  reconnect: ({ system, endsAt }: { system: string; endsAt: Date | undefined }): Letter => ({
    purpose: 'notice.reconnect',
    subject:
      endsAt === undefined
        ? `${system} is no longer connected to your ${service} account`
        : `Your ${system} connection ends soon`,
    paragraphs: [
      endsAt === undefined
        ? `${system} no longer accepts the access that you gave. Apps cannot use it until you connect ${system} again.`
        : `${system} ends the access that you gave after some time. Connect it again before then, and apps that use it go on working.`,
    ],
    facts: endsAt === undefined ? [] : [{ label: 'It ends', value: endsAt }],
    action: { label: `Connect ${system} again`, url: `${issuer}/connections` },
  }),
})

/** Letters that bring a link. */
const linkLetters = (service: string) => ({
  confirmAddress: ({ url, expiresAt }: LinkFacts): Letter => ({
    purpose: 'change_address',
    subject: `Confirm your new ${service} address`,
    paragraphs: ['Someone asked to use this address for an account. If that was you, confirm it.'],
    action: { label: 'Confirm the address', url },
    facts: [{ label: 'The link works once, until', value: expiresAt }],
    after: ['If it was not you, ignore this message. Nothing happens without the link.'],
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

/**
 * Creates the letters of a service.
 *
 * @param service how it is called
 * @param issuer where its pages are
 */
export const createLetters = (service: string, issuer: string) => ({
  ...noticeLetters(service, issuer),
  ...linkLetters(service),
})

export type Letters = ReturnType<typeof createLetters>
