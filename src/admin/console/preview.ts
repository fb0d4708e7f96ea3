// Previewing an app ("Try it"): an admin runs an app's real flow and sees what the app would get.
// Invariant: nothing here knows a token; what is shown was cut short by admin/app-preview.ts, after
// it was ended.
import type { App } from '../../model/app.ts'
import { PREVIEW_RETURN_PATH } from '../../grants/previews.ts'
import type { Parameters } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import type { PreviewOutcome } from '../app-preview.ts'
import { action, redirected, page, type Row } from './action.ts'
import { scopeChoices } from './app-form.ts'
import { appFacts, appPath, belowApp } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { PreviewPart } from './page-models.ts'
import { reasonMessage } from './reason-messages.ts'

const SCOPE_PREFIX = 'scope:'

/** Returns the rows. */
export const previewRows = ({ previews, catalogue, getChangeable }: ConsoleDeps): Row[] => [
  action({
    name: 'app.try',
    path: '/admin/apps/:id/try',
    scope: 'admin:apps:write',
    async find({ id }): Promise<App> {
      const app = await getChangeable(id)
      if (app.type === 'resource_server') throw new AppError('not_found')
      return app
    },
    read: (form) => (form === undefined ? [] : scopesOf(form.fields)),
    recentSignIn: 'never',
    once: false,
    page: ({ target: app, csrf }) => ({
      template: 'preview',
      frame: belowApp(app, `Try ${app.name}`),
      app: appFacts(app),
      isMachine: app.type === 'machine',
      groups: choicesOf(app, catalogue()),
      host: app.redirectUris[0],
      action: appPath(app.id, '/try'),
      csrf,
      cancelUrl: appPath(app.id),
    }),
    async run(app, scopes, by) {
      if (app.type === 'machine')
        return { kind: 'shown', page: resultPage(await previews.runMachine(app.id, scopes, by)) }
      const outcome = await previews.begin(app.id, scopes, by)
      return outcome.kind === 'begun'
        ? redirected(outcome.url)
        : { kind: 'shown', page: resultPage(outcome) }
    },
  }),
  page({
    path: PREVIEW_RETURN_PATH,
    scope: 'admin:apps:write',
    show: async ({ search, admin }) =>
      resultPage(await previews.finish(new URLSearchParams(search), admin.by)),
  }),
]

/**
 * Returns the app's scopes as checkboxes; what left the catalogue can be ticked, to see the
 * refusal.
 */
function choicesOf(app: App, all: ReturnType<ConsoleDeps['catalogue']>) {
  const catalogue = new Map([...all].filter(([name]) => app.scopes.includes(name)))
  const { groups, admin } = scopeChoices(catalogue, new Set(app.scopes))
  const administration = { title: 'Administration', choices: admin }
  return [...groups, ...(admin.length === 0 ? [] : [administration])].map((group) => ({
    title: group.title,
    choices: group.choices.map((choice) => ({
      ...choice,
      isChosen: choice.remark !== 'removed',
    })),
  }))
}

const FRAMES = {
  issued: {
    done: 'It works. The tokens of this preview are revoked, and only its activity is kept.',
  },
  denied: { done: 'You denied access. This is what the app receives when somebody does.' },
  refused: { problem: 'The request was refused. The app got no tokens.' },
} as const

function resultPage(outcome: PreviewOutcome) {
  const { app, kind, redirect } = outcome
  return {
    template: 'preview-result',
    frame: belowApp(app, `Test result: ${app.name}`, FRAMES[kind]),
    app: appFacts(app),
    kind,
    isMachine: app.type === 'machine',
    redirect,
    address: redirect === undefined ? undefined : redirectTo(app, redirect),
    reason:
      outcome.kind === 'refused'
        ? { code: outcome.reason, ...reasonMessage('request.refused', outcome.reason) }
        : undefined,
    parts: outcome.kind === 'issued' ? partsOf(outcome) : [],
    againUrl: appPath(app.id, '/try'),
    backUrl: appPath(app.id),
  } as const
}

function partsOf(outcome: PreviewOutcome & { kind: 'issued' }): PreviewPart[] {
  const json = (value: unknown): string => JSON.stringify(value, null, 2)
  const { answer, introspection, idTokenClaims } = outcome
  return [
    {
      id: 'answer',
      title: 'Token response',
      hint: 'From the token endpoint. Tokens are shortened here; the app gets them in full.',
      code: json(answer),
    },
    {
      id: 'introspection',
      title: 'Introspection result',
      hint: 'What introspection returned before the token was revoked.',
      code: json(introspection),
    },
    ...(idTokenClaims === undefined
      ? []
      : [
          {
            id: 'claims',
            title: 'Who signed in',
            hint: 'The claims of the ID token.',
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
