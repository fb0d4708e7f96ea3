// Providers and integrations of a file: what it declares, what is to be done, doing it, and what is
// there as such a part of a file. Invariants: there is a plan only if every rule holds; a secret is
// never in the file, which names an environment variable; nothing is deleted.
import {
  type Integration,
  INTEGRATION_SETTINGS,
  integrationProblems,
  type IntegrationSettings,
} from '../../connections/integration.ts'
import { unknownSetting } from '../../apps/setting.ts'
import { type Change, changesOf } from '../../model/diff.ts'
import type { Problem } from '../../model/problem.ts'
import type { Scope } from '../../model/scope.ts'
import type { Provider } from '../../providers/provider.ts'
import { readProvider } from '../../providers/read-provider.ts'
import { Secret } from '../../shared/secret.ts'
import { integrationDefaults, type IntegrationService, scopeFor } from '../integration-service.ts'
import type { Operator } from '../operator.ts'
import type { ProviderService } from '../provider-service.ts'
import type { DeclaredSystem, Declaration, FileProblem } from './declaration.ts'

/** What is there now. */
export interface CurrentSystems {
  /** Those of the catalogue and of one's own, by key. */
  providers: ReadonlyMap<string, Provider>
  integrations: readonly Integration[]
  secretOf(integration: Integration): Promise<Secret<string> | undefined>
  /** The values that secrets refer to. */
  env: Readonly<Record<string, string | undefined>>
}

interface Step {
  kind: 'create' | 'update' | 'unchanged'
  name: string
  changes: readonly Change[]
}

export interface ProviderStep extends Step {
  provider: Provider
}

export interface IntegrationStep extends Step {
  providerKey: string
  integrationKind: Integration['kind']
  settings: IntegrationSettings
  /** Only where it is to be set. */
  clientSecret: Secret<string> | undefined
  /** Of the integration that is there. */
  version: number | undefined
  /** What comes along with a new one. */
  scope: Scope | undefined
}

/** What is to be done, in that order. */
export interface SystemsPlan {
  providers: readonly ProviderStep[]
  integrations: readonly IntegrationStep[]
}

const PROVIDER_MEMBERS = [
  'name',
  'kind',
  'docs_url',
  'auth',
  'life',
  'config',
  'api',
  'identity',
  'check',
  'webhook',
  'fields',
] as const

/** Plans. Returns what is wrong where there is anything; then the plan is of no use. */
export async function planSystems(
  { systems }: Declaration,
  state: CurrentSystems,
): Promise<{ plan: SystemsPlan; problems: FileProblem[] }> {
  const problems: FileProblem[] = []
  const providers = systems.providers.flatMap((one) => planProvider(one, state, problems))
  const known = new Map(state.providers)
  for (const { name, provider } of providers) known.set(name, provider)
  const integrations: IntegrationStep[] = []
  for (const declared of systems.integrations) {
    const step = await planIntegration(declared, { ...state, providers: known }, problems)
    if (step !== undefined) integrations.push(step)
  }
  return { plan: { providers, integrations }, problems }
}

/** Returns whether carrying the plan out would change anything. */
export const changesSystems = ({ providers, integrations }: SystemsPlan): boolean =>
  [...providers, ...integrations].some(({ kind }) => kind !== 'unchanged')

/** Returns the catalogue as it will be. */
export const withSystemScopes = (
  scopes: ReadonlyMap<string, Scope>,
  { integrations }: SystemsPlan,
): ReadonlyMap<string, Scope> =>
  new Map([
    ...integrations.flatMap(({ scope }): [string, Scope][] =>
      scope === undefined ? [] : [[scope.name, scope]],
    ),
    ...scopes,
  ])

