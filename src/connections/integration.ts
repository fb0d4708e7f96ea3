// An integration: a provider switched on here. What an admin writes about it, and the rules of
// that. Invariant: the handle never changes, so that addresses, commands and the scope of an
// integration stay what they are.
import { isHandle } from '../model/app.ts'
import { isPlainLine, lengthOf } from '../model/plain-text.ts'
import type { Problem } from '../model/problem.ts'
import { isScopeToken } from '../model/scope.ts'
import { acceptsConfigValue } from '../providers/address-template.ts'
import type { Provider } from '../providers/provider.ts'
import { OWNER_KINDS, type OwnerKind } from './connection.ts'

/** How a connection gets its credentials. */
export type IntegrationKind = 'oauth2' | 'client_credentials' | 'keys'

export const INTEGRATION_KINDS: readonly IntegrationKind[] = [
  'oauth2',
  'client_credentials',
  'keys',
]

/**
 * - `active`: works.
 * - `misconfigured`: the provider refuses us and no user: a wrong client secret, an unknown scope.
 * - `disabled`: switched off by an admin.
 */
export type IntegrationStatus = 'active' | 'misconfigured' | 'disabled'

/** What an admin decides about an integration beside its handle and its provider. */
export interface IntegrationSettings {
  readonly name: string
  readonly clientId: string | undefined
  readonly scopes: readonly string[]
  /** Without these no connection is made. */
  readonly requiredScopes: readonly string[]
  readonly audience: string | undefined
  /** More parameters of authorization requests. */
  readonly parameters: Readonly<Record<string, string>>
  /** Values for the placeholders in the provider's addresses that are the same for everybody. */
  readonly config: Readonly<Record<string, string>>
  readonly ownerKinds: readonly OwnerKind[]
  /** Machine apps that may use the connections of every owner, by client id. */
  readonly trustedApps: readonly string[]
  /** Where people may come back to by links of apps, beside the redirect URIs of the app. */
  readonly returnAddresses: readonly string[]
  /** Hosts that proxied calls may reach beside that of the provider's API. */
  readonly proxyHosts: readonly string[]
  /** Methods that proxied calls may have. */
  readonly proxyMethods: readonly string[]
}

