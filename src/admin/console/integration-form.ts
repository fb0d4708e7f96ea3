// The form of an integration: what was typed, read into what the admin services take and back, and
// the provider of one's own that it describes. Invariants: whatever was typed stays what it was,
// but for the client secret, which is never in a page; and members of a provider that the form does
// not know are kept.
import { type OwnerKind, OWNER_KINDS } from '../../connections/connection.ts'
import {
  INTEGRATION_KINDS,
  type Integration,
  type IntegrationKind,
  type IntegrationSettings,
} from '../../connections/integration.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { Problem } from '../../model/problem.ts'
import type { Provider } from '../../providers/provider.ts'
import { Secret } from '../../shared/secret.ts'
import type { IntegrationChange } from '../integration-service.ts'

/** A field that is typed. */
interface TextField {
  label: string
  hint?: string
  kind?: 'lines'
  isOptional?: true
  /** Kinds of integrations to which it means something; all where it is left out. */
  only?: 'people' | 'client'
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

const FIELDS = {
  name: { label: 'Name', hint: 'What users read: “Connect …”.' },
  handle: {
    label: 'Handle',
    hint: 'Lower-case letters, digits and hyphens. It is part of the callback address and of the scope, and cannot be changed later.',
  },
  authorizeUrl: {
    label: 'Authorization URL',
    hint: 'Where users allow access: https://…/authorize',
    only: 'people',
  },
  tokenUrl: { label: 'Token URL', hint: 'Where tokens come from: https://…/token', only: 'client' },
  clientId: { label: 'Client ID', hint: 'Of your client at the provider.', only: 'client' },
  scopes: {
    label: 'Scopes',
    kind: 'lines',
    hint: 'The provider’s own names, with spaces or on lines of their own.',
    isOptional: true,
    only: 'client',
  },
  requiredScopes: {
    label: 'Required scopes',
    kind: 'lines',
    hint: 'Without these, nothing is connected.',
    isOptional: true,
    only: 'people',
  },
  audience: {
    label: 'Audience',
    hint: 'If the provider asks for one.',
    isOptional: true,
    only: 'client',
  },
  parameters: {
    label: 'Extra parameters',
    kind: 'lines',
    hint: 'Of authorization requests, one name=value on each line: access_type=offline',
    isOptional: true,
    only: 'people',
  },
  baseUrl: {
    label: 'API address',
    hint: 'Calls through this server go here: https://api.example.com',
    isOptional: true,
  },
  header: { label: 'Header', hint: 'The header of the API that has the token or key.' },
  prefix: {
    label: 'Prefix',
    hint: 'What stands before the token. Leave it empty for the token alone.',
    isOptional: true,
  },
  checkUrl: {
    label: 'Test call',
    hint: 'An address of the API that only works with access. It is called by GET after connecting.',
    isOptional: true,
  },
  accountId: {
    label: 'Member with the account’s ID',
    hint: 'In the answer to the test call, such as id or user.id. It tells several accounts apart.',
    isOptional: true,
  },
  accountLabel: {
    label: 'Member with the account’s name',
    hint: 'What users recognize, such as email.',
    isOptional: true,
  },
  proxyHosts: {
    label: 'More hosts for proxied calls',
    kind: 'lines',
    hint: 'Beside that of the API address, one on each line: files.example.com',
    isOptional: true,
  },
  trustedApps: {
    label: 'Trusted apps',
    kind: 'lines',
    hint: 'Client IDs of machine apps that may use the connections of everybody, one on each line.',
    isOptional: true,
  },
  returnAddresses: {
    label: 'Return addresses',
    kind: 'lines',
    hint: 'Where links of apps may send users back to, beside the redirect URIs of the app.',
    isOptional: true,
    only: 'people',
  },
} as const satisfies Record<string, TextField>

type TextName = keyof typeof FIELDS

const TEXT_NAMES = Object.keys(FIELDS) as TextName[]

const CLIENT_AUTHS = { post: 'In the body', basic: 'In the header (Basic)' }
const SEPARATORS = { space: 'Space', comma: 'Comma', plus: 'Plus' }
const SEPARATOR_SIGNS = { space: ' ', comma: ',', plus: '+' } as const
type Separator = keyof typeof SEPARATOR_SIGNS

/** What each field is called, in the order of the form. */
export const FORM_LABELS: Readonly<Record<string, string>> = {
  kind: 'Kind',
  name: FIELDS.name.label,
  handle: FIELDS.handle.label,
  ...Object.fromEntries(TEXT_NAMES.map((name) => [name, FIELDS[name].label])),
  clientSecret: 'Client secret',
  clientAuth: 'Where the client secret goes',
  scopeSeparator: 'What stands between scopes',
  config: 'Addresses',
  owners: 'Who may connect it',
  methods: 'Methods for proxied calls',
}

/** What is in the form. */
export interface IntegrationValues {
  texts: Readonly<Record<TextName, string>>
  kind: IntegrationKind
  clientAuth: 'basic' | 'post'
  separator: Separator
  owners: ReadonlySet<OwnerKind>
  methods: ReadonlySet<string>
  /** Values for the placeholders of the provider's addresses. */
  config: Readonly<Record<string, string>>
  clientSecret: Secret<string> | undefined
}

/** The form of an integration that is to be made. @param provider of the catalogue */
export const emptyIntegrationForm = (provider?: Provider): IntegrationValues => ({
  texts: {
    ...textsOf(() => ''),
    name: provider?.name ?? '',
    handle: provider?.key ?? '',
    header: 'Authorization',
    prefix: 'Bearer',
  },
  kind: provider?.kind ?? 'oauth2',
  clientAuth: 'post',
  separator: 'space',
  owners: new Set(['account']),
  methods: new Set(METHODS),
  config: {},
  clientSecret: undefined,
})

const textsOf = (text: (name: TextName) => string): Record<TextName, string> =>
  Object.fromEntries(TEXT_NAMES.map((name) => [name, text(name)])) as Record<TextName, string>

/** The form of an integration as it is. */
export function integrationFormOf(integration: Integration, provider: Provider): IntegrationValues {
  const { auth, api, check, identity } = provider
  const lines = (values: readonly string[]): string => values.join('\n')
  const sign = auth?.scope_separator ?? ' '
  return {
    ...emptyIntegrationForm(provider),
    texts: {
      name: integration.name,
      handle: integration.handle,
      clientId: integration.clientId ?? '',
      scopes: lines(integration.scopes),
      requiredScopes: lines(integration.requiredScopes),
      audience: integration.audience ?? '',
      parameters: lines(Object.entries(integration.parameters).map((pair) => pair.join('='))),
      proxyHosts: lines(integration.proxyHosts),
      trustedApps: lines(integration.trustedApps),
      returnAddresses: lines(integration.returnAddresses),
      authorizeUrl: auth?.authorize_url ?? '',
      tokenUrl: auth?.token_url ?? '',
      baseUrl: api?.base_url ?? '',
      header: api?.header ?? 'Authorization',
      prefix: api?.prefix ?? 'Bearer',
      checkUrl: check?.url ?? '',
      accountId: identity?.id ?? '',
      accountLabel: identity?.label ?? '',
    },
    kind: integration.kind,
    clientAuth: auth?.client_auth === 'basic' ? 'basic' : 'post',
    separator:
      (['space', 'comma', 'plus'] as const).find((one) => SEPARATOR_SIGNS[one] === sign) ?? 'space',
    owners: new Set(integration.ownerKinds),
    methods: new Set(integration.proxyMethods),
    config: integration.config,
  }
}

/** Reads what was typed. @param kind where it cannot be chosen */
export function readIntegrationForm(fields: Parameters, kind?: IntegrationKind): IntegrationValues {
  const secret = fields.get('clientSecret') ?? ''
  const ticked = <Value extends string>(prefix: string, all: readonly Value[]): Set<Value> =>
    new Set(all.filter((one) => fields.has(`${prefix}:${one}`)))
  const config = [...fields].filter(([name]) => name.startsWith('config:'))
  return {
    texts: textsOf((name) => (fields.get(name) ?? '').replaceAll('\r\n', '\n')),
    kind: kind ?? INTEGRATION_KINDS.find((one) => one === fields.get('kind')) ?? 'oauth2',
    clientAuth: fields.get('clientAuth') === 'basic' ? 'basic' : 'post',
    separator:
      (['comma', 'plus'] as const).find((one) => one === fields.get('scopeSeparator')) ?? 'space',
    owners: ticked('owner', OWNER_KINDS),
    methods: ticked('method', METHODS),
    config: Object.fromEntries(
      config.map(([name, value]) => [name.slice('config:'.length), value.trim()]),
    ),
    clientSecret: secret === '' ? undefined : new Secret(secret),
  }
}

const linesIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

const wordsIn = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')

/** What the form alone can tell. */
export const typedProblems = ({ texts }: IntegrationValues): Problem[] =>
  linesIn(texts.parameters)
    .filter((line) => !/^[^=\s]+=/.test(line))
    .map((value) => ({
      field: 'parameters',
      value,
      rule: 'pair-form',
      sentence: 'Write a name, an equals sign and a value: access_type=offline.',
    }))

/** The settings that were meant. */
export function typedSettings(
  values: IntegrationValues,
): IntegrationSettings & Pick<IntegrationChange, 'clientSecret'> {
  const { texts, kind, config, owners, methods, clientSecret } = values
  const pairs = linesIn(texts.parameters).map((line): [string, string] => {
    const at = line.indexOf('=')
    return [line.slice(0, at), line.slice(at + 1)]
  })
  return {
    name: texts.name.trim(),
    clientId: texts.clientId.trim() || undefined,
    scopes: wordsIn(texts.scopes),
    requiredScopes: wordsIn(texts.requiredScopes),
    audience: texts.audience.trim() || undefined,
    parameters: Object.fromEntries(pairs),
    config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== '')),
    ownerKinds: kind === 'client_credentials' ? ['company'] : [...owners],
    trustedApps: linesIn(texts.trustedApps),
    returnAddresses: linesIn(texts.returnAddresses),
    proxyHosts: linesIn(texts.proxyHosts),
    proxyMethods: [...methods],
    ...(clientSecret && { clientSecret }),
  }
}

