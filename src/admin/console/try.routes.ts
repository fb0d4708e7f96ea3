// Trying an app out: an admin runs an app's real flow and sees what the app would get. Invariant: nothing here knows a token; what is shown was cut short
// by admin/app-preview.ts, after it was ended.
import Router from '@koa/router'
import type { App } from '../../model/app.ts'
import { PREVIEW_RETURN_PATH } from '../../grants/previews.ts'
import type { Parameters } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import type { PreviewOutcome } from '../app-preview.ts'
import { scopeChoices } from './app-form.ts'
import { appFacts, appPath, belowApp } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { type Admin, type Gate, goTo, type Visit } from './gate.routes.ts'
import { reasonWords } from './reasons.ts'

const TRY = '/admin/apps/:id/try'
const SCOPE_PREFIX = 'scope:'

/** Creates the routes. */
export function createTryRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { previews } = deps
  const router = new Router({ strict: true, sensitive: true })
  const idOf = (visit: Visit): string => visit.params['id'] ?? ''
  const actOf = (id: string): string => `app.try ${id}`

  router.get(
    TRY,
    ...gate.admins(async (visit, admin) => {
      const app = await deps.getChangeable(idOf(visit))
      if (app.type === 'resource_server') throw new AppError('not_found')
      const catalogue = new Map([...deps.catalogue()].filter(([name]) => app.scopes.includes(name)))
      const { groups, admin: powers } = scopeChoices(catalogue, new Set(app.scopes))
      const administration = { title: 'Administration', choices: powers }
      gate.show(visit, admin, {
        template: 'try',
        frame: belowApp(app, `Try ${app.name}`),
        app: appFacts(app),
        isMachine: app.type === 'machine',
        // What left the catalogue can be ticked, to see the refusal.
        groups: [...groups, ...(powers.length === 0 ? [] : [administration])].map((group) => ({
          title: group.title,
          choices: group.choices.map((choice) => ({
            ...choice,
            isChosen: choice.remark !== 'removed',
          })),
        })),
        host: recipientOf(app),
        action: appPath(app.id, '/try'),
        csrf: gate.token(admin, actOf(app.id)),
        cancelUrl: appPath(app.id),
      })
    }),
  )

  router.post(
    TRY,
    ...gate.admins(async (visit, admin) => {
      const id = idOf(visit)
      const form = await gate.readForm(visit, admin, actOf(id))
      const app = await deps.getChangeable(id)
      const scopes = scopesOf(form)
      if (app.type === 'machine') {
        show(visit, admin, await previews.runMachine(id, scopes, admin.by))
        return
      }
      const outcome = await previews.begin(id, scopes, admin.by)
      if (outcome.kind === 'begun') goTo(visit, outcome.url)
      else show(visit, admin, outcome)
    }),
  )

  router.get(
    PREVIEW_RETURN_PATH,
    ...gate.admins(async (visit, admin) => {
      show(visit, admin, await previews.finish(new URLSearchParams(visit.querystring), admin.by))
    }),
  )

  function show(visit: Visit, admin: Admin, outcome: PreviewOutcome): void {
    const { app, kind, redirect } = outcome
    gate.show(visit, admin, {
      template: 'try-result',
      frame: belowApp(app, `${app.name}: what came of it`, FRAMES[kind]),
      app: appFacts(app),
      kind,
      isMachine: app.type === 'machine',
      redirect,
      address: redirect === undefined ? undefined : redirectTo(app, redirect),
      reason:
        outcome.kind === 'refused'
          ? { code: outcome.reason, ...reasonWords('request.refused', outcome.reason) }
          : undefined,
      parts: outcome.kind === 'issued' ? partsOf(outcome, app) : [],
      againUrl: appPath(app.id, '/try'),
      backUrl: appPath(app.id),
    })
  }

  return router
}

const FRAMES = {
  issued: {
    done: 'It works. The preview is over: its tokens are revoked, and nothing of it is kept but the activity.',
  },
  denied: { done: 'You denied. This is what the app is told when somebody does; it gets nothing.' },
  refused: { problem: 'It was refused. The app got no tokens.' },
} as const

function partsOf(
  outcome: PreviewOutcome & { kind: 'issued' },
  app: App,
): { id: string; title: string; hint: string; code: string }[] {
  const json = (value: unknown): string => JSON.stringify(value, null, 2)
  const { answer, introspection, idTokenClaims } = outcome
  return [
    {
      id: 'answer',
      title: app.type === 'machine' ? 'The answer to its credentials' : 'The answer to the code',
      hint: 'From the token endpoint. Tokens are cut short here; the app gets them whole.',
      code: json(answer),
    },
    {
      id: 'introspection',
      title: 'What the access token was worth',
      hint: 'What introspection told before it was revoked.',
      code: json(introspection),
    },
    ...(idTokenClaims === undefined
      ? []
      : [
          {
            id: 'claims',
            title: 'Who signed in',
            hint: 'The claims of the id_token.',
            code: json(idTokenClaims),
          },
        ]),
  ]
}

function scopesOf(form: Parameters): string[] {
  return [...form.keys()].flatMap((name) =>
    name.startsWith(SCOPE_PREFIX) ? [name.slice(SCOPE_PREFIX.length)] : [],
  )
}

/** The address at which a real flow calls the app: its first. */
function redirectTo(app: App, parameters: NonNullable<PreviewOutcome['redirect']>): string {
  const [uri = ''] = app.redirectUris
  const query = parameters
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%E2%80%A6', '…')}`)
    .join('&')
  return `${uri}${uri.includes('?') ? '&' : '?'}${query}`
}

const recipientOf = (app: App): string | undefined => app.redirectUris[0]
