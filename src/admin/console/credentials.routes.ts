// The secrets of an app and how its developer starts: snippets with everything filled in. Invariant: a secret is in the one answer that made it;
// sending that form again makes none and shows none.
import Router from '@koa/router'
import { isConfidential, type App } from '../../model/app.ts'
import { AppError } from '../../shared/errors.ts'
import { appFacts, appFrame, appPath, belowApp, secretFacts } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { once } from './once.ts'
import { formIdOf, newFormId } from './used-forms.store.ts'
import { type Admin, type Gate, goTo, type Visit } from './gate.routes.ts'
import { queryOf } from './paging.ts'
import { questionPage } from './question.ts'
import { snippetsFor } from './snippets.ts'
import { timeInWords } from './words.ts'

const DAY = /^\d{4}-\d{2}-\d{2}$/

/** Creates the routes. */
export function createCredentialRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { apps, acts, usedForms, clock } = deps
  const router = new Router({ strict: true, sensitive: true })
  const NEW = '/admin/apps/:id/secrets/new'
  const REVOKE = '/admin/apps/:id/secrets/:secretId/revoke'
  const idOf = (visit: Visit): string => visit.params['id'] ?? ''

  router.get(
    '/admin/apps/:id/credentials',
    ...gate.admins(async (visit, admin) => {
      const app = await apps.get(idOf(visit))
      const secrets = secretFacts(app, clock())
      const liveCount = secrets.filter(({ isLive }) => isLive).length
      const canCreate = isConfidential(app) && app.status !== 'deleted' && liveCount < 2
      gate.show(visit, admin, {
        template: 'app-credentials',
        frame: appFrame(app, 'credentials', {
          action: canCreate
            ? { label: 'Create a secret', href: appPath(app.id, '/secrets/new') }
            : undefined,
          done:
            queryOf(visit).get('done') === 'revoked'
              ? 'The secret is revoked. It stops working everywhere within a second.'
              : undefined,
        }),
        app: appFacts(app),
        secrets,
        liveCount,
        isConfidential: isConfidential(app),
        issuer: deps.issuer,
        snippets: snippetsFor(app, deps.issuer),
      })
    }),
  )

  router.get(
    NEW,
    ...gate.confirmed(async (visit, admin) => {
      askForSecret(visit, admin, await confidential(visit), { expires: '' }, newFormId())
    }),
  )

  router.post(
    NEW,
    ...gate.confirmed(async (visit, admin) => {
      const app = await confidential(visit)
      const form = await gate.readForm(visit, admin, `secret.create ${app.id}`)
      const formId = formIdOf(form)
      const expires = form.get('expiresAt')?.trim() ?? ''
      // The end of that day, so that the secret works on it.
      const expiresAt = expires === '' ? undefined : new Date(`${expires}T23:59:59.999Z`)
      if (expiresAt !== undefined && (!DAY.test(expires) || Number.isNaN(expiresAt.getTime()))) {
        const problem = 'Write a day as year-month-day, like 2027-01-31.'
        askForSecret(visit, admin, app, { expires, problem }, formId)
        return
      }
      const key = `secret.create ${admin.account.id} ${formId}`
      const sent = await once(usedForms, key, (note) =>
        acts.apps.createSecret(
          app.id,
          { expiresAt, along: (trx, { secretId }) => note(trx, secretId) },
          admin.by,
        ),
      )
      if (sent.kind === 'used') {
        showUsed(visit, admin, app)
        return
      }
      const { outcome } = sent
      if (outcome.kind === 'refused') {
        const problem = outcome.problems.map(({ sentence }) => sentence).join(' ')
        askForSecret(visit, admin, app, { expires, problem }, formId)
        return
      }
      gate.show(visit, admin, {
        template: 'secret',
        frame: belowApp(app, 'The new secret'),
        app: appFacts(outcome.app),
        secret: outcome.secret.reveal(),
        expiresAt,
        link: appPath(app.id, '/credentials'),
      })
    }),
  )

  router.get(
    REVOKE,
    ...gate.confirmed(async (visit, admin) => {
      const app = await deps.getChangeable(idOf(visit))
      const secret = secretFacts(app, clock()).find(({ id }) => id === visit.params['secretId'])
      if (secret === undefined) throw new AppError('not_found')
      const others = secretFacts(app, clock()).filter((each) => each.isLive && each !== secret)
      const isLast = secret.isLive && others.every(({ id }) => id === secret.id)
      const lastUsed =
        secret.lastUsedAt === undefined
          ? 'It has never been used.'
          : `It was last used on ${timeInWords(secret.lastUsedAt)}.`
      gate.show(
        visit,
        admin,
        questionPage(belowApp(app, `Revoke the secret …${secret.hint}?`), {
          consequences: [
            'Requests with it are refused within a second, on all servers.',
            lastUsed,
            isLast
              ? 'It is the last one that works: without another, the app cannot get or refresh tokens.'
              : 'The other secret goes on working.',
          ],
          action: secret.revokeUrl,
          csrf: gate.token(admin, `secret.revoke ${app.id} ${secret.id}`),
          button: 'Revoke',
          isDangerous: true,
          cancelUrl: appPath(app.id, '/credentials'),
        }),
      )
    }),
  )
  router.post(
    REVOKE,
    ...gate.confirmed(async (visit, admin) => {
      const id = idOf(visit)
      const secretId = visit.params['secretId'] ?? ''
      await gate.readForm(visit, admin, `secret.revoke ${id} ${secretId}`)
      await acts.apps.revokeSecret(id, secretId, admin.by)
      goTo(visit, appPath(id, '/credentials?done=revoked'))
    }),
  )

  async function confidential(visit: Visit): Promise<App> {
    const app = await deps.getChangeable(idOf(visit))
    if (!isConfidential(app)) throw new AppError('not_found')
    return app
  }

  function askForSecret(
    visit: Visit,
    admin: Admin,
    app: App,
    { expires, problem }: { expires: string; problem?: string },
    formId: string,
  ): void {
    const page = questionPage(belowApp(app, 'Create a secret'), {
      consequences: [
        'It is shown once, on the next page.',
        'The secret that is in use goes on working, so that the app can change over without a pause.',
        'At most two secrets work at a time: revoke the old one when the app uses the new one.',
      ],
      fields: [
        {
          name: 'expiresAt',
          label: 'Last day on which it works',
          hint: 'Leave it empty for a secret that works until it is revoked.',
          value: expires,
          kind: 'date',
          isOptional: true,
          problem,
        },
      ],
      hidden: { form: formId },
      action: appPath(app.id, '/secrets/new'),
      csrf: gate.token(admin, `secret.create ${app.id}`),
      button: 'Create and show it',
      isDangerous: false,
      cancelUrl: appPath(app.id, '/credentials'),
    })
    gate.show(visit, admin, page, problem === undefined ? 200 : 422)
  }

  function showUsed(visit: Visit, admin: Admin, app: App): void {
    gate.show(visit, admin, {
      template: 'used-form',
      frame: belowApp(app, 'This secret was created already'),
      what: 'The form was sent a second time, by a reload for instance. No other secret was made, and the first is not shown again.',
      next: 'If you did not keep it, revoke it and create another one.',
      link: { label: 'Go to the credentials', href: appPath(app.id, '/credentials') },
    })
  }

  return router
}
