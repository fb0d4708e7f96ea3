// Suspending, activating and deleting an app: each asks on a page of its own, and what cannot be taken back asks for the app's name too.
import Router from '@koa/router'
import type { App } from '../../model/app.ts'
import { AppError } from '../../shared/errors.ts'
import { appPath, belowApp } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { type Admin, type Gate, goTo, type Visit } from './gate.routes.ts'
import { questionPage, REASON_NEEDED } from './question.ts'

interface Typed {
  reason: string
  name: string
}
type Problems = Partial<Record<keyof Typed, string>>

/** Creates the routes. */
export function createAppStatusRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { acts } = deps
  const router = new Router({ strict: true, sensitive: true })
  const SUSPEND = '/admin/apps/:id/suspend'
  const ACTIVATE = '/admin/apps/:id/activate'
  const DELETE = '/admin/apps/:id/delete'
  const idOf = (visit: Visit): string => visit.params['id'] ?? ''
  const NOTHING: Typed = { reason: '', name: '' }

  router.get(
    SUSPEND,
    ...gate.confirmed(async (visit, admin) => {
      askToSuspend(visit, admin, await deps.getChangeable(idOf(visit)), NOTHING)
    }),
  )
  router.post(
    SUSPEND,
    ...gate.confirmed(async (visit, admin) => {
      const id = idOf(visit)
      const form = await gate.readForm(visit, admin, `app.suspend ${id}`)
      const typed = { ...NOTHING, reason: form.get('reason') ?? '' }
      const problem = await problemOfReason(() => acts.apps.suspend(id, typed.reason, admin.by))
      if (problem === undefined) goTo(visit, appPath(id, '?done=suspended'))
      else askToSuspend(visit, admin, await deps.getChangeable(id), typed, { reason: problem })
    }),
  )

  router.get(
    ACTIVATE,
    ...gate.confirmed(async (visit, admin) => {
      const app = await deps.getChangeable(idOf(visit))
      gate.show(
        visit,
        admin,
        questionPage(belowApp(app, `Activate ${app.name}?`), {
          consequences: [
            'It can ask for tokens again at once.',
            'Tokens from before stay revoked: people connect it anew, servers fetch new ones.',
          ],
          action: appPath(app.id, '/activate'),
          csrf: gate.token(admin, `app.activate ${app.id}`),
          button: 'Activate',
          isDangerous: false,
          cancelUrl: appPath(app.id),
        }),
      )
    }),
  )
  router.post(
    ACTIVATE,
    ...gate.confirmed(async (visit, admin) => {
      const id = idOf(visit)
      await gate.readForm(visit, admin, `app.activate ${id}`)
      await acts.apps.activate(id, admin.by)
      goTo(visit, appPath(id, '?done=activated'))
    }),
  )

  router.get(
    DELETE,
    ...gate.confirmed(async (visit, admin) => {
      askToDelete(visit, admin, await deps.getChangeable(idOf(visit)), NOTHING)
    }),
  )
  router.post(
    DELETE,
    ...gate.confirmed(async (visit, admin) => {
      const id = idOf(visit)
      const form = await gate.readForm(visit, admin, `app.delete ${id}`)
      const typed = { reason: form.get('reason') ?? '', name: form.get('name') ?? '' }
      const app = await deps.getChangeable(id)
      const problems: Problems = {}
      if (typed.name.trim() !== app.name)
        problems.name = 'Type the name exactly as it stands above the field.'
      if (typed.reason.trim() === '') problems.reason = REASON_NEEDED
      if (Object.keys(problems).length === 0) {
        const problem = await problemOfReason(() => acts.apps.remove(id, typed.reason, admin.by))
        if (problem === undefined) {
          goTo(visit, '/admin/apps?removed=1')
          return
        }
        problems.reason = problem
      }
      askToDelete(visit, admin, app, typed, problems)
    }),
  )

  function askToSuspend(
    visit: Visit,
    admin: Admin,
    app: App,
    typed: Typed,
    problems: Problems = {},
  ): void {
    const page = questionPage(belowApp(app, `Suspend ${app.name}?`), {
      consequences: [
        'All its tokens stop working at once, and it gets no new ones.',
        'People who try to connect it are told that it is switched off.',
        'You can activate it again; its tokens do not come back.',
      ],
      fields: [reasonField(typed, problems)],
      action: appPath(app.id, '/suspend'),
      csrf: gate.token(admin, `app.suspend ${app.id}`),
      button: 'Suspend',
      isDangerous: true,
      cancelUrl: appPath(app.id),
    })
    gate.show(visit, admin, page, statusOf(problems))
  }

  function askToDelete(
    visit: Visit,
    admin: Admin,
    app: App,
    typed: Typed,
    problems: Problems = {},
  ): void {
    const page = questionPage(belowApp(app, `Delete ${app.name}?`), {
      consequences: [
        'This cannot be undone: its client id never works again.',
        'All its tokens and secrets stop working at once.',
        'Its row and its activity stay, for whoever asks later what happened.',
      ],
      fields: [
        reasonField(typed, problems),
        {
          name: 'name',
          label: 'Name of the app',
          hint: `To be sure, type: ${app.name}`,
          value: typed.name,
          kind: 'line',
          autocomplete: 'off',
          problem: problems.name,
        },
      ],
      action: appPath(app.id, '/delete'),
      csrf: gate.token(admin, `app.delete ${app.id}`),
      button: 'Delete for good',
      isDangerous: true,
      cancelUrl: appPath(app.id),
    })
    gate.show(visit, admin, page, statusOf(problems))
  }

  return router
}

const statusOf = (problems: Problems): number => (Object.keys(problems).length === 0 ? 200 : 422)

const reasonField = ({ reason }: Typed, problems: Problems) => ({
  name: 'reason',
  label: 'Why',
  hint: 'Other admins see it with the app and in the activity.',
  value: reason,
  kind: 'lines' as const,
  problem: problems.reason,
})

/** Does an act that takes a reason; returns what is wrong with the reason where it was refused for it. */
export async function problemOfReason(act: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    const isAboutReason = error instanceof AppError && error.about === 'reason'
    if (isAboutReason) return REASON_NEEDED
    throw error
  }
}
