// Importing accounts from a file: choosing it, what was found in it, and what came of it.
// Invariants: nothing is written before somebody has seen what would be; and the form that imports
// does so once, however often it is sent. admin/account-imports.ts keeps the file between the
// pages.
import { type AccountImport, type ImportFormat, MAX_IMPORT_BYTES } from '../account-imports.ts'
import type { Problem } from '../../model/problem.ts'
import { ACCOUNTS_PATH } from './account-facts.ts'
import {
  action,
  type FormState,
  type ReceivedFile,
  redirected,
  type Row,
  type SentForm,
} from './action.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import { numberInWords } from './labels.ts'
import type { Fact } from './page-models.ts'

const PATH = `${ACCOUNTS_PATH}/import`
const CRUMBS = [{ label: 'Accounts', href: ACCOUNTS_PATH }]

const FORMATS: readonly { value: ImportFormat | 'auto'; label: string }[] = [
  { value: 'auto', label: 'CSV or NDJSON, by the name of the file' },
  { value: 'csv', label: 'CSV' },
  { value: 'ndjson', label: 'NDJSON, one JSON object per line' },
  { value: 'keycloak', label: 'Keycloak realm export (JSON)' },
  { value: 'auth0', label: 'Auth0 bulk export' },
  { value: 'firebase', label: 'Firebase auth:export (JSON)' },
]

const FIELD_LABELS: Readonly<Record<string, string>> = {
  line: 'Line',
  email: 'email',
  name: 'name',
  role: 'role',
  password_hash: 'password_hash',
}

const NO_FILE: Problem = { field: 'file', rule: 'file-missing', sentence: 'Choose a file.' }

const importPath = (id: string, below = ''): string => `${PATH}/${encodeURIComponent(id)}${below}`

const frameOf = (title: string, extra: Partial<Frame> = {}): Frame => ({
  title,
  section: 'accounts',
  crumbs: CRUMBS,
  ...extra,
})

/** Returns the rows; they come before those of one account, whose paths they would be. */
export const accountImportRows = (deps: ConsoleDeps): Row[] => [
  upload(deps),
  review(deps),
  discard(deps),
]

interface Upload {
  format: string
  hashConfig: string
  received: ReceivedFile | undefined
}

const upload = ({ imports }: ConsoleDeps): Row =>
  action({
    name: 'account.import',
    path: PATH,
    scope: 'admin:accounts:write',
    find: () => undefined,
    read: (form): Upload => ({
      format: form?.fields.get('format') ?? 'auto',
      hashConfig: form?.fields.get('hash_config') ?? '',
      received: form?.received,
    }),
    recentSignIn: 'always',
    once: false,
    maxFileBytes: MAX_IMPORT_BYTES,
    receive: ({ fileName, bytes }, fields, by) =>
      imports.receive(
        {
          name: fileName.slice(0, 200),
          format: formatOf(fields.get('format'), fileName),
          hashConfig: fields.get('hash_config'),
          bytes,
        },
        by,
      ),
    page: uploadPage,
    check: ({ received }) =>
      received === undefined ? [NO_FILE] : received.kind === 'refused' ? received.problems : [],
    run: (_, { received }) =>
      Promise.resolve(redirected(received?.kind === 'received' ? importPath(received.id) : PATH)),
  })

function formatOf(asked: string | undefined, fileName: string): ImportFormat {
  const named = FORMATS.find(({ value }) => value === asked)?.value ?? 'auto'
  if (named !== 'auto') return named
  return /\.(?:ndjson|jsonl)$/i.test(fileName) ? 'ndjson' : 'csv'
}

function uploadPage({ typed, problems, ...form }: FormState<undefined, Upload>) {
  const sentences = problems.map(({ sentence }) => sentence)
  return {
    template: 'account-import',
    frame: frameOf('Import accounts', {
      problems: sentences.map((sentence) => ({ anchor: 'f-file', label: 'File', sentence })),
    }),
    action: PATH,
    csrf: form.csrf,
    cancelUrl: ACCOUNTS_PATH,
    formats: FORMATS.map((each) => ({ ...each, isChosen: each.value === typed.format })),
    hashConfig: typed.hashConfig,
    problems: sentences,
    maxSize: `${MAX_IMPORT_BYTES / 1024 / 1024} MiB`,
  } as const
}

