// Files of scopes and apps that are uploaded, looked at as a plan, and then applied; and what is
// there as such a file. Invariants: what is applied is the plan that was looked at: where it would
// be another one by then, nothing is done; and it is applied once, however often that is said.
// Called by the console; the command line plans and applies in one go.
import type { AppRegistry } from '../../apps/app-registry.ts'
import { DEFAULT_LIFETIME_BOUNDS } from '../../apps/app-rules.ts'
import type { ScopeCatalogue } from '../../apps/scope-catalogue.ts'
import type { App } from '../../model/app.ts'
import type { Problem, Refused } from '../../model/problem.ts'
import { sha256 } from '../../shared/crypto.ts'
import { AppError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { AppService } from '../app-service.ts'
import { decodeWhole, FileRefused } from '../import/text-file.ts'
import { assertMay, assertMayHandOn, type Operator } from '../operator.ts'
import type { ScopeService } from '../scope-service.ts'
import type { Uploads } from '../uploads.store.ts'
import { allApps, type Applied, carryOut, type NewSecret, readState } from './apply.ts'
import { type LinedProblem, readDeclarationText, writeDeclarationText } from './declaration-file.ts'
import { toDeclaration } from './export.ts'
import { makePlan, type Plan } from './plan.ts'

/** How many bytes a file may have that is uploaded: some hundred apps. */
export const MAX_DECLARATION_BYTES = 512 * 1024

/** What is known of a file that was received. */
export interface DeclarationReview {
  id: string
  fileName: string
  /** Whether apps are suspended that the file does not name. */
  prune: boolean
  state: 'ready' | 'running' | 'stopped' | 'done'
  /** What would be done now; where it was done, what is left. */
  planned: PlannedFile
  /** Apps whose logo the file names, which is a file beside it that was not uploaded. */
  logos: readonly string[]
}

/** A plan, and what tells it from another. */
export type PlannedFile =
  | { kind: 'planned'; plan: Plan; fingerprint: string }
  | { kind: 'refused'; problems: readonly LinedProblem[] }

/** How applying went. */
export type ApplyOutcome =
  | { kind: 'applied'; applied: Applied; plan: Plan; secrets: readonly NewSecret[] }
  /** The plan would be another one now; nothing was done. */
  | { kind: 'changed' }
  /** It was applied, or is being applied. */
  | { kind: 'used' }

/** Each throws `not_found` for an upload that is somebody else's, was discarded or has expired. */
export interface Declarations {
  /**
   * Takes a file, checks it, and keeps it encrypted for an hour. Problems have the line in them.
   */
  receive(
    file: { name: string; bytes: Uint8Array },
    options: { prune: boolean },
    by: Operator,
  ): Promise<{ kind: 'received'; id: string } | Refused>
  get(id: string, by: Operator): Promise<DeclarationReview>
  /** Applies it. @param fingerprint of the plan that was looked at */
  apply(id: string, fingerprint: string, by: Operator): Promise<ApplyOutcome>
  discard(id: string, by: Operator): Promise<void>
  /** Writes what is there as a file, as YAML or JSON. */
  write(format: 'yaml' | 'json'): Promise<string>
}

interface Deps {
  uploads: Uploads
  apps: Pick<AppRegistry, 'list' | 'findByHandle' | 'find'>
  scopes: Pick<ScopeCatalogue, 'current'>
  services: { apps: AppService; scopes: ScopeService }
  logger: Pick<Logger, 'error'>
}

/** What is kept beside the text. */
type Facts = Pick<DeclarationReview, 'fileName' | 'prune'>

/** Creates the service. */
export const createDeclarations = (deps: Deps): Declarations => ({
  receive: receiveFile.bind(undefined, deps),
  get: getReview.bind(undefined, deps),
  apply: applyFile.bind(undefined, deps),
  async discard(id, by) {
    await deps.uploads.get('declaration', id, by.id)
    await deps.uploads.remove(id)
  },
  async write(format) {
    const all: App[] = []
    for await (const app of allApps(deps.apps)) all.push(app)
    const data = toDeclaration(deps.scopes.current().scopes.values(), all)
    return format === 'json' ? `${JSON.stringify(data, null, 2)}\n` : writeDeclarationText(data)
  },
})

function assertMayApply(by: Operator): void {
  assertMay(by, 'admin:scopes:write')
  assertMay(by, 'admin:apps:write')
}

async function receiveFile(
  deps: Deps,
  { name, bytes }: { name: string; bytes: Uint8Array },
  { prune }: { prune: boolean },
  by: Operator,
): Promise<{ kind: 'received'; id: string } | Refused> {
  assertMayApply(by)
  const refused = (problems: readonly Problem[]): Refused => ({ kind: 'refused', problems })
  if (bytes.length > MAX_DECLARATION_BYTES)
    return refused([
      aboutFile('file-large', `The file is larger than ${MAX_DECLARATION_BYTES / 1024} KiB.`),
    ])
  if (bytes.length === 0) return refused([aboutFile('file-empty', 'The file is empty.')])
  try {
    const text = await decodeWhole(bytes, name)
    const { planned } = await planOf(deps, text, { prune }, by)
    if (planned.kind === 'refused') return refused(planned.problems.map(withLine))
    const id = await deps.uploads.receive('declaration', by.id, piecesOf(text))
    await deps.uploads.ready(id, JSON.stringify({ fileName: name, prune } satisfies Facts))
    return { kind: 'received', id }
  } catch (error) {
    if (error instanceof FileRefused) return refused([{ ...error.problem, field: 'file' }])
    throw error
  }
}

const aboutFile = (rule: string, sentence: string): Problem => ({ field: 'file', rule, sentence })

/** A problem as one sentence with its place. */
export const withLine = ({ line, field, value, rule, sentence }: LinedProblem): Problem => ({
  field: 'file',
  rule,
  sentence: `Line ${line}, ${field}${value === undefined ? '' : ` “${value}”`}: ${sentence}`,
})

async function* piecesOf(text: string): AsyncGenerator<string> {
  yield await Promise.resolve(text)
}

async function getReview(deps: Deps, id: string, by: Operator): Promise<DeclarationReview> {
  const { state, facts } = await deps.uploads.get('declaration', id, by.id)
  const { fileName, prune } = JSON.parse(facts) as Facts
  const found = { id, fileName, prune, state }
  if (state === 'done')
    return { ...found, logos: [], planned: { kind: 'planned', plan: NOTHING, fingerprint: '' } }
  return { ...found, ...(await planOf(deps, await textOf(deps, id), { prune }, by)) }
}

const NOTHING: Plan = { scopes: [], apps: [], suspensions: [] }

async function textOf({ uploads }: Deps, id: string): Promise<string> {
  let text = ''
  for await (const piece of uploads.read(id)) text += piece
  return text
}

async function planOf(
  deps: Deps,
  text: string,
  { prune }: { prune: boolean },
  by: Operator,
): Promise<{ planned: PlannedFile; logos: readonly string[] }> {
  const { declaration, problems: early, withLines } = readDeclarationText(text)
  const logos = declaration.apps.flatMap(({ handle, logo }) => (logo === undefined ? [] : handle))
  const state = await readState(declaration, deps, { prune })
  const options = { bounds: DEFAULT_LIFETIME_BOUNDS, logos: new Map<string, never>() }
  const outcome = makePlan(declaration, state, options)
  const late = outcome.kind === 'refused' ? withLines(outcome.problems) : []
  const problems = [...early, ...late]
  const [system] = [...declaration.systems.providers, ...declaration.systems.integrations]
  if (system !== undefined)
    problems.push(
      ...withLines([
        {
          path: system.path,
          field: 'integrations',
          rule: 'file-systems',
          sentence:
            'Providers and integrations are applied on the command line, which has their secrets in its environment: otesse apply.',
        },
      ]),
    )
  if (prune && !declaration.hasApps && problems.length === 0)
    problems.push(
      ...withLines([
        {
          path: [],
          field: 'apps',
          rule: 'prune-needs-apps',
          sentence:
            'The file has no list of apps, so all of them would be suspended: write "apps: []" if that is meant.',
        },
      ]),
    )
  if (outcome.kind === 'planned' && problems.length === 0)
    problems.push(...withLines(forbidden(outcome.plan, by)))
  if (outcome.kind === 'refused' || problems.length > 0)
    return { logos, planned: { kind: 'refused', problems: problems.sort(byLine) } }
  const { plan } = outcome
  return { logos, planned: { kind: 'planned', plan, fingerprint: fingerprintOf(plan) } }
}

const byLine = (a: LinedProblem, b: LinedProblem): number => a.line - b.line

/** What the operator may not do, before anything is done. */
function forbidden({ apps, suspensions }: Plan, by: Operator) {
  const touched = [
    ...apps
      .filter(({ kind }) => kind !== 'unchanged')
      .flatMap((step) => [
        { handle: step.handle, app: step.settings },
        ...(step.kind === 'create' ? [] : [{ handle: step.handle, app: step.app }]),
      ]),
    ...suspensions.map((app) => ({ handle: app.handle ?? app.id, app })),
  ]
  return touched.flatMap(({ handle, app }) => {
    try {
      assertMayHandOn(by, app)
      return []
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const sentence = `You lack the permission ${error.about ?? ''}, which this app has or is to have.`
      return [{ path: [], field: 'apps', value: handle, rule: 'power', sentence }]
    }
  })
}

const fingerprintOf = ({ scopes, apps, suspensions }: Plan): string =>
  sha256(
    JSON.stringify([
      scopes.filter(({ kind }) => kind !== 'unchanged'),
      apps
        .filter(({ kind }) => kind !== 'unchanged')
        .map((step) => [
          step.kind,
          step.handle,
          step.changes,
          ...(step.kind === 'create' ? [] : [step.app.id, step.app.version]),
        ]),
      suspensions.map(({ id, version }) => [id, version]),
    ]),
  )

async function applyFile(
  deps: Deps,
  id: string,
  fingerprint: string,
  by: Operator,
): Promise<ApplyOutcome> {
  assertMayApply(by)
  const { facts } = await deps.uploads.get('declaration', id, by.id)
  const { prune } = JSON.parse(facts) as Facts
  if (!(await deps.uploads.start(id))) return { kind: 'used' }
  let isDone = false
  try {
    const { planned } = await planOf(deps, await textOf(deps, id), { prune }, by)
    if (planned.kind === 'refused' || planned.fingerprint !== fingerprint)
      return { kind: 'changed' }
    const secrets: NewSecret[] = []
    const applied = await carryOut(planned.plan, deps.services, by, (secret) => {
      secrets.push(secret)
      return Promise.resolve()
    })
    const { stopped } = applied
    isDone = stopped === undefined
    if (stopped !== undefined && 'error' in stopped && !(stopped.error instanceof AppError))
      deps.logger.error({ err: stopped.error, at: stopped.at }, 'a file was applied in part')
    if (isDone) await deps.uploads.finish(id, facts)
    return { kind: 'applied', applied, plan: planned.plan, secrets }
  } finally {
    // What was done is not done twice: the next plan has only the rest.
    if (!isDone) await deps.uploads.giveBack(id).catch(() => undefined)
  }
}
