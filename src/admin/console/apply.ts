// Scopes and apps as a file: written to be kept, or read, shown as a plan, and applied. Invariants:
// nothing is changed before somebody has seen what would be; what is applied is what was shown; and
// a secret that comes to be is in the one answer that says so. admin/apply/ plans and applies.
import { Readable } from 'node:stream'
import { isConfidential } from '../../model/app.ts'
import type { Change } from '../../model/diff.ts'
import { SCOPE_SETTINGS } from '../../apps/scope-settings.ts'
import { AppError } from '../../shared/errors.ts'
import {
  type ApplyOutcome,
  type DeclarationReview,
  MAX_DECLARATION_BYTES,
  withLine,
} from '../apply/declarations.ts'
import { type AppStep, type Plan, planSummary, type ScopeStep } from '../apply/plan.ts'
import type { UploadedFile } from '../../http/multipart.ts'
import type { Problem } from '../../model/problem.ts'
import { action, type FormState, page, redirected, type Row, type Sent } from './action.ts'
import { FIELD_LABELS } from './app-form.ts'
import { appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import type { PlanRow } from './page-models.ts'

const PATH = '/admin/apply'
const APPS = '/admin/apps'
const CRUMBS = [{ label: 'Apps', href: APPS }]

const frameOf = (title: string, extra: Partial<Frame> = {}): Frame => ({
  title,
  section: 'apps',
  crumbs: CRUMBS,
  ...extra,
})

const planPath = (id: string, below = ''): string => `${PATH}/${encodeURIComponent(id)}${below}`

/** Returns the rows. */
export const applyRows = (deps: ConsoleDeps): Row[] => [
  upload(deps),
  review(deps),
  discard(deps),
  download(deps),
]

interface Upload {
  file: { upload: UploadedFile; name: string } | undefined
  prune: boolean
}

const NO_FILE: Problem = { field: 'file', rule: 'file-missing', sentence: 'Choose a file.' }

const upload = ({ declarations }: ConsoleDeps): Row =>
  action({
    name: 'apply.upload',
    path: PATH,
    scope: 'admin:apps:write',
    find: () => undefined,
    read: (form): Upload => {
      const file = form?.files.get('file')
      return {
        file: file && { upload: file, name: file.fileName.slice(0, 200) },
        prune: form?.fields.get('prune') === 'on',
      }
    },
    recentSignIn: 'never',
    once: false,
    maxFileBytes: MAX_DECLARATION_BYTES,
    page: uploadPage,
    check: ({ file }) => (file === undefined ? [NO_FILE] : []),
    async run(_, { file, prune }, by) {
      if (file === undefined) return redirected(PATH)
      const { bytes } = file.upload
      const outcome = await declarations.receive({ name: file.name, bytes }, { prune }, by)
      return outcome.kind === 'received' ? redirected(planPath(outcome.id)) : outcome
    },
  })

function uploadPage({ typed, problems, ...form }: FormState<undefined, Upload>) {
  const sentences = problems.map(({ sentence }) => sentence)
  return {
    template: 'apply',
    frame: frameOf('Import and export', {
      problems: sentences.map((sentence) => ({ anchor: 'f-file', label: 'File', sentence })),
    }),
    action: PATH,
    csrf: form.csrf,
    cancelUrl: APPS,
    problems: sentences,
    prune: typed.prune,
    maxSize: `${MAX_DECLARATION_BYTES / 1024} KiB`,
    yamlUrl: EXPORT,
    jsonUrl: `${EXPORT}?format=json`,
  } as const
}

const EXPORT = '/admin/export'

const download = ({ declarations }: ConsoleDeps): Row =>
  page({
    path: EXPORT,
    scope: 'admin:apps:read',
    async show({ query }) {
      const format = query.get('format') === 'json' ? 'json' : 'yaml'
      return {
        filename: `apps.${format}`,
        contentType: `application/${format}; charset=utf-8`,
        content: Readable.from([await declarations.write(format)]),
      }
    },
  })

interface Asked {
  fingerprint: string
}

const review = ({ declarations }: ConsoleDeps): Row =>
  action({
    name: 'apply.run',
    path: `${PATH}/:id`,
    scope: 'admin:apps:write',
    find: ({ id }) => id,
    read: (form): Asked => ({ fingerprint: form?.fields.get('plan') ?? '' }),
    recentSignIn: () => true,
    showsStaleForm: true,
    // The upload is applied once; whoever sends the form again sees what came of it.
    once: false,
    page: async (state) =>
      reviewPage(
        await declarations.get(state.target, state.admin.by),
        state,
        state.csrfOf(DISCARD),
      ),
    async run(id, { fingerprint }, by): Promise<Sent<string>> {
      const outcome = await declarations.apply(id, fingerprint, by)
      if (outcome.kind === 'changed') return { kind: 'conflict', target: id }
      if (outcome.kind === 'used') return redirected(planPath(id))
      return { kind: 'shown', page: resultPage(id, outcome) }
    },
  })

const DISCARD = 'apply.discard'

const discard = ({ declarations }: ConsoleDeps): Row =>
  action({
    name: DISCARD,
    path: `${PATH}/:id/discard`,
    scope: 'admin:apps:write',
    isPartOfOtherPage: true,
    find: ({ id }) => id,
    read: () => undefined,
    recentSignIn: 'never',
    once: false,
    page: async (state) =>
      reviewPage(await declarations.get(state.target, state.admin.by), state, state.csrf),
    async run(id, _, by) {
      await declarations.discard(id, by)
      return redirected(PATH)
    },
  })

const TITLES: Readonly<Record<DeclarationReview['state'], string>> = {
  ready: 'Check the changes',
  running: 'Changes in progress',
  stopped: 'Check the changes',
  done: 'Changes applied',
}

const CHANGED =
  'Nothing was applied: scopes or apps were changed in the meantime. Below is what would change now.'

function reviewPage(
  found: DeclarationReview,
  form: Pick<FormState<string, unknown>, 'csrfOf' | 'isStale' | 'isConflict' | 'signInAgainUrl'>,
  discardCsrf: string,
) {
  const { id, state, planned, fileName, prune, logos } = found
  const isPlan = planned.kind === 'planned' && state !== 'done'
  const summary = isPlan ? planSummary(planned.plan) : undefined
  const changes = summary ? summary.create + summary.update + summary.suspend : 0
  return {
    template: 'apply-plan',
    frame: frameOf(TITLES[state], {
      crumbs: [...CRUMBS, { label: 'Import and export', href: PATH }],
      problem: form.isConflict ? CHANGED : undefined,
    }),
    state,
    fileName,
    prune,
    logos,
    problems: planned.kind === 'refused' ? planned.problems.map(withLine) : [],
    summary,
    rows: isPlan ? planRows(planned.plan) : [],
    makesSecrets: isPlan && planned.plan.apps.some(makesSecret),
    button:
      isPlan && state !== 'running' && changes > 0
        ? `Apply ${changes === 1 ? '1 change' : `${changes} changes`}`
        : undefined,
    fingerprint: planned.kind === 'planned' ? planned.fingerprint : '',
    action: planPath(id),
    csrf: form.csrfOf('apply.run'),
    discardAction: planPath(id, '/discard'),
    discardCsrf,
    isStale: form.isStale,
    signInAgainUrl: form.signInAgainUrl,
    cancelUrl: APPS,
    againUrl: PATH,
  } as const
}

const makesSecret = ({ kind, settings }: AppStep): boolean =>
  kind === 'create' && isConfidential(settings)

const KINDS = {
  create: { label: 'New', tone: 'good' },
  update: { label: 'Changed', tone: 'care' },
} as const

function planRows({ scopes, apps, suspensions }: Plan): PlanRow[] {
  return [
    ...scopes.flatMap((step) =>
      stepRow(step, 'Scope', { name: step.name, href: undefined, remark: undefined }),
    ),
    ...apps.flatMap((step) =>
      stepRow(step, 'App', {
        name: step.handle,
        href: step.kind === 'create' ? undefined : appPath(step.app.id),
        remark:
          step.kind !== 'create' && step.app.status === 'suspended'
            ? 'Suspended, and stays so'
            : undefined,
      }),
    ),
    ...suspensions.map((app): PlanRow => ({
      badge: { label: 'Suspended', tone: 'off' },
      what: 'App',
      name: app.handle ?? app.id,
      href: appPath(app.id),
      remark: 'The file does not name it. Its tokens stop working.',
      changes: [],
    })),
  ]
}

function stepRow(
  { kind, changes }: ScopeStep | AppStep,
  what: PlanRow['what'],
  named: Pick<PlanRow, 'name' | 'href' | 'remark'>,
): PlanRow[] {
  if (kind === 'unchanged') return []
  const shown = changes.filter(({ field }) => kind !== 'create' || field !== 'handle')
  return [{ badge: KINDS[kind], what, ...named, changes: shown.map(changeRow) }]
}

const SCOPE_LABELS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(SCOPE_SETTINGS).map(([name, { console }]) => [name, console.label]),
)

