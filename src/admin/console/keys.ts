// The signing keys: which there are, their rotation, and encrypting them anew.
import type { KeyFacts } from '../../keys/key-ring.ts'
import { redirected, page, type Row } from './action.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import { doneOf } from './paging.ts'
import { timeInWords } from '../../http/views.ts'
import type { Badge } from './labels.ts'

const PATH = '/admin/keys'
const BADGES: Record<KeyFacts['status'], Badge> = {
  current: { label: 'Signs', tone: 'good' },
  next: { label: 'Is next', tone: 'care' },
  retired: { label: 'Still verifies', tone: 'off' },
}

const DONE: Readonly<Record<string, string>> = {
  rotated: 'The next key signs now; a new one is next.',
  resealed: 'The keys are sealed under the first encryption key now.',
  sealed: 'All keys were sealed under the first encryption key already.',
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
    show: ({ query }) => ({
      template: 'keys',
      frame: {
        title: 'Keys',
        section: 'keys',
        crumbs: [],
        lead: 'They sign what tells an app who has signed in (id_token). Access tokens need none.',
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
    find: (): Rotation => ({ from: keyRing.rotatableFrom() }),
    recentSignIn: 'always',
    once: false,
    ask: ({ from }) =>
      from === undefined
        ? {
            frame: frameBelow('Rotate the signing key?'),
            consequences: [
              'The next key signs from now on, on all servers within a second. Apps know it already: it is published since it was made.',
              'The key of until now is still published, so that what it signed goes on being valid.',
              'A new key is made and published as the next one.',
            ],
            button: 'Rotate',
            isDangerous: false,
            cancelUrl: PATH,
          }
        : {
            frame: frameBelow('Rotate the signing key now?'),
            consequences: [
              `The next key was published less than an hour ago. Apps may keep a key set without it until ${timeInWords(from)}. After that, a rotation disturbs nobody.`,
              'If you rotate now, those apps refuse new sign-ins until they read the keys again.',
              'Do it only in an emergency, such as a stolen key.',
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
    find: () => undefined,
    recentSignIn: 'always',
    once: false,
    ask: () => ({
      frame: frameBelow('Seal the keys anew?'),
      consequences: [
        'The private keys in the database are encrypted anew under the first key of OTESSE_ENCRYPTION_KEY.',
        'Do it when every server has that key: one that lacks it could no longer start.',
        'After that the older encryption key can leave the configuration. Nothing changes for apps.',
      ],
      button: 'Seal anew',
      isDangerous: false,
      cancelUrl: PATH,
    }),
    async run(_, _typed, by) {
      const count = await services.keys.reseal(by)
      return redirected(`${PATH}?done=${count > 0 ? 'resealed' : 'sealed'}`)
    },
  })
