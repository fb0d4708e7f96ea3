// otesse apply: scopes and apps kept in a file, in git. Invariants: everything in the file is
// checked before anything is changed; a secret that was made is shown, or written to a file of its
// owner's alone, also where a later step fails; nothing is ever deleted.
import { isConfidential } from '../model/app.ts'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import type { LogoUpload } from '../admin/app-service.ts'
import { type Applied, carryOut, type NewSecret, readState } from '../admin/apply/apply.ts'
import type { Declaration, FileProblem } from '../admin/apply/declaration.ts'
import { hasChanges, makePlan, type Plan } from '../admin/apply/plan.ts'
import {
  carryOutSystems,
  changesSystems,
  planSystems,
  type SystemsPlan,
  withSystemScopes,
} from '../admin/apply/systems.ts'
import { DEFAULT_LIFETIME_BOUNDS } from '../apps/app-rules.ts'
import { scopeOfIntegration } from '../connections/integration.ts'
import type { AdminServices } from '../compose/admin-services.ts'
import type { Services } from '../services.ts'
import { readFlagFile, readLogo } from './app-flags.ts'
import type { DeclarationFile, LinedProblem } from '../admin/apply/declaration-file.ts'
import { facts } from './layout.ts'
import { planJson, planText, systemsJson, systemsText } from './plan-text.ts'
import type { Does } from './command.ts'
import { decodeWhole } from '../admin/import/text-file.ts'
import { connectionsOff } from './integration-commands.ts'
import { inputRefusal, OPERATOR, type Outcome, type Session, toRefusal } from './session.ts'

interface ApplyFlags {
  file: string
  dryRun?: boolean
  prune?: boolean
  exitCode?: boolean
  secretsOut?: string
}

/** Adds `otesse apply`. */
export function addApplyCommand(program: Command, does: Does): void {
  const apply = program
    .command('apply')
    .description('apply scopes, apps and integrations from a file')
    .requiredOption('-f, --file <apps.yaml>', 'YAML or JSON; - reads standard input')
    .option('--dry-run', 'show what would change without changing anything')
    .option('--exit-code', 'with --dry-run: exit with 3 if something would change')
    .option('--prune', 'suspend apps that have a handle but are not in the file')
    .option(
      '--secrets-out <file>',
      'write the secrets of new apps to this new file (mode 0600, one JSON object per line) instead of printing them',
    )
    .addHelpText(
      'after',
      `
Apps are known by their handle. The file says all about an app: a setting that it leaves out is emptied, only the logo stays. Nothing is
deleted: scopes and apps that the file does not name stay as they are, and --prune suspends such apps. The second time nothing changes.
Providers and integrations are applied first. A client secret is named, not written: clientSecret: \${CRM_SECRET} is read from the environment
of this command; where that is not set, the present secret stays.
  $ otesse export > apps.yaml
  $ otesse apply -f apps.yaml --dry-run
  $ otesse apply -f apps.yaml --secrets-out new-secrets.jsonl
In a pipeline:
  $ otesse apply -f apps.yaml --dry-run --exit-code --json

Exit codes: 0 done, 1 failed or refused, 2 usage error, 3 there are differences (--exit-code).`,
    )
  does(apply, async (session) => {
    const flags = apply.opts<ApplyFlags>()
    // Loaded here, so that other commands do not wait for the library.
    const { readDeclarationText } = await import('../admin/apply/declaration-file.ts')
    const file = readDeclarationText(await readText(session, flags.file))
    const { logos, missing } = await readLogos(file.declaration, flags.file)
    // All problems at once; those that only the catalogue and the registered apps can tell come
    // with them where the shape is right.
    const early = [...file.problems, ...file.withLines(missing)]
    if (flags.prune === true && !file.declaration.hasApps && early.length === 0)
      throw inputRefusal([
        {
          field: 'apps',
          rule: 'prune-needs-apps',
          sentence:
            'The file has no list of apps, so --prune would suspend them all. Write "apps: []" if that is what you want.',
        },
      ])
    return session.withAdminServices(async (admin, services) => {
      const given = { services, logos, early, prune: flags.prune === true, session }
      const whole = await planOf(file, given)
      if (flags.dryRun === true) return shown(whole, session, flags)
      return applied(whole, admin, session, flags)
    })
  })
}

