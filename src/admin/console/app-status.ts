// Suspending, activating and deleting an app. What cannot be undone asks for the app's name too.
import { redirected, type Row } from './action.ts'
import { appPath, belowApp } from './app-frame.ts'
import { confirmation, line, lines, REASON_NEEDED, reasonField } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'

/** Returns the rows. */
export const appStatusRows = (deps: ConsoleDeps): Row[] => [
  suspend(deps),
  activate(deps),
  remove(deps),
]

const suspend = ({ services, getChangeable }: ConsoleDeps): Row =>
  confirmation({
    name: 'app.suspend',
    path: '/admin/apps/:id/suspend',
    scope: 'admin:apps:write',
    find: ({ id }) => getChangeable(id),
    recentSignIn: 'always',
    once: false,
    ask: (app) => ({
      frame: belowApp(app, `Suspend ${app.name}?`),
      consequences: [
        'All its tokens stop working at once, and it cannot get new ones.',
        'Users who try to connect it see an error page.',
        'You can activate it again, but its tokens stay revoked.',
      ],
      fields: [reasonField('app')],
      button: 'Suspend',
      isDangerous: true,
      cancelUrl: appPath(app.id),
    }),
    async run({ id }, typed, by) {
      await services.apps.suspend(id, lines(typed, 'reason'), by)
      return redirected(appPath(id, '?done=suspended'))
    },
  })

const activate = ({ services, getChangeable }: ConsoleDeps): Row =>
  confirmation({
    name: 'app.activate',
    path: '/admin/apps/:id/activate',
    scope: 'admin:apps:write',
    find: ({ id }) => getChangeable(id),
    recentSignIn: 'always',
    once: false,
    ask: (app) => ({
      frame: belowApp(app, `Activate ${app.name}?`),
      consequences: [
        'It can request tokens again at once.',
        'Earlier tokens stay revoked: users have to connect it again, and servers have to request new tokens.',
      ],
      button: 'Activate',
      isDangerous: false,
      cancelUrl: appPath(app.id),
    }),
    async run({ id }, _, by) {
      await services.apps.activate(id, by)
      return redirected(appPath(id, '?done=activated'))
    },
  })

const remove = ({ services, getChangeable }: ConsoleDeps): Row =>
  confirmation({
    name: 'app.delete',
    path: '/admin/apps/:id/delete',
    scope: 'admin:apps:write',
    find: ({ id }) => getChangeable(id),
    recentSignIn: 'always',
    once: false,
    ask: (app) => ({
      frame: belowApp(app, `Delete ${app.name}?`),
      consequences: [
        'This cannot be undone: its client ID never works again.',
        'All its tokens and secrets stop working at once.',
        'Its record and activity are kept for auditing.',
      ],
      fields: [
        reasonField('app'),
        {
          name: 'name',
          label: 'App name',
          hint: `To confirm, type: ${app.name}`,
          kind: 'line',
          autocomplete: 'off',
        },
      ],
      button: 'Delete permanently',
      isDangerous: true,
      cancelUrl: appPath(app.id),
    }),
    check: (typed, app) => [
      ...(line(typed, 'reason') === '' ? [REASON_NEEDED] : []),
      ...(line(typed, 'name') === app.name ? [] : [NAME_DIFFERS]),
    ],
    async run({ id }, typed, by) {
      await services.apps.remove(id, lines(typed, 'reason'), by)
      return redirected('/admin/apps?removed=1')
    },
  })

const NAME_DIFFERS = {
  field: 'name',
  rule: 'name-differs',
  sentence: 'Type the name exactly as shown above the field.',
}
