// Connecting by keys that are typed into a form. Invariants: keys are tried before they replace
// what works, and what was typed is never shown again.
import { acceptsConfigValue } from '../../providers/address-template.ts'
import type { Provider, ProviderConfig, ProviderField } from '../../providers/provider.ts'
import { Secret } from '../../shared/secret.ts'
import type { Credential, CredentialKind, Owner } from '../connection.ts'
import type { Integration } from '../integration.ts'
import type { ProviderCalls } from '../provider-calls.ts'
import { type Attempt, type Settled, settle, type SettleDeps } from './settle.ts'

/** What is wrong with a form, by the name of its field; whole sentences. */
export type FieldProblems = Readonly<Record<string, string>>

export type KeysOutcome = Settled | { kind: 'problems'; problems: FieldProblems } | 'link_used'

/** Returns the values that a person gives on the way to a provider: a shop, a region. */
export const askedConfig = (
  { config = [] }: Provider,
  integration: Pick<Integration, 'config'>,
): readonly ProviderConfig[] =>
  config.filter(
    ({ name, from = 'person' }) => from === 'person' && !Object.hasOwn(integration.config, name),
  )

/** Says what is wrong with such values. */
export function configProblems(
  asked: readonly ProviderConfig[],
  typed: ReadonlyMap<string, string>,
): FieldProblems {
  const problems: Record<string, string> = {}
  for (const described of asked) {
    const value = typed.get(described.name) ?? ''
    if (value === '') problems[described.name] = 'Fill in this field.'
    else if (!acceptsConfigValue(described, value))
      problems[described.name] = sentenceFor(described)
  }
  return problems
}

const sentenceFor = ({ choices }: ProviderConfig): string =>
  choices === undefined
    ? 'This is not valid here. Type the name alone, without https:// and what comes after it.'
    : 'Choose one of the list.'

const LONGEST_KEY = 4096
const KEY = /^[\x20-\x7e]+$/

/** Tries keys and keeps them. @throws {AppError} where they cannot be saved */
export async function connectByKeys(
  deps: SettleDeps & { calls: ProviderCalls },
  { integration, provider }: { integration: Integration; provider: Provider },
  attempt: Attempt & { owner: Owner; connectionId: string | undefined },
  typed: ReadonlyMap<string, string>,
): Promise<KeysOutcome> {
  const { fields = [] } = provider
  const asked = askedConfig(provider, integration)
  const problems = { ...configProblems(asked, typed), ...keyProblems(fields, typed) }
  if (Object.keys(problems).length > 0) return { kind: 'problems', problems }
  const valueOf = (name: string): string => (typed.get(name) ?? '').trim()
  const config = {
    ...Object.fromEntries(asked.map(({ name }) => [name, valueOf(name)])),
    ...integration.config,
  }
  const values = Object.fromEntries(fields.map(({ name }) => [name, valueOf(name)]))
  const found = await deps.calls.inspect(
    { provider, client: { clientId: '' }, config, lane: integration.id },
    { kind: 'keys', values },
  )
  const main = fields.find(({ secret }) => secret)?.name ?? ''
  if (found.check === 'revoked')
    return { kind: 'problems', problems: { [main]: notAccepted(integration.name) } }
  if (found.check === 'unknown' && !found.isReached)
    return { kind: 'problems', problems: { [main]: notReached(integration.name) } }
  return settle(deps, integration, attempt, {
    id: attempt.connectionId,
    integrationId: integration.id,
    owner: attempt.owner,
    establishedBy: attempt.visitor.accountId,
    externalId: found.externalId,
    externalLabel: found.externalLabel,
    grantedScopes: [],
    missingScopes: [],
    config,
    accessExpiresAt: undefined,
    refreshExpiresAt: undefined,
    lastCheck: found.check,
    credentials: fields.map((field) => credentialFor(field, valueOf(field.name))),
  })
}

function keyProblems(
  fields: readonly ProviderField[],
  typed: ReadonlyMap<string, string>,
): FieldProblems {
  const problems: Record<string, string> = {}
  for (const { name } of fields) {
    const value = (typed.get(name) ?? '').trim()
    if (value === '') problems[name] = 'Fill in this field.'
    else if (value.length > LONGEST_KEY || !KEY.test(value))
      problems[name] = 'This has signs in it that no key has. Copy it again.'
  }
  return problems
}

const notAccepted = (name: string): string =>
  `${name} did not accept this. Nothing was saved. Copy it again from ${name}.`
const notReached = (name: string): string =>
  `We could not ask ${name} whether this works. Nothing was saved. Try again in a few minutes.`

const KINDS: ReadonlySet<string> = new Set<CredentialKind>([
  'api_key',
  'client_id',
  'client_secret',
  'webhook_secret',
  'username',
  'password',
])

const credentialFor = ({ name, secret }: ProviderField, value: string): Credential => ({
  kind: KINDS.has(name) ? (name as CredentialKind) : secret ? 'api_key' : 'username',
  name,
  value: new Secret(value),
})