const readText = async ({ terminal }: Session, path: string): Promise<string> =>
  path === '-' ? terminal.readAll() : decodeWhole(await readFlagFile(path, 'file'), path)

/** Reads the pictures that the file names, which lie beside it. */
async function readLogos({ apps }: Declaration, path: string) {
  const logos = new Map<string, LogoUpload>()
  const missing: FileProblem[] = []
  const directory = path === '-' ? '.' : dirname(path)
  for (const app of apps) {
    if (app.logo === undefined) continue
    try {
      logos.set(app.handle, await readLogo(resolve(directory, app.logo)))
    } catch (error) {
      for (const problem of toRefusal(error).problems)
        missing.push({ ...problem, value: app.logo, path: [...app.path, 'logo'] })
    }
  }
  return { logos, missing }
}

/** All that a file would do. */
interface WholePlan {
  plan: Plan
  systems: SystemsPlan
}

const changesAnything = ({ plan, systems }: WholePlan): boolean =>
  hasChanges(plan) || changesSystems(systems)

async function planOf(
  { declaration, withLines }: DeclarationFile,
  options: {
    services: Services
    logos: ReadonlyMap<string, LogoUpload>
    early: readonly LinedProblem[]
    prune: boolean
    session: Session
  },
): Promise<WholePlan> {
  const { services, logos, early, prune, session } = options
  const state = await readState(declaration, services, { prune })
  const { plan: systems, problems: found } = await planSystemsOf(declaration, services, session)
  const scopes = withSystemScopes(state.scopes, systems)
  const outcome = makePlan(
    declaration,
    { ...state, scopes },
    { bounds: DEFAULT_LIFETIME_BOUNDS, logos },
  )
  const late = outcome.kind === 'refused' ? withLines(outcome.problems) : []
  // What is wrong with an integration is no fault of the apps that name its scope.
  const promised = declaration.systems.integrations.map(({ name }) =>
    scopeOfIntegration({ handle: name }),
  )
  const ownFaults = late.filter(
    ({ rule, value = '' }) => rule !== 'scope-unknown' || !promised.includes(value),
  )
  const problems = [...early, ...withLines(found), ...ownFaults].sort((a, b) => a.line - b.line)
  if (outcome.kind === 'refused' || problems.length > 0) throw inputRefusal(problems)
  return { plan: outcome.plan, systems }
}

/** Looks nothing up where the file has none. */
async function planSystemsOf(
  declaration: Declaration,
  { providers, stores }: Services,
  session: Session,
): ReturnType<typeof planSystems> {
  const { systems } = declaration
  if (systems.providers.length + systems.integrations.length === 0)
    return { plan: { providers: [], integrations: [] }, problems: [] }
  if (!session.config().connections.enabled) throw connectionsOff()
  const known = await providers.list()
  return planSystems(declaration, {
    providers: new Map(known.map((provider) => [provider.key, provider])),
    integrations: await stores.integrations.list(),
    secretOf: ({ id }) => stores.integrations.clientSecret(id),
    env: session.env,
  })
}

const shown = (whole: WholePlan, session: Session, { exitCode }: ApplyFlags): Outcome => ({
  json: { dryRun: true, changed: changesAnything(whole), ...wholeJson(whole) },
  text: wholeText(whole, session),
  exitCode: exitCode === true && changesAnything(whole) ? 3 : 0,
})

const wholeJson = ({ plan, systems }: WholePlan): object => ({
  ...systemsJson(systems),
  ...planJson(plan),
})