/** Reads who asks from the form, as the upload is theirs alone. */
const review = ({ imports }: ConsoleDeps): Row =>
  action({
    name: 'account.import-run',
    path: `${PATH}/:id`,
    scope: 'admin:accounts:write',
    find: ({ id }) => id,
    read: () => undefined,
    recentSignIn: () => true,
    showsStaleForm: true,
    // The upload itself is imported once; whoever sends the form again is led to what came of it.
    once: false,
    page: async (state) =>
      reviewPage(await imports.get(state.target, state.admin.by), state, {
        csrf: state.csrfOf(DISCARD),
      }),
    async run(id, _, by) {
      await imports.run(id, by)
      return redirected(importPath(id))
    },
  })

const DISCARD = 'account.import-discard'

const discard = ({ imports }: ConsoleDeps): Row =>
  action({
    name: DISCARD,
    path: `${PATH}/:id/discard`,
    scope: 'admin:accounts:write',
    isPartOfOtherPage: true,
    find: ({ id }) => id,
    read: (form: SentForm | undefined) => form,
    recentSignIn: 'never',
    once: false,
    page: async (state) =>
      reviewPage(await imports.get(state.target, state.admin.by), state, { csrf: state.csrf }),
    async run(id, _, by) {
      await imports.discard(id, by)
      return redirected(`${ACCOUNTS_PATH}?done=discarded`)
    },
  })

const TITLES: Readonly<Record<AccountImport['state'], string>> = {
  ready: 'Check the import',
  running: 'Import in progress',
  stopped: 'Import interrupted',
  done: 'Import finished',
}

function reviewPage(
  found: AccountImport,
  form: Pick<FormState<string, unknown>, 'csrf' | 'csrfOf' | 'isStale' | 'signInAgainUrl'>,
  discarding: { csrf: string },
) {
  const { id, state, outcome } = found
  return {
    template: 'account-import-review',
    frame: frameOf(TITLES[state], {
      crumbs: [...CRUMBS, { label: 'Import accounts', href: PATH }],
    }),
    state,
    facts: factsOf(found),
    problems: outcome.problems.flatMap(({ line, outcome: refused }) =>
      refused.problems.map(({ field, sentence }) => ({
        line: numberInWords(line),
        field: FIELD_LABELS[field] ?? field,
        sentence,
      })),
    ),
    lineLabel: found.isExport ? 'Account' : 'Line',
    more: outcome.refused - outcome.problems.length,
    left: found.counts.left.map(counted),
    dropped: found.counts.dropped.map(counted),
    button: buttonOf(found),
    action: importPath(id),
    csrf: form.csrfOf('account.import-run'),
    discardAction: importPath(id, '/discard'),
    discardCsrf: discarding.csrf,
    isStale: form.isStale,
    signInAgainUrl: form.signInAgainUrl,
    cancelUrl: ACCOUNTS_PATH,
    againUrl: PATH,
  } as const
}

const counted = ([what, count]: [string, number]): string => `${numberInWords(count)} × ${what}`

const accounts = (count: number): string =>
  `${numberInWords(count)} ${count === 1 ? 'account' : 'accounts'}`

function buttonOf({ state, outcome: { created } }: AccountImport): string | undefined {
  if (state === 'stopped') return 'Import the rest'
  return state === 'ready' && created > 0 ? `Import ${accounts(created)}` : undefined
}

function factsOf({ fileName, state, outcome, counts, isExport }: AccountImport): Fact[] {
  const isDone = state === 'done'
  const facts: [label: string, value: string][] = [
    ['File', fileName],
    ...(isExport
      ? ([
          ['With a password', accounts(counts.withPassword)],
          ['Without a password', accounts(counts.withoutPassword)],
        ] as [string, string][])
      : []),
    [isDone ? 'Created' : 'To be created', accounts(outcome.created)],
    ['Already exist, left unchanged', accounts(outcome.existing)],
    ['Refused', accounts(outcome.refused)],
  ]
  return facts.map(([label, value]) => ({ label, value, href: undefined }))
}
