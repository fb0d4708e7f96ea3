// The signing keys: which there are, their rotation, and the seal under which they are kept.
import Router from '@koa/router'
import type { KeyFacts } from '../../keys/key-ring.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './console-views.ts'
import { type Badge, timeInWords } from './words.ts'
import { type Admin, type Gate, goTo, type Visit } from './gate.routes.ts'
import { queryOf } from './paging.ts'
import { questionPage } from './question.ts'

const PATH = '/admin/keys'
const BADGES: Record<KeyFacts['status'], Badge> = {
  current: { label: 'Signs', tone: 'good' },
  next: { label: 'Is next', tone: 'care' },
  retired: { label: 'Still verifies', tone: 'off' },
}

const DONE: ReadonlyMap<string, string> = new Map([
  ['rotated', 'The next key signs now; a new one is next.'],
  ['resealed', 'The keys are sealed under the first encryption key now.'],
  ['sealed', 'All keys were sealed under the first encryption key already.'],
])

/** Creates the routes. */
export function createKeyRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { keyRing, acts } = deps
  const router = new Router({ strict: true, sensitive: true })

  router.get(
    PATH,
    ...gate.admins((visit, admin) => {
      const done = queryOf(visit).get('done')
      gate.show(visit, admin, {
        template: 'keys',
        frame: {
          title: 'Keys',
          section: 'keys',
          crumbs: [],
          lead: 'They sign what tells an app who has signed in (id_token). Access tokens need none.',
          action: { label: 'Rotate', href: `${PATH}/rotate` },
          done: done === undefined ? undefined : DONE.get(done),
        },
        keys: keyRing.list().map((key) => ({ ...key, badge: BADGES[key.status] })),
        jwksUrl: '/oauth/jwks',
        resealUrl: `${PATH}/reseal`,
      })
    }),
  )

  router.get(`${PATH}/rotate`, ...gate.confirmed((visit, admin) => askToRotate(visit, admin)))
  router.post(
    `${PATH}/rotate`,
    ...gate.confirmed(async (visit, admin) => {
      const fields = await gate.readForm(visit, admin, 'key.rotate')
      const isEmergency = fields.get('emergency') === 'on'
      // The page was opened before somebody else rotated: asked once more, in other words.
      if (!isEmergency && keyRing.rotatableFrom() !== undefined) {
        askToRotate(visit, admin, 409)
        return
      }
      await acts.keys.rotate(admin.by, { isEmergency })
      goTo(visit, `${PATH}?done=rotated`)
    }),
  )

  router.get(
    `${PATH}/reseal`,
    ...gate.confirmed((visit, admin) =>
      gate.show(
        visit,
        admin,
        questionPage(
          {
            title: 'Seal the keys anew?',
            section: 'keys',
            crumbs: [{ label: 'Keys', href: PATH }],
          },
          {
            consequences: [
              'The private keys in the database are encrypted anew under the first key of OTESSE_ENCRYPTION_KEY.',
              'Do it when every server has that key: one that lacks it could no longer start.',
              'After that the older encryption key can leave the configuration. Nothing changes for apps.',
            ],
            action: `${PATH}/reseal`,
            csrf: gate.token(admin, 'key.reseal'),
            button: 'Seal anew',
            isDangerous: false,
            cancelUrl: PATH,
          },
        ),
      ),
    ),
  )
  router.post(
    `${PATH}/reseal`,
    ...gate.confirmed(async (visit, admin) => {
      await gate.readForm(visit, admin, 'key.reseal')
      const count = await acts.keys.reseal(admin.by)
      goTo(visit, `${PATH}?done=${count > 0 ? 'resealed' : 'sealed'}`)
    }),
  )
  function askToRotate(visit: Visit, admin: Admin, status = 200): void {
    const from = keyRing.rotatableFrom()
    const frameOf = (title: string): Frame => ({
      title,
      section: 'keys',
      crumbs: [{ label: 'Keys', href: PATH }],
    })
    const way = {
      action: `${PATH}/rotate`,
      csrf: gate.token(admin, 'key.rotate'),
      cancelUrl: PATH,
    }
    const page =
      from === undefined
        ? questionPage(frameOf('Rotate the signing key?'), {
            ...way,
            consequences: [
              'The next key signs from now on, on all servers within a second. Apps know it already: it is published since it was made.',
              'The key of until now is still published, so that what it signed goes on being valid.',
              'A new key is made and published as the next one.',
            ],
            button: 'Rotate',
            isDangerous: false,
          })
        : questionPage(frameOf('Rotate the signing key now?'), {
            ...way,
            consequences: [
              `The next key was published less than an hour ago. Apps may keep a key set without it until ${timeInWords(from)}. After that, a rotation disturbs nobody.`,
              'If you rotate now, those apps refuse new sign-ins until they read the keys again.',
              'Do it only in an emergency, such as a stolen key.',
            ],
            hidden: { emergency: 'on' },
            button: 'Rotate now',
            isDangerous: true,
          })
    gate.show(visit, admin, page, status)
  }

  return router
}
