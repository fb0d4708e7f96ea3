// Registering an app. Invariants: what was typed is never lost, whatever is wrong with it; a form registers once, however often it is sent; and
// the secret is in one answer, that of the form, and nowhere else.
import Router from '@koa/router'
import { checkLogo, MAX_LOGO_BYTES } from '../../apps/logo.ts'
import type { Problem } from '../../model/problem.ts'
import {
  type AppFormValues,
  emptyAppForm,
  FIELD_LABELS,
  formProblems,
  newAppInputOf,
  readAppForm,
  scopeChoices,
  sentencesByField,
} from './app-form.ts'
import { appFacts, appPath } from './app-frame.ts'
import { APP_TYPES } from '../../model/app.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { once } from './once.ts'
import { formIdOf, newFormId } from './used-forms.store.ts'
import type { Frame } from './console-views.ts'
import type { Admin, Gate, Visit } from './gate.routes.ts'
import { CONFIRMED_PATH, goTo } from './gate.routes.ts'
import { snippetsFor } from './snippets.ts'
import { lifetimesInWords, TYPE_WORDS } from './words.ts'

const PATH = '/admin/apps/new'
const ACT = 'app.register'

const frameOf = (title: string, extra: Partial<Frame> = {}): Frame => ({
  title,
  section: 'apps',
  crumbs: [{ label: 'Apps', href: '/admin/apps' }],
  ...extra,
})

/** Creates the routes; they come before those of one app, whose paths they would be. */
export function createRegisterRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { apps, acts, catalogue, usedForms } = deps
  const router = new Router({ strict: true, sensitive: true })

  router.get(
    PATH,
    ...gate.confirmed((visit, admin) => showForm(visit, admin, emptyAppForm(), newFormId())),
  )

  // Not `confirmed`: sending somebody away who has filled in so much would lose it.
  router.post(
    PATH,
    ...gate.admins(async (visit, admin) => {
      const { fields, files } = await gate.readUpload(visit, admin, ACT, MAX_LOGO_BYTES)
      const values = readAppForm(fields)
      const formId = formIdOf(fields)
      const logo = files.get('logo')
      if (!admin.isFresh) {
        showForm(visit, admin, values, formId, {
          isStale: true,
          hadLogo: logo !== undefined,
          status: 403,
        })
        return
      }
      const input = newAppInputOf(values)
      const verdict = apps.check(input)
      const picture = logo === undefined ? undefined : checkLogo(logo.bytes, logo.contentType)
      const problems = [
        ...(verdict.kind === 'refused' ? verdict.problems : []),
        ...(picture?.kind === 'refused' ? picture.problems : []),
      ]
      if (problems.length > 0) {
        showForm(visit, admin, values, formId, {
          problems,
          hadLogo: logo !== undefined,
          status: 422,
        })
        return
      }
      const key = `${ACT} ${admin.account.id} ${formId}`
      const sent = await once(usedForms, key, (note) =>
        acts.apps.register(input, admin.by, logo, (trx, { app }) => note(trx, app.id)),
      )
      if (sent.kind === 'used') {
        showUsed(visit, admin, await usedForms.outcomeOf(key))
        return
      }
      const { outcome } = sent
      if (outcome.kind === 'refused') {
        const answer = { problems: outcome.problems, hadLogo: logo !== undefined, status: 422 }
        showForm(visit, admin, values, formId, answer)
        return
      }
      gate.show(visit, admin, {
        template: 'registered',
        frame: frameOf(`${outcome.app.name} is registered`),
        app: appFacts(outcome.app),
        secret: outcome.secret?.reveal(),
        snippets: snippetsFor(outcome.app, deps.issuer),
      })
    }),
  )

  function showUsed(visit: Visit, admin: Admin, appId: string): void {
    gate.show(visit, admin, {
      template: 'used-form',
      frame: frameOf('This app was registered already', {
        crumbs: [{ label: 'Apps', href: '/admin/apps' }],
      }),
      what: 'The form was sent a second time, by a reload for instance. Nothing was registered again, and the secret is not shown again.',
      next: 'If you did not keep the secret, create another one under Credentials and revoke the first.',
      link:
        appId === ''
          ? { label: 'Go to the apps', href: '/admin/apps' }
          : { label: 'Go to the app', href: appPath(appId, '/credentials') },
    })
  }

  function showForm(
    visit: Visit,
    admin: Admin,
    values: AppFormValues,
    formId: string,
    answer: {
      problems?: readonly Problem[]
      hadLogo?: boolean
      isStale?: boolean
      status?: number
    } = {},
  ): void {
    const { problems = [], hadLogo = false, isStale = false, status = 200 } = answer
    gate.show(
      visit,
      admin,
      {
        template: 'register',
        frame: frameOf('Register an app', { problems: formProblems(problems, FIELD_LABELS) }),
        values,
        problems: sentencesByField(problems),
        choices: scopeChoices(catalogue(), values.scopes),
        types: APP_TYPES.map((value) => ({ value, ...TYPE_WORDS[value] })),
        action: PATH,
        csrf: gate.token(admin, ACT),
        formId,
        isStale,
        hadLogo,
        signInAgainUrl: gate.signInAgainUrl(CONFIRMED_PATH),
        isNew: true,
        canActForItself: true,
        isMachine: true,
        takesPeople: true,
        lifetimes: lifetimesInWords(deps.lifetimes),
      },
      status,
    )
  }

  router.get(
    CONFIRMED_PATH,
    ...gate.admins((visit, admin) =>
      gate.show(visit, admin, {
        template: 'used-form',
        frame: frameOf('Thank you, it is you', { crumbs: [] }),
        what: 'Close this tab and send the form in the other one again.',
        next: 'Nothing that you typed there is lost.',
        link: undefined,
      }),
    ),
  )
  router.get('/admin', ...gate.admins((visit) => goTo(visit, '/admin/apps')))

  return router
}