function changeRow({ field, before, after }: Change): PlanRow['changes'][number] {
  const [was, is] = [textsOf(before), textsOf(after)]
  return {
    label: FIELD_LABELS[field] ?? SCOPE_LABELS[field] ?? field,
    removed: was.filter((value) => !is.includes(value)),
    added: is.filter((value) => !was.includes(value)),
  }
}

function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String)
  if (value === undefined || value === null || value === '') return []
  if (typeof value === 'boolean') return [value ? 'on' : 'off']
  return [typeof value === 'string' ? value : JSON.stringify(value)]
}

function resultPage(id: string, { applied, secrets }: Extract<ApplyOutcome, { kind: 'applied' }>) {
  const { done, registered, stopped } = applied
  return {
    template: 'apply-result',
    frame: frameOf(stopped === undefined ? 'Changes applied' : 'Applied in part', {
      crumbs: [...CRUMBS, { label: 'Import and export', href: PATH }],
    }),
    done,
    stopped: stopped && { at: stopped.at, because: wordsOf(stopped) },
    registered: [...registered].map(([handle, clientId]) => ({
      handle,
      clientId,
      path: appPath(clientId),
      secret: secrets.find((each) => each.handle === handle)?.secret.reveal(),
    })),
    planUrl: planPath(id),
    appsUrl: APPS,
  } as const
}

function wordsOf(stopped: { because: string } | { error: unknown }): string {
  if ('because' in stopped) return stopped.because
  return stopped.error instanceof AppError
    ? stopped.error.sentence
    : 'the server had a problem, which it logged'
}