export interface Integration extends IntegrationSettings {
  readonly id: string
  readonly handle: string
  readonly providerKey: string
  readonly kind: IntegrationKind
  readonly hasClientSecret: boolean
  readonly status: IntegrationStatus
  /** A code, such as `invalid_client`. */
  readonly statusReason: string | undefined
  readonly statusSince: Date
  /** When a misconfigured integration tries one refresh again. */
  readonly nextProbeAt: Date | undefined
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The settings, in the order of lists and problems. */
export const INTEGRATION_SETTINGS: readonly (keyof IntegrationSettings)[] = [
  'name',
  'clientId',
  'scopes',
  'requiredScopes',
  'audience',
  'parameters',
  'config',
  'ownerKinds',
  'trustedApps',
  'returnAddresses',
  'proxyHosts',
  'proxyMethods',
]

/** The scope that opens an integration's connections to apps. */
export const scopeOfIntegration = ({ handle }: Pick<Integration, 'handle'>): string =>
  `connections:${handle}`

/** The address to register at the provider. */
export const callbackOf = ({ handle }: Pick<Integration, 'handle'>, issuer: string): string =>
  `${issuer}/connections/callback/${handle}`

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const HOST = /^(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$/

/** An integration as somebody wants it, with what decides whether it may be so. */
export interface IntegrationDraft extends IntegrationSettings {
  readonly handle: string
  readonly kind: IntegrationKind
  readonly hasClientSecret: boolean
}

interface IntegrationRule {
  readonly field: string
  readonly rule: string
  readonly refuses: (draft: IntegrationDraft, provider: Provider) => boolean
  readonly sentence: string
}

const RULES: readonly IntegrationRule[] = [
  {
    field: 'handle',
    rule: 'handle-form',
    refuses: ({ handle }) => !isHandle(handle),
    sentence:
      'A handle has 1 to 63 lower-case letters, digits and hyphens, and neither begins nor ends with a hyphen.',
  },
  {
    field: 'name',
    rule: 'integration-name',
    refuses: ({ name }) => name.trim() === '' || lengthOf(name) > 80 || !isPlainLine(name),
    sentence: 'A name must have 1 to 80 characters on a single line.',
  },
  {
    field: 'kind',
    rule: 'integration-kind',
    refuses: ({ kind }, provider) => !kindsOf(provider).includes(kind),
    sentence:
      'The provider does not support this kind: keys is for providers with keys, oauth2 and client_credentials for the others.',
  },
  {
    field: 'clientId',
    rule: 'integration-client-id',
    refuses: ({ kind, clientId }) => kind !== 'keys' && (clientId ?? '') === '',
    sentence: 'Enter the client ID that the provider gave you.',
  },
  {
    field: 'clientSecret',
    rule: 'integration-client-secret',
    refuses: ({ kind, hasClientSecret }) => kind === 'client_credentials' && !hasClientSecret,
    sentence: 'Client credentials need the client secret that the provider gave you.',
  },
  {
    field: 'ownerKinds',
    rule: 'integration-owners',
    refuses: ({ ownerKinds }) =>
      ownerKinds.length === 0 || !ownerKinds.every((kind) => OWNER_KINDS.includes(kind)),
    sentence: 'Owners must be account, company, or both.',
  },
  {
    field: 'ownerKinds',
    rule: 'integration-owner-company',
    refuses: ({ kind, ownerKinds }) =>
      kind === 'client_credentials' && ownerKinds.includes('account'),
    sentence: 'Client credentials belong to the company: users do not connect them.',
  },
  {
    field: 'scopes',
    rule: 'integration-scopes',
    refuses: ({ scopes, requiredScopes }) => ![...scopes, ...requiredScopes].every(isForeignScope),
    sentence: 'A scope must have 1 to 300 plain characters without spaces.',
  },
  {
    field: 'requiredScopes',
    rule: 'integration-required-scopes',
    refuses: ({ scopes, requiredScopes }) => !requiredScopes.every((one) => scopes.includes(one)),
    sentence: 'Required scopes must be among the scopes.',
  },
  {
    field: 'config',
    rule: 'integration-config',
    refuses: ({ config }, provider) => !Object.entries(config).every(acceptedBy(provider)),
    sentence: 'The provider has no placeholder with that name, or does not accept that value.',
  },
  {
    field: 'returnAddresses',
    rule: 'integration-return-addresses',
    refuses: ({ returnAddresses }) => !returnAddresses.every(isReturnAddress),
    sentence:
      'A return address must be an https address, or http on localhost, without # and user name.',
  },
  {
    field: 'proxyHosts',
    rule: 'integration-proxy-hosts',
    refuses: ({ proxyHosts }) => !proxyHosts.every((host) => HOST.test(host)),
    sentence: 'A host must be a name such as api.example.com, without scheme and port.',
  },
  {
    field: 'proxyMethods',
    rule: 'integration-proxy-methods',
    refuses: ({ proxyMethods }) => !proxyMethods.every((method) => METHODS.includes(method)),
    sentence: `Methods must be among ${METHODS.join(', ')}.`,
  },
]

/** Tells everything that is wrong with an integration. */
export const integrationProblems = (draft: IntegrationDraft, provider: Provider): Problem[] =>
  RULES.filter(({ refuses }) => refuses(draft, provider)).map(({ field, rule, sentence }) => ({
    field,
    rule,
    sentence,
  }))

const kindsOf = ({ kind }: Provider): readonly IntegrationKind[] =>
  kind === 'keys' ? ['keys'] : ['oauth2', 'client_credentials']

const LOCAL_HOSTS = ['localhost', '127.0.0.1', '[::1]']

// Compared character by character later, so in plain ASCII; an answer is added behind the query.
function isReturnAddress(address: string): boolean {
  const url = URL.parse(address)
  if (url === null || url.username !== '' || url.password !== '') return false
  const isLocal = url.protocol === 'http:' && LOCAL_HOSTS.includes(url.hostname)
  return (url.protocol === 'https:' || isLocal) && /^[!"$-~]{1,2000}$/.test(address)
}

const isForeignScope = (scope: string): boolean => scope.length <= 300 && isScopeToken(scope)

const acceptedBy =
  ({ config = [] }: Provider) =>
  ([name, value]: [string, string]): boolean => {
    const known = config.find((one) => one.name === name)
    return known !== undefined && acceptsConfigValue(known, value)
  }
