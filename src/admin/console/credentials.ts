// The secrets of an app, and code to start with. Invariant: a secret is in the one answer that made
// it; sending that form again makes none and shows none.
import { isConfidential, type App } from '../../model/app.ts'
import { AppError } from '../../shared/errors.ts'
import { redirected, page, type Row } from './action.ts'
import { appFacts, appFrame, appPath, belowApp, secretFacts } from './app-frame.ts'
import { confirmation, line, type Typed } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { snippetsFor } from './snippets.ts'
import { timeInWords } from '../../http/views.ts'

const DAY = /^\d{4}-\d{2}-\d{2}$/

/** Returns the rows. */
export const credentialRows = (deps: ConsoleDeps): Row[] => [
  credentials(deps),
  createSecret(deps),
  revokeSecret(deps),
]

const credentials = ({ apps, issuer, clock }: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id/credentials',
    scope: 'admin:apps:read',
    async show({ params, query }) {
      const app = await apps.get(params.id)
      const secrets = secretFacts(app, clock())
      const liveCount = secrets.filter(({ isLive }) => isLive).length
      const canCreate = isConfidential(app) && app.status !== 'deleted' && liveCount < 2
      return {
        template: 'app-credentials',
        frame: appFrame(app, 'credentials', {
          action: canCreate
            ? { label: 'Create a secret', href: appPath(app.id, '/secrets/new') }
            : undefined,
          done:
            query.get('done') === 'revoked'
              ? 'Secret revoked. It stops working everywhere within a second.'
              : undefined,
        }),
        app: appFacts(app),
        secrets,
        isConfidential: isConfidential(app),
        snippets: snippetsFor(app, issuer),
      }
    },
  })

/** The end of the day that was typed, so that the secret works on it. */
function expiryOf(typed: Typed): Date | undefined {
  const day = line(typed, 'expiresAt')
  return day === '' ? undefined : new Date(`${day}T23:59:59.999Z`)
}

const NO_DAY = {
  field: 'expiresAt',
  rule: 'day-malformed',
  sentence: 'Enter a date as year-month-day, such as 2027-01-31.',
}

const createSecret = ({ services, getChangeable }: ConsoleDeps): Row =>
  confirmation({
    name: 'secret.create',
    path: '/admin/apps/:id/secrets/new',
    scope: 'admin:apps:write',
    async find({ id }): Promise<App> {
      const app = await getChangeable(id)
      if (!isConfidential(app)) throw new AppError('not_found')
      return app
    },
    recentSignIn: 'always',
    once: (app) => ({
      frame: belowApp(app, 'This secret was already created'),
      what: 'The form was sent twice, for example by reloading the page. No second secret was created, and the first is not shown again.',
      next: 'If you did not save it, revoke it and create another one.',
      link: { label: 'Go to the credentials', href: appPath(app.id, '/credentials') },
    }),
    ask: (app) => ({
      frame: belowApp(app, 'Create a secret'),
      consequences: [
        'It is shown once, on the next page.',
        'The current secret keeps working, so the app can switch without downtime.',
        'At most two secrets work at a time. Revoke the old one once the app uses the new one.',
      ],
      fields: [
        {
          name: 'expiresAt',
          label: 'Last valid day',
          hint: 'Leave empty for a secret that works until it is revoked.',
          kind: 'date',
          isOptional: true,
        },
      ],
      button: 'Create and show the secret',
      isDangerous: false,
      cancelUrl: appPath(app.id, '/credentials'),
    }),
    check(typed) {
      const expiresAt = expiryOf(typed)
      const isDay = DAY.test(line(typed, 'expiresAt')) && !Number.isNaN(expiresAt?.getTime())
      return expiresAt === undefined || isDay ? [] : [NO_DAY]
    },
    async run({ id }, typed, by, note) {
      const expiresAt = expiryOf(typed)
      const along: Parameters<typeof services.apps.createSecret>[1]['along'] = (
        trx,
        { secretId },
      ) => note(trx, secretId)
      const outcome = await services.apps.createSecret(id, { expiresAt, along }, by)
      if (outcome.kind === 'refused')
        return {
          kind: 'refused',
          problems: outcome.problems.map((problem) => ({ ...problem, field: 'expiresAt' })),
        }
      return {
        kind: 'shown',
        page: {
          template: 'secret',
          frame: belowApp(outcome.app, 'New secret'),
          secret: outcome.secret.reveal(),
          expiresAt,
          link: appPath(id, '/credentials'),
        },
      }
    },
  })

const revokeSecret = ({ services, getChangeable, clock }: ConsoleDeps): Row =>
  confirmation({
    name: 'secret.revoke',
    path: '/admin/apps/:id/secrets/:secretId/revoke',
    scope: 'admin:apps:write',
    async find({ id, secretId }) {
      const app = await getChangeable(id)
      const secrets = secretFacts(app, clock())
      const secret = secrets.find((each) => each.id === secretId)
      if (secret === undefined) throw new AppError('not_found')
      return { app, secret, others: secrets.filter((each) => each !== secret) }
    },
    recentSignIn: 'always',
    once: false,
    ask({ app, secret, others }) {
      const isLast = secret.isLive && !others.some(({ isLive }) => isLive)
      return {
        frame: belowApp(app, `Revoke the secret …${secret.hint}?`),
        consequences: [
          'Requests with it are refused within a second, on all servers.',
          secret.lastUsedAt === undefined
            ? 'It has never been used.'
            : `It was last used on ${timeInWords(secret.lastUsedAt)}.`,
          isLast
            ? 'It is the last working secret: without another one, the app cannot get or refresh tokens.'
            : 'The other secret keeps working.',
        ],
        button: 'Revoke',
        isDangerous: true,
        cancelUrl: appPath(app.id, '/credentials'),
      }
    },
    async run({ app, secret }, _, by) {
      await services.apps.revokeSecret(app.id, secret.id, by)
      return redirected(appPath(app.id, '/credentials?done=revoked'))
    },
  })