function planProvider(
  { path, name, settings }: DeclaredSystem,
  state: CurrentSystems,
  problems: FileProblem[],
): ProviderStep[] {
  const { provider: read, problems: found } = readProvider(settings)
  const before = state.providers.get(name)
  const isInCatalogue = before !== undefined && before.status !== 'custom'
  if (isInCatalogue)
    problems.push({
      path: [...path, 'key'],
      field: 'key',
      value: name,
      rule: 'provider-key-taken',
      sentence: 'A provider of the catalogue has this key: choose another one.',
    })
  problems.push(...found.map((one) => ({ ...one, path: [...path, ...one.field.split('.')] })))
  if (read === undefined || isInCatalogue) return []
  const provider: Provider = { ...read, status: 'custom' }
  const changes = changesOf(before ?? {}, provider, PROVIDER_MEMBERS, inOrder)
  const kind = before === undefined ? 'create' : changes.length === 0 ? 'unchanged' : 'update'
  return [{ kind, name, provider, changes }]
}

/** The order of members means nothing; the database keeps another one. */
const inOrder = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(inOrder)
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, each]) => [name, inOrder(each)])
          .sort(([left], [right]) => (String(left) < String(right) ? -1 : 1))
      : value

async function planIntegration(
  { path, name, settings: given }: DeclaredSystem,
  state: CurrentSystems,
  problems: FileProblem[],
): Promise<IntegrationStep | undefined> {
  const { handle: _handle, provider: key, kind: asked, clientSecret: reference, ...said } = given
  const before = state.integrations.find(({ handle }) => handle === name)
  const known = problems.length
  const tell = (found: readonly Problem[]): void => {
    problems.push(...found.map((one) => ({ ...one, path: [...path, one.field] })))
  }
  const provider = typeof key === 'string' ? state.providers.get(key) : undefined
  tell(shapeProblems(said))
  if (provider === undefined)
    tell([{ field: 'provider', rule: 'provider-unknown', sentence: 'There is no such provider.' }])
  const isKept =
    before === undefined || (before.providerKey === key && (asked ?? before.kind) === before.kind)
  if (!isKept)
    tell([
      {
        field: 'provider',
        rule: 'integration-provider',
        sentence:
          'The provider and the kind of an integration never change: choose another handle.',
      },
    ])
  const secret = secretIn(reference, state)
  if (secret.problem !== undefined && !(secret.isUnset && before?.hasClientSecret === true))
    tell([{ field: 'clientSecret', rule: 'secret-reference', sentence: secret.problem }])
  if (provider === undefined || problems.length > known) return undefined
  const kind = (asked as Integration['kind'] | undefined) ?? before?.kind ?? provider.kind
  const settings = { ...integrationDefaults(provider, kind), ...said }
  const hasClientSecret = before?.hasClientSecret === true || secret.value !== undefined
  tell(integrationProblems({ ...settings, handle: name, kind, hasClientSecret }, provider))
  if (problems.length > known) return undefined
  // Opened only to compare it with another.
  const old = secret.value && before && (await state.secretOf(before))
  const clientSecret = secret.value?.reveal() === old?.reveal() ? undefined : secret.value
  const changes = [
    ...changesOf(
      before ?? integrationDefaults(provider, kind),
      settings,
      INTEGRATION_SETTINGS,
      inOrder,
    ),
    ...(clientSecret === undefined
      ? []
      : [{ field: 'clientSecret', before: old && 'another one', after: 'from the environment' }]),
  ]
  return {
    kind: before === undefined ? 'create' : changes.length === 0 ? 'unchanged' : 'update',
    name,
    changes,
    providerKey: provider.key,
    integrationKind: kind,
    settings,
    clientSecret,
    version: before?.version,
    scope:
      before === undefined
        ? asScope(scopeFor({ handle: name, kind, name: settings.name }))
        : undefined,
  }
}

const asScope = (scope: ReturnType<typeof scopeFor>): Scope => ({
  ...scope,
  deprecated: false,
  audience: undefined,
  version: 1,
})

const LISTS: readonly string[] = [
  'scopes',
  'requiredScopes',
  'ownerKinds',
  'trustedApps',
  'returnAddresses',
  'proxyHosts',
  'proxyMethods',
]
const MAPS: readonly string[] = ['parameters', 'config']

