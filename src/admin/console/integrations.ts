// Integrations: listed, made from the catalogue or for a system of one's own, tried, changed,
// disabled, deleted. Invariant: a client secret comes in by the form and is never in a page.
import type { Integration } from '../../connections/integration.ts'
import {
  callbackOf,
  integrationProblems,
  scopeOfIntegration,
} from '../../connections/integration.ts'
import type { Problem } from '../../model/problem.ts'
import type { Provider } from '../../providers/provider.ts'
import { readProvider } from '../../providers/read-provider.ts'
import { AppError } from '../../shared/errors.ts'
import type { IntegrationOutcome } from '../integration-service.ts'
import { action, type FormState, page, redirected, type Row, type Sent } from './action.ts'
import { formProblems, sentencesByField } from './app-form.ts'
import { confirmation, line } from './confirmation.ts'
import type { ConsoleConnections, ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import {
  ADD_PATH,
  CONNECTION_LIST_PATH,
  connectionPath,
  countsOf,
  faultOf,
  integrationBadge,
  integrationPath,
  INTEGRATIONS_PATH as PATH,
  KIND_LABELS,
} from './integration-facts.ts'
import {
  atFields,
  definitionOf,
  emptyIntegrationForm,
  FORM_LABELS,
  integrationFormOf,
  integrationFields,
  type IntegrationValues,
  readIntegrationForm,
  typedSettings,
  typedProblems,
} from './integration-form.ts'
import { doneOf, linkWith, type Query } from './paging.ts'

const CRUMBS = [{ label: 'Integrations', href: PATH }]
const DONE: Readonly<Record<string, string>> = {
  created: 'Integration created. Register its callback address at the provider, then try it.',
  saved: 'Changes saved. They take effect at once.',
  disabled: 'Integration disabled. Nobody can use it or its connections.',
  enabled: 'Integration enabled.',
  deleted: 'Integration deleted, with its scope and its connections.',
}

/** What people come back with from trying, where there is no connection. */
const FAILURES: Readonly<Record<string, string>> = {
  access_denied: 'You did not allow it, so nothing was connected.',
  provider_refused: 'The provider refused. Compare the settings with those of your client there.',
  temporarily_unavailable: 'The provider does not answer. Try again later.',
  integration_misconfigured:
    'The provider refuses the client ID, the client secret or the scopes. Correct them, then try again.',
  attempt_failed: 'The attempt took too long or was disturbed. Try again.',
}

type Deps = ConsoleDeps & { connections: ConsoleConnections }

/** Returns the rows. */
export const integrationRows = (deps: Deps): Row[] => [
  list(deps),
  choose(deps),
  createOwn(deps),
  createKnown(deps),
  overview(deps),
  edit(deps),
  tryOut(deps),
  disable(deps),
  enable(deps),
  remove(deps),
]

const list = ({ services }: Deps): Row =>
  page({
    path: PATH,
    scope: 'admin:connections:read',
    async show({ query, admin: { by } }) {
      const all = await services.integrations.list()
      const counts = await services.connections.countByStatus(all, by)
      return {
        template: 'integrations',
        frame: {
          title: 'Integrations',
          section: 'integrations',
          crumbs: [],
          lead: 'Other systems that users and the company can connect.',
          action: { label: 'Add an integration', href: ADD_PATH },
          done: doneOf(query, DONE),
        },
        integrations: all.map((one) => ({
          name: one.name,
          href: integrationPath(one.handle),
          provider: one.providerKey,
          kind: KIND_LABELS[one.kind].label,
          badge: integrationBadge(one),
          reason: one.status === 'misconfigured' ? one.statusReason : undefined,
          counts: countsOf(one, counts.get(one.id)),
        })),
        addUrl: ADD_PATH,
      }
    },
  })

const choose = ({ connections: { providers } }: Deps): Row =>
  page({
    path: ADD_PATH,
    scope: 'admin:connections:write',
    async show({ query }) {
      const search = query.get('search') ?? ''
      const wanted = search.toLowerCase()
      const all = await providers.list()
      return {
        template: 'integration-add',
        frame: {
          title: 'Add an integration',
          section: 'integrations',
          crumbs: CRUMBS,
          lead: 'Choose a system that is known, or describe another one.',
          action: { label: 'Another system', href: `${ADD_PATH}/own` },
        },
        search,
        path: ADD_PATH,
        ownUrl: `${ADD_PATH}/own`,
        providers: all
          .filter(({ key, name }) => `${key} ${name}`.toLowerCase().includes(wanted))
          .map(({ key, name, kind, status = 'custom' }) => ({
            name,
            kind: KIND_LABELS[kind].label,
            href: `${ADD_PATH}/catalogue/${encodeURIComponent(key)}`,
            isUnconfirmed: status === 'unconfirmed',
            isOwn: status === 'custom',
          })),
      }
    },
  })

const createOwn = (deps: Deps): Row =>
  action({
    name: 'integration.create',
    path: `${ADD_PATH}/own`,
    scope: 'admin:connections:write',
    find: () => undefined,
    read: (form) =>
      form === undefined ? emptyIntegrationForm() : readIntegrationForm(form.fields),
    recentSignIn: 'always',
    showsStaleForm: true,
    once: false,
    check: typedProblems,
    page: (state) => formPage(deps, state, state.typed, { provider: undefined, isOwn: true }),
    async run(_, typed, by) {
      const handle = typed.texts.handle.trim()
      return created(
        await deps.services.integrations.create(
          {
            ...typedSettings(typed),
            handle,
            providerKey: handle,
            ownProvider: definitionOf(typed),
            kind: typed.kind,
          },
          by,
        ),
      )
    },
  })

const createKnown = (deps: Deps): Row =>
  action({
    name: 'integration.create',
    path: `${ADD_PATH}/catalogue/:provider`,
    scope: 'admin:connections:write',
    async find({ provider: key }) {
      const provider = await deps.connections.providers.find(key)
      if (provider === undefined) throw new AppError('not_found', { detail: 'provider' })
      return provider
    },
    read(form, provider) {
      if (form === undefined) return emptyIntegrationForm(provider)
      const typed = readIntegrationForm(form.fields)
      return provider.kind === 'keys' ? { ...typed, kind: provider.kind } : typed
    },
    recentSignIn: 'always',
    showsStaleForm: true,
    once: false,
    check: typedProblems,
    page: (state) => formPage(deps, state, state.typed, { provider: state.target, isOwn: false }),
    async run({ key }, typed, by) {
      const input = { ...typedSettings(typed), providerKey: key, kind: typed.kind }
      return created(
        await deps.services.integrations.create(
          { ...input, handle: typed.texts.handle.trim() },
          by,
        ),
      )
    },
  })

function created(outcome: IntegrationOutcome): Sent<never> {
  return outcome.kind === 'saved'
    ? redirected(integrationPath(outcome.integration.handle, '?done=created'))
    : { kind: 'refused', problems: atFields(outcome.problems) }
}

/** An integration with its provider, which is one's own where the catalogue has none of its key. */
interface Target {
  integration: Integration
  provider: Provider
  isOwn: boolean
}

const finder =
  ({ services, connections: { providers } }: Deps) =>
  async ({ handle }: { handle: string }): Promise<Target> => {
    const integration = await services.integrations.get(handle)
    const provider = await providers.find(integration.providerKey)
    if (provider === undefined) throw new AppError('not_found', { detail: 'provider' })
    return { integration, provider, isOwn: !(await providers.isInCatalogue(provider.key)) }
  }

/** What was typed, and the version of the integration that the form was filled in from. */
interface Edit {
  values: IntegrationValues
  version: number
}

const edit = (deps: Deps): Row =>
  action({
    name: 'integration.edit',
    path: `${PATH}/:handle/edit`,
    scope: 'admin:connections:write',
    find: finder(deps),
    read(form, { integration, provider }): Edit {
      const { kind, version } = integration
      if (form === undefined) return { values: integrationFormOf(integration, provider), version }
      const sent = Number(form.fields.get('version'))
      if (!Number.isSafeInteger(sent)) throw new AppError('parameter_invalid', { about: 'version' })
      return { values: readIntegrationForm(form.fields, kind), version: sent }
    },
    recentSignIn: 'always',
    showsStaleForm: true,
    once: false,
    // Before anything is saved: provider and integration are two records.
    check: ({ values }, target) => [...typedProblems(values), ...editProblems(values, target)],
    page: (state) => formPage(deps, state, state.typed.values, state.target, state),
    async run(target, { values, version }, by) {
      const { integration, provider, isOwn } = target
      const conflict = { kind: 'conflict', target } as const
      if (integration.version !== version) return conflict
      const problems: Problem[] = []
      if (isOwn) {
        const outcome = await deps.services.providers.save(definitionOf(values, provider), by)
        if (outcome.kind === 'refused') problems.push(...atFields(outcome.problems))
      }
      if (problems.length > 0) return { kind: 'refused', problems }
      const { handle } = integration
      const outcome = await deps.services.integrations.update(
        handle,
        version,
        typedSettings(values),
        by,
      )
      if (outcome.kind === 'saved') return redirected(integrationPath(handle, '?done=saved'))
      if (outcome.kind === 'refused')
        return { kind: 'refused', problems: atFields(outcome.problems) }
      return { kind: 'conflict', target: { ...target, integration: outcome.integration } }
    },
  })

function editProblems(
  values: IntegrationValues,
  { integration, provider, isOwn }: Target,
): Problem[] {
  const { clientSecret, ...settings } = typedSettings(values)
  const hasClientSecret = integration.hasClientSecret || clientSecret !== undefined
  return atFields([
    ...(isOwn ? readProvider(definitionOf(values, provider)).problems : []),
    ...integrationProblems({ ...integration, ...settings, hasClientSecret }, provider),
  ])
}

const overview = (deps: Deps): Row =>
  page({
    path: `${PATH}/:handle`,
    scope: 'admin:connections:read',
    async show({ params, query, admin: { by } }) {
      const { integration, provider, isOwn } = await finder(deps)(params)
      const { handle, kind, status, name } = integration
      const counts = await deps.services.connections.countByStatus([integration], by)
      const failure = query.get('error') ?? ''
      return {
        template: 'integration',
        frame: {
          title: name,
          section: 'integrations',
          crumbs: CRUMBS,
          badge: integrationBadge(integration),
          action:
            status === 'disabled'
              ? undefined
              : { label: 'Try it', href: integrationPath(handle, '/try') },
          otherAction: { label: 'Edit', href: integrationPath(handle, '/edit') },
          done: doneOf(query, DONE) ?? (await triedIn(deps, integration, query)),
          problem: Object.hasOwn(FAILURES, failure) ? FAILURES[failure] : undefined,
        },
        path: integrationPath(handle),
        handle,
        fault: faultOf(integration),
        callback: kind === 'oauth2' ? callbackOf(integration, deps.issuer) : undefined,
        docsUrl: provider.docs_url,
        isUnconfirmed: provider.status === 'unconfirmed',
        isDisabled: status === 'disabled',
        hasClientSecret: integration.hasClientSecret,
        isKeys: kind === 'keys',
        facts: factsOf(integration, provider, isOwn),
        counts: countsOf(integration, counts.get(integration.id)),
        connectionsUrl: linkWith(CONNECTION_LIST_PATH, { integration: handle }),
      }
    },
  })

const factsOf = (integration: Integration, provider: Provider, isOwn: boolean) =>
  [
    ['System', isOwn ? `${provider.name} (described here)` : provider.name],
    ['Kind', KIND_LABELS[integration.kind].label],
    ['Client ID', integration.clientId],
    ['Scopes', integration.scopes.join(' ')],
    ['Required scopes', integration.requiredScopes.join(' ')],
    ['Audience', integration.audience],
    ['Who may connect it', integration.ownerKinds.map((one) => OWNERS[one]).join(', ')],
    ['Scope for apps', scopeOfIntegration(integration)],
    ['API address', provider.api?.base_url],
    ['More hosts for proxied calls', integration.proxyHosts.join(' ')],
    ['Methods for proxied calls', integration.proxyMethods.join(', ')],
    ['Trusted apps', integration.trustedApps.join(' ')],
  ].flatMap(([label = '', value]) =>
    value === undefined || value === '' ? [] : [{ label, value, href: undefined }],
  )

const OWNERS = { account: 'users', company: 'the company' }

/** Tells what trying it came to, where the address names a connection of it. */
async function triedIn(
  { connections }: Deps,
  { id, name }: Integration,
  query: Query,
): Promise<string | undefined> {
  const connectionId = query.get('connection')
  if (connectionId === undefined) return undefined
  const found = await connections.find(connectionId)
  if (found?.integrationId !== id) return undefined
  const { externalLabel, externalId, lastCheck, missingScopes } = found
  const as = externalLabel ?? externalId
  return [
    `It works: ${name} is connected${as === undefined ? '' : ` as ${as}`}.`,
    ...(lastCheck === 'ok' ? ['The test call was accepted.'] : []),
    ...(missingScopes.length > 0 ? [`Not granted: ${missingScopes.join(', ')}.`] : []),
  ].join(' ')
}

/** Leads to the provider as every user is led there, and back to the integration. */
const tryOut = (deps: Deps): Row =>
  page({
    path: `${PATH}/:handle/try`,
    scope: 'admin:connections:write',
    async show({ params, admin: { account, by } }) {
      const integration = await deps.services.integrations.get(params.handle)
      const { handle, kind, ownerKinds } = integration
      if (kind === 'client_credentials') {
        const query = { integration: handle, limit: 1 }
        const [own] = (await deps.services.connections.list(query, by)).connections
        return { redirectTo: connectionPath(own?.connection.id ?? '', '/refresh') }
      }
      if (!ownerKinds.includes('account'))
        return { redirectTo: `/connections/add/${encodeURIComponent(handle)}?owner=company` }
      const address = deps.issuer + integrationPath(handle)
      return { redirectTo: await deps.connections.startTrial(integration, account.id, address) }
    },
  })

const frameBelow = ({ handle, name }: Integration, title: string): Frame => ({
  title,
  section: 'integrations',
  crumbs: [...CRUMBS, { label: name, href: integrationPath(handle) }],
})

const disable = ({ services: { integrations } }: Deps): Row =>
  confirmation({
    name: 'integration.disable',
    path: `${PATH}/:handle/disable`,
    scope: 'admin:connections:write',
    find: ({ handle }) => integrations.get(handle),
    recentSignIn: 'always',
    once: false,
    ask: (integration) => ({
      frame: frameBelow(integration, `Disable ${integration.name}?`),
      consequences: [
        'Apps can no longer use its connections, from this moment.',
        'Nobody can connect it.',
        'Connections and their credentials are kept: you can enable it again.',
      ],
      button: 'Disable',
      isDangerous: true,
      cancelUrl: integrationPath(integration.handle),
    }),
    async run({ handle }, _, by) {
      await integrations.disable(handle, by)
      return redirected(integrationPath(handle, '?done=disabled'))
    },
  })

const enable = ({ services: { integrations } }: Deps): Row =>
  confirmation({
    name: 'integration.enable',
    path: `${PATH}/:handle/enable`,
    scope: 'admin:connections:write',
    find: ({ handle }) => integrations.get(handle),
    recentSignIn: 'always',
    once: false,
    ask: (integration) => ({
      frame: frameBelow(integration, `Enable ${integration.name}?`),
      consequences: ['It can be connected again, and apps can use its connections at once.'],
      button: 'Enable',
      isDangerous: false,
      cancelUrl: integrationPath(integration.handle),
    }),
    async run({ handle }, _, by) {
      await integrations.enable(handle, by)
      return redirected(integrationPath(handle, '?done=enabled'))
    },
  })

const remove = ({ services: { integrations } }: Deps): Row =>
  confirmation({
    name: 'integration.delete',
    path: `${PATH}/:handle/delete`,
    scope: 'admin:connections:write',
    async find({ handle }) {
      const integration = await integrations.get(handle)
      return { integration, count: await integrations.countConnections(integration.id) }
    },
    recentSignIn: 'always',
    once: false,
    ask: ({ integration, count }) => ({
      frame: frameBelow(integration, `Delete ${integration.name}?`),
      consequences: [
        count === 0
          ? 'It has no connections.'
          : `Its connections (${count}) are deleted with their credentials. The provider is told in the background where it offers that.`,
        `Apps lose the scope ${scopeOfIntegration(integration)}.`,
        'This cannot be undone.',
      ],
      fields: [
        {
          name: 'handle',
          label: `Type the handle to confirm: ${integration.handle}`,
          kind: 'line',
          autocomplete: 'off',
        },
      ],
      button: 'Delete',
      isDangerous: true,
      cancelUrl: integrationPath(integration.handle),
    }),
    check: (typed, { integration: { handle } }) =>
      line(typed, 'handle') === handle
        ? []
        : [{ field: 'handle', rule: 'handle-typed', sentence: `Type ${handle} to confirm.` }],
    async run({ integration: { handle } }, _, by) {
      await integrations.remove(handle, { withConnections: true }, by)
      return redirected(`${PATH}?done=deleted`)
    },
  })

async function formPage(
  deps: Deps,
  state: Omit<FormState<unknown, unknown>, 'typed'>,
  values: IntegrationValues,
  of: { provider: Provider | undefined; isOwn: boolean; integration?: Integration },
  versions?: { typed: Edit; target: Target; isConflict: boolean },
) {
  const { provider, isOwn, integration } = of
  const isNew = integration === undefined
  const problems = sentencesByField(state.problems)
  const shared = isOwn && !isNew ? await sharersOf(deps, integration) : []
  const { handle } = values.texts
  return {
    template: 'integration-form',
    frame: {
      title: integration?.name ?? provider?.name ?? 'Another system',
      section: 'integrations',
      crumbs: isNew
        ? [...CRUMBS, { label: 'Add an integration', href: ADD_PATH }]
        : frameBelow(integration, '').crumbs,
      problems: formProblems(state.problems, FORM_LABELS),
    },
    ...integrationFields({ values, problems, provider, isOwn, isNew }),
    kinds:
      isNew && provider?.kind !== 'keys'
        ? (isOwn
            ? (['oauth2', 'keys', 'client_credentials'] as const)
            : (['oauth2', 'client_credentials'] as const)
          ).map((value) => ({ value, ...KIND_LABELS[value] }))
        : [],
    isOwn,
    isNew,
    isUnconfirmed: provider?.status === 'unconfirmed',
    docsUrl: provider?.docs_url,
    // Known before the integration is there, so that the client can be made at the provider first.
    callback: callbackOf({ handle: handle === '' ? '‹handle›' : handle }, deps.issuer),
    hasSecret: integration?.hasClientSecret === true,
    hadSecret: values.clientSecret !== undefined,
    shared,
    version:
      versions === undefined
        ? undefined
        : versions.isConflict
          ? versions.target.integration.version
          : versions.typed.version,
    isConflict: versions?.isConflict === true,
    action: state.action,
    csrf: state.csrf,
    isStale: state.isStale,
    signInAgainUrl: state.signInAgainUrl,
    cancelUrl: isNew ? ADD_PATH : integrationPath(integration.handle),
  } as const
}

/** Names the other integrations of the same system, which a change of it changes too. */
const sharersOf = async (
  { services: { integrations } }: Deps,
  { providerKey, handle }: Integration,
): Promise<string[]> =>
  (await integrations.list())
    .filter((one) => one.providerKey === providerKey && one.handle !== handle)
    .map(({ name }) => name)