const KEY_FIELD = { name: 'key', label: 'API key', secret: true }

/** The provider that was described, in the shape of a file. @param before as it is now */
export function definitionOf(
  { texts, kind, clientAuth, separator }: IntegrationValues,
  before?: Provider,
): object {
  const {
    status: _status,
    auth,
    api,
    check,
    identity,
    fields,
    ...rest
  } = before ?? ({} as Partial<Provider>)
  const said = (name: TextName): string => texts[name].trim()
  const isKeys = kind === 'keys'
  const authorizeUrl = kind === 'client_credentials' ? said('tokenUrl') : said('authorizeUrl')
  const base = said('baseUrl')
  const test = said('checkUrl')
  const account = said('accountId')
  const label = said('accountLabel')
  return {
    ...rest,
    key: before?.key ?? said('handle'),
    name: before?.name ?? said('name'),
    kind: isKeys ? 'keys' : 'oauth2',
    ...(!isKeys && {
      auth: {
        ...auth,
        authorize_url: authorizeUrl,
        token_url: said('tokenUrl'),
        client_auth: clientAuth,
        scope_separator: SEPARATOR_SIGNS[separator],
      },
    }),
    api: {
      ...without(api, 'base_url'),
      ...(base !== '' && { base_url: base }),
      header: said('header'),
      prefix: said('prefix'),
    },
    ...(test !== '' && { check: { method: check?.method ?? 'GET', url: test } }),
    ...(account !== '' && {
      identity: {
        ...without(identity, 'label'),
        ...(test !== '' && { url: identity?.url ?? test }),
        id: account,
        ...(label !== '' && { label }),
      },
    }),
    ...(isKeys ? { fields: fields ?? [KEY_FIELD] } : fields && { fields }),
  }
}