const isText = (value: unknown): boolean => typeof value === 'string'

function shapeProblems(settings: Readonly<Record<string, unknown>>): Problem[] {
  return Object.entries(settings).flatMap(([field, value]): Problem[] => {
    if (!(INTEGRATION_SETTINGS as readonly string[]).includes(field)) return [unknownSetting(field)]
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    const [isRight, sentence] = LISTS.includes(field)
      ? [Array.isArray(value) && value.every(isText), 'This must be a list of texts.']
      : MAPS.includes(field)
        ? [isMap && Object.values(value).every(isText), 'This must be names with texts.']
        : [isText(value), 'This must be text.']
    return isRight ? [] : [{ field, rule: 'field-type', sentence }]
  })
}

const REFERENCE = /^\$\{([A-Z][A-Z0-9_]{0,99})\}$/

function secretIn(
  reference: unknown,
  { env }: CurrentSystems,
): { value?: Secret<string>; problem?: string; isUnset?: boolean } {
  if (reference === undefined) return {}
  const [, name] = typeof reference === 'string' ? (REFERENCE.exec(reference) ?? []) : []
  if (name === undefined)
    return {
      problem: 'Name an environment variable, such as ${CRM_SECRET}: a secret is not in the file.',
    }
  const value = env[name] ?? ''
  return value === ''
    ? { problem: `The environment variable ${name} is not set.`, isUnset: true }
    : { value: new Secret(value) }
}

/** Carries a plan out. @returns why it ended early; what comes after that step was not tried */
export async function carryOutSystems(
  { providers, integrations }: SystemsPlan,
  services: { providers: ProviderService; integrations: IntegrationService },
  by: Operator,
  done: string[],
): Promise<{ at: string; because: string } | undefined> {
  const steps = [
    ...providers.map((step) => ({
      ...step,
      at: `provider ${step.name}`,
      run: () => services.providers.save(step.provider, by),
    })),
    ...integrations.map((step) => ({
      ...step,
      at: `integration ${step.name}`,
      run: () => applyIntegration(step, services.integrations, by),
    })),
  ]
  for (const { kind, at, run } of steps) {
    if (kind === 'unchanged') continue
    const outcome = await run()
    if (outcome.kind === 'conflict') return { at, because: 'it was changed in the meantime' }
    if (outcome.kind === 'refused')
      return { at, because: outcome.problems.map(({ sentence }) => sentence).join(' ') }
    done.push(at)
  }
  return undefined
}

const applyIntegration = (
  { name, providerKey, integrationKind, settings, clientSecret, version }: IntegrationStep,
  integrations: IntegrationService,
  by: Operator,
) =>
  version === undefined
    ? integrations.create(
        { ...settings, handle: name, providerKey, kind: integrationKind, clientSecret },
        by,
      )
    : integrations.update(name, version, { ...settings, ...(clientSecret && { clientSecret }) }, by)

/** Writes what is there as the data of a file; secrets as references. */
export function systemsAsDeclared(
  known: readonly Provider[],
  integrations: readonly Integration[],
): { providers: object[]; integrations: object[] } {
  return {
    providers: known
      .filter(({ status }) => status === 'custom')
      .map(({ status: _status, ...provider }) => provider),
    integrations: integrations.map((one) => {
      const provider = known.find(({ key }) => key === one.providerKey)
      const usual = provider && integrationDefaults(provider, one.kind)
      const changes = changesOf(usual ?? {}, one, INTEGRATION_SETTINGS, inOrder)
      return {
        handle: one.handle,
        provider: one.providerKey,
        ...(one.kind !== provider?.kind && { kind: one.kind }),
        ...Object.fromEntries(changes.map(({ field, after }) => [field, after])),
        ...(one.hasClientSecret && {
          clientSecret: `\${${one.handle
            .toUpperCase()
            .replaceAll('-', '_')
            .replace(/^(?=\d)/, 'X_')}_CLIENT_SECRET}`,
        }),
      }
    }),
  }
}