function wholeText({ plan, systems }: WholePlan, { terminal }: Session): string {
  const paint: typeof terminal.paint = (style, text) => terminal.paint(style, text)
  return systemsText(systems, paint) + planText(plan, paint)
}

async function applied(
  whole: WholePlan,
  services: AdminServices,
  session: Session,
  { secretsOut }: ApplyFlags,
): Promise<Outcome> {
  const { plan, systems } = whole
  const makesSecrets = plan.apps.some(
    ({ kind, settings }) => kind === 'create' && isConfidential(settings),
  )
  const made: NewSecret[] = []
  // Before anything is done: where the secrets cannot be written, none must be made.
  await using file =
    secretsOut === undefined || !makesSecrets ? undefined : await openSecretsFile(secretsOut)
  const before: string[] = []
  const stopped = await carryOutSystems(systems, services, OPERATOR, before)
  if (stopped !== undefined) {
    const none = { done: before, registered: new Map<string, string>(), stopped }
    return report(whole, none, made, session, undefined)
  }
  const result = await carryOut(plan, services, OPERATOR, async (secret) => {
    if (file === undefined) made.push(secret)
    else await file.add(secret)
  })
  result.done.unshift(...before)
  return report(whole, result, made, session, file === undefined ? undefined : secretsOut)
}

interface SecretsFile extends AsyncDisposable {
  add(secret: NewSecret): Promise<void>
}

/** Opens a new file that only its owner can read. @throws {Refusal} */
async function openSecretsFile(path: string): Promise<SecretsFile> {
  try {
    const file = await open(path, 'wx', 0o600)
    return {
      // Each at once, so that none is lost whatever comes after it.
      add: (secret) => file.appendFile(`${JSON.stringify(secretJson(secret))}\n`),
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    const sentence = isThere
      ? 'This file already exists. Name a new one.'
      : 'This file cannot be written.'
    throw inputRefusal([{ field: 'secretsOut', value: path, rule: 'file', sentence }])
  }
}

const secretJson = ({ handle, clientId, secret }: NewSecret) => ({
  handle,
  clientId,
  clientSecret: secret.reveal(),
})

function report(
  whole: WholePlan,
  { done, registered, stopped }: Applied,
  made: readonly NewSecret[],
  session: Session,
  secretsOut: string | undefined,
): Outcome {
  const why =
    stopped === undefined
      ? undefined
      : 'because' in stopped
        ? { code: 'conflict', message: `${stopped.at}: ${stopped.because}` }
        : {
            code: toRefusal(stopped.error).code,
            message: `${stopped.at}: ${toRefusal(stopped.error).message}`,
          }
  const clients = [...registered].map(([handle, clientId]) => ({ handle, clientId }))
  const text = [
    wholeText(whole, session),
    stopped === undefined
      ? changesAnything(whole)
        ? 'Done.\n'
        : 'Nothing to change.\n'
      : `${session.terminal.paint('red', 'Not everything was applied')}: ${why?.message ?? ''}.\nDone before that: ${
          done.length === 0 ? 'nothing' : done.join(', ')
        }. Look at what is there now and apply again: what is done is not done twice.\n`,
    ...clients.map(({ handle, clientId }) => {
      const secret = made.find((one) => one.handle === handle)?.secret.reveal()
      return `\n${handle}\n${facts([
        ['Client id', clientId],
        ['Client secret', secret],
      ])}`
    }),
    made.length === 0
      ? ''
      : '\nThis is the only time that secrets are shown: they are stored as hashes. Keep each in its app’s own secret store.\n',
    secretsOut === undefined ? '' : `\nThe secrets are in ${secretsOut}, and nowhere else.\n`,
  ]
  return {
    json: {
      dryRun: false,
      changed: done.length > 0,
      done,
      registered: clients,
      secrets: made.map(secretJson),
      ...wholeJson(whole),
      ...(why && { error: { ...why, problems: [] } }),
    },
    text: text.join(''),
    exitCode: stopped === undefined ? 0 : 1,
  }
}