const without = (members: object | undefined, name: string): object =>
  Object.fromEntries(Object.entries(members ?? {}).filter(([member]) => member !== name))

const FIELD_OF: Readonly<Record<string, string>> = {
  key: 'handle',
  'auth.authorize_url': 'authorizeUrl',
  'auth.token_url': 'tokenUrl',
  'api.base_url': 'baseUrl',
  'api.header': 'header',
  'api.prefix': 'prefix',
  'check.url': 'checkUrl',
  'identity.url': 'checkUrl',
  'identity.id': 'accountId',
  'identity.label': 'accountLabel',
  ownerKinds: 'owners',
  proxyMethods: 'methods',
}

/** Puts problems at the fields of the form, each once; one of none of them stands at the name. */
export function atFields(problems: readonly Problem[]): Problem[] {
  const placed = problems.map((problem) => {
    const field = FIELD_OF[problem.field] ?? problem.field
    return { ...problem, field: field in FORM_LABELS ? field : 'name' }
  })
  return placed.filter(
    ({ field, sentence }, at) =>
      placed.findIndex((one) => one.field === field && one.sentence === sentence) === at,
  )
}

/** A field as parts/field.eta shows it. */
export interface IntegrationField {
  name: string
  label: string
  hint: string | undefined
  kind: 'line' | 'lines'
  optional: boolean
  value: string
  problems: readonly string[] | undefined
  className: string
}

/** A choice of the form. */
interface Select {
  name: string
  label: string
  options: { value: string; label: string; isChosen: boolean }[]
}

