// The signing keys: which there are, their rotation, and encrypting them anew.
import type { KeyFacts } from '../../keys/signing-key.ts'
import { redirected, page, type Row } from './action.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import { doneOf } from './paging.ts'
import { timeInWords } from '../../http/views.ts'
import type { Badge } from './labels.ts'

const PATH = '/admin/keys'
const BADGES: Record<KeyFacts['status'], Badge> = {
  current: { label: 'Current', tone: 'good' },
  next: { label: 'Next', tone: 'care' },
  retired: { label: 'Retired', tone: 'off' },
}

const DONE: Readonly<Record<string, string>> = {
  rotated: 'Key rotated. A new next key was created.',
  resealed: 'The keys were re-encrypted with the first encryption key.',
  sealed: 'All keys were already encrypted with the first encryption key.',
}

const frameBelow = (title: string): Frame => ({
  title,
  section: 'keys',
  crumbs: [{ label: 'Keys', href: PATH }],
})

/** Returns the rows. */
export const keyRows = (deps: ConsoleDeps): Row[] => [list(deps), rotate(deps), reseal(deps)]

const list = ({ keyRing }: ConsoleDeps): Row =>
  page({
    path: PATH,
    scope: 'admin:keys:read',
    show: ({ query }) => ({
      template: 'keys',
      frame: {
        title: 'Keys',
        section: 'keys',
        crumbs: [],
        lead: 'These keys sign ID tokens. Access tokens are not signed.',
        action: { label: 'Rotate', href: `${PATH}/rotate` },
        done: doneOf(query, DONE),
      },
      keys: keyRing.list().map((key) => ({ ...key, badge: BADGES[key.status] })),
      jwksUrl: '/oauth/jwks',
      resealUrl: `${PATH}/reseal`,
    }),
  })

/** From when on a rotation disturbs nobody; undefined where that is now. */
interface Rotation {
  from: Date | undefined
}

const rotate = ({ keyRing, services }: ConsoleDeps): Row =>
  confirmation({
    name: 'key.rotate',
    path: `${PATH}/rotate`,
    scope: 'admin:keys:write',
    find: (): Rotation => ({ from: keyRing.rotatableFrom() }),
    recentSignIn: 'always',
    once: false,
    ask: ({ from }) =>
      from === undefined
        ? {
            frame: frameBelow('Rotate the signing key?'),
            consequences: [
              'The next key becomes the signing key on all servers within a second. Apps already know it, because it has been published since it was created.',
              'The previous key stays published, so existing signatures remain valid.',
              'A new key is created and published as the next key.',
            ],
            button: 'Rotate',
            isDangerous: false,
            cancelUrl: PATH,
          }
        : {
            frame: frameBelow('Rotate the signing key now?'),
            consequences: [
              `The next key was published less than an hour ago. Apps may use a cached key set without it until ${timeInWords(from)}. After that, rotating is safe.`,
              'If you rotate now, those apps refuse new sign-ins until they fetch the keys again.',
              'Rotate now only in an emergency, such as a stolen key.',
            ],
            hidden: { emergency: 'on' },
            button: 'Rotate now',
            isDangerous: true,
            cancelUrl: PATH,
          },
    async run(now, typed, by) {
      const isEmergency = typed.get('emergency') === 'on'
      // The page was opened before somebody else rotated: asked once more, in other words.
      if (!isEmergency && now.from !== undefined) return { kind: 'conflict', target: now }
      await services.keys.rotate(by, { isEmergency })
      return redirected(`${PATH}?done=rotated`)
    },
  })

const reseal = ({ services }: ConsoleDeps): Row =>
  confirmation({
    name: 'key.reseal',
    path: `${PATH}/reseal`,
    scope: 'admin:keys:write',
    find: () => undefined,
    recentSignIn: 'always',
    once: false,
    ask: () => ({
      frame: frameBelow('Re-encrypt the keys?'),
      consequences: [
        'The private keys in the database are re-encrypted with the first key of OTESSE_ENCRYPTION_KEY.',
        'Do this only when every server has that key: a server without it could no longer start.',
        'Afterwards you can remove the older encryption key from the configuration. Nothing changes for apps.',
      ],
      button: 'Re-encrypt',
      isDangerous: false,
      cancelUrl: PATH,
    }),
    async run(_, _typed, by) {
      const count = await services.keys.reseal(by)
      return redirected(`${PATH}?done=${count > 0 ? 'resealed' : 'sealed'}`)
    },
  })
