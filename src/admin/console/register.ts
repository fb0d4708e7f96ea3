// Registering an app. Invariants: what was typed is never lost, whatever is wrong with it; a form
// registers once, however often it is sent; and the secret is in one answer, that of the form.
import { APP_TYPES } from '../../model/app.ts'
import { checkLogo, MAX_LOGO_BYTES } from '../../apps/logo.ts'
import { action, page, type Row } from './action.ts'
import {
  appFields,
  emptyAppForm,
  FIELD_LABELS,
  formProblems,
  newAppInputOf,
  readAppForm,
} from './app-form.ts'
import { appFacts, appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import { mayGiveScopes } from '../operator.ts'
import { CONFIRMED_PATH } from './stale-form.ts'
import { snippetsFor } from './snippets.ts'
import { TYPE_LABELS } from './labels.ts'

const PATH = '/admin/apps/new'

const frameOf = (title: string, extra: Partial<Frame> = {}): Frame => ({
  title,
  section: 'apps',
  crumbs: [{ label: 'Apps', href: '/admin/apps' }],
  ...extra,
})

/** Returns the rows; they come before those of one app, whose paths they would be. */
export const registrationRows = (deps: ConsoleDeps): Row[] => [register(deps), confirmed]

const register = ({ apps, services, catalogue, issuer, lifetimes }: ConsoleDeps): Row =>
  action({
    name: 'app.register',
    path: PATH,
    scope: 'admin:apps:write',
    find: () => undefined,
    read: (form) => ({
      values: form === undefined ? emptyAppForm() : readAppForm(form.fields),
      logo: form?.files.get('logo'),
    }),
    recentSignIn: 'always',
    showsStaleForm: true,
    once: (_, appId) => ({
      frame: frameOf('This app is already registered'),
      what: 'The form was sent twice, for example by reloading the page. Nothing was registered again, and the secret is not shown again.',
      next: 'If you did not save the secret, create another one under Credentials and revoke the first.',
      link:
        appId === ''
          ? { label: 'Go to the apps', href: '/admin/apps' }
          : { label: 'Go to the app', href: appPath(appId, '/credentials') },
    }),
    maxFileBytes: MAX_LOGO_BYTES,
    page: ({ typed: { values, logo }, problems, isStale, signInAgainUrl, ...form }) => ({
      template: 'register',
      frame: frameOf('Register an app', { problems: formProblems(problems, FIELD_LABELS) }),
      ...appFields({
        values,
        problems,
        catalogue: mayGiveScopes(form.admin.by, catalogue()),
        lifetimes,
      }),
      types: APP_TYPES.map((value) => ({ value, ...TYPE_LABELS[value] })),
      action: PATH,
      csrf: form.csrf,
      formId: form.formId,
      isStale,
      hadLogo: logo !== undefined,
      signInAgainUrl,
      isNew: true,
    }),
    check({ values, logo }) {
      const checked = apps.check(newAppInputOf(values))
      const picture = logo === undefined ? undefined : checkLogo(logo.bytes, logo.contentType)
      return [
        ...(checked.kind === 'refused' ? checked.problems : []),
        ...(picture?.kind === 'refused' ? picture.problems : []),
      ]
    },
    async run(_, { values, logo }, by, note) {
      const outcome = await services.apps.register(
        newAppInputOf(values),
        by,
        logo,
        (trx, { app }) => note(trx, app.id),
      )
      if (outcome.kind === 'refused') return outcome
      return {
        kind: 'shown',
        page: {
          template: 'registered',
          frame: frameOf(`${outcome.app.name} is registered`),
          app: appFacts(outcome.app),
          secret: outcome.secret?.reveal(),
          snippets: snippetsFor(outcome.app, issuer),
        },
      }
    },
  })

/** Where somebody arrives who has signed in again beside a form that waits. */
const confirmed = page({
  path: CONFIRMED_PATH,
  scope: undefined,
  show: () => ({
    template: 'used-form',
    frame: frameOf('You are confirmed', { crumbs: [] }),
    what: 'Close this tab, and send the form in the other tab again.',
    next: 'Nothing you typed there is lost.',
    link: undefined,
  }),
})