/** The fields by the part of the form in which they stand. */
export interface IntegrationFieldsModel {
  name: readonly IntegrationField[]
  client: readonly IntegrationField[]
  /** Of a provider of one's own; else none. */
  addresses: readonly IntegrationField[]
  api: readonly IntegrationField[]
  advanced: readonly IntegrationField[]
  config: readonly (IntegrationField & { choices: readonly string[] | undefined })[]
  selects: readonly Select[]
  owners: readonly { name: string; label: string; isOn: boolean }[]
  methods: readonly { name: string; label: string; isOn: boolean }[]
  kind: IntegrationKind
  problems: Readonly<Record<string, readonly string[]>>
  isAdvancedWrong: boolean
}

const OWNER_LABELS: Readonly<Record<OwnerKind, string>> = {
  account: 'Users, each for themselves',
  company: 'The company, for its own services',
}

const ADVANCED: readonly TextName[] = [
  'requiredScopes',
  'parameters',
  'proxyHosts',
  'trustedApps',
  'returnAddresses',
]

interface FormGiven {
  values: IntegrationValues
  problems: Readonly<Record<string, readonly string[]>>
  provider: Provider | undefined
  isOwn: boolean
  isNew: boolean
}

// While the kind can be chosen all are there; style puts those aside that mean nothing to it.
function concerns({ values: { kind }, isNew }: FormGiven, name: TextName): boolean {
  const { only }: TextField = FIELDS[name]
  if (isNew || only === undefined) return true
  return only === 'client' ? kind !== 'keys' : kind === 'oauth2'
}

function fieldOf({ values, problems }: FormGiven, name: TextName): IntegrationField {
  const { label, hint, kind, isOptional, only }: TextField = FIELDS[name]
  return {
    name,
    label,
    hint,
    kind: kind ?? 'line',
    optional: isOptional === true,
    value: values.texts[name],
    problems: problems[name],
    className: only === undefined ? '' : `only-${only}`,
  }
}

function configOf({
  values,
  problems,
  provider,
  isOwn,
}: FormGiven): IntegrationFieldsModel['config'] {
  const asked = (isOwn ? [] : (provider?.config ?? [])).filter(
    ({ from = 'person' }) => from === 'person',
  )
  return asked.map(({ name, label, choices }) => ({
    name: `config:${name}`,
    label,
    hint: undefined,
    kind: 'line',
    optional: true,
    value: values.config[name] ?? '',
    problems: problems['config'],
    className: '',
    choices,
  }))
}

/** Returns the fields of the form. */
export function integrationFields(given: FormGiven): IntegrationFieldsModel {
  const { values, problems, provider, isOwn, isNew } = given
  const { kind } = values
  const fields = (...names: TextName[]) =>
    names.filter((name) => concerns(given, name)).map((name) => fieldOf(given, name))
  const isCatalogueKeys = !isOwn && provider?.kind === 'keys'
  return {
    name: fields('name', ...(isNew ? (['handle'] as const) : [])),
    client: isCatalogueKeys ? [] : fields('clientId', 'scopes', 'audience'),
    addresses: isOwn ? fields('authorizeUrl', 'tokenUrl') : [],
    api: isOwn
      ? fields('baseUrl', 'header', 'prefix', 'checkUrl', 'accountId', 'accountLabel')
      : [],
    advanced: isCatalogueKeys
      ? fields('proxyHosts', 'trustedApps', 'returnAddresses')
      : fields(...ADVANCED),
    config: configOf(given),
    selects: isOwn && (isNew || kind !== 'keys') ? selectsOf(values) : [],
    owners:
      kind === 'client_credentials' && !isNew
        ? []
        : OWNER_KINDS.map((owner) => ({
            name: `owner:${owner}`,
            label: OWNER_LABELS[owner],
            isOn: values.owners.has(owner),
          })),
    methods: METHODS.map((method) => ({
      name: `method:${method}`,
      label: method,
      isOn: values.methods.has(method),
    })),
    kind,
    problems,
    isAdvancedWrong: [...ADVANCED, 'methods'].some((name) => problems[name] !== undefined),
  }
}

const selectsOf = ({ clientAuth, separator }: IntegrationValues): Select[] => [
  {
    name: 'clientAuth',
    label: FORM_LABELS['clientAuth'] ?? '',
    options: optionsOf(CLIENT_AUTHS, clientAuth),
  },
  {
    name: 'scopeSeparator',
    label: FORM_LABELS['scopeSeparator'] ?? '',
    options: optionsOf(SEPARATORS, separator),
  },
]

const optionsOf = (labels: Readonly<Record<string, string>>, chosen: string) =>
  Object.entries(labels).map(([value, label]) => ({ value, label, isChosen: value === chosen }))
