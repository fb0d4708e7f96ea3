// Connections as people see them: in which group, with which words, and what can be done about
// each.
import type { ConfigValues } from '../../providers/address-template.ts'
import type { Provider, ProviderField } from '../../providers/provider.ts'
import type { Connection, Owner } from '../connection.ts'
import type { Integration } from '../integration.ts'
import { askedConfig, type FieldProblems } from './keys.ts'
import type { ConnectField } from './pages.ts'

/** Whether an integration can be connected for such an owner. */
export const isOpenFor = (
  { kind, status, ownerKinds }: Integration,
  owner: Pick<Owner, 'kind'>,
): boolean =>
  kind !== 'client_credentials' && status !== 'disabled' && ownerKinds.includes(owner.kind)

/** What is wrong with a connection, in a sentence; `undefined` where all is well. */
export function remarkOn(
  connection: Connection,
  { name, status: ofIntegration }: Integration,
  dateInWords: (date: Date) => string,
): string | undefined {
  const { status, statusReason, statusSince, missingScopes } = connection
  const since = dateInWords(statusSince)
  if (status === 'disabled' || ofIntegration === 'disabled')
    return 'The people who run this service have switched this connection off.'
  if (status === 'expired')
    return statusReason === 'refresh_token_ended'
      ? `The access that ${name} had given ended on ${since}. Connect again to go on.`
      : statusReason === 'account_deactivated'
        ? `Your account was deactivated on ${since}, and its access to ${name} ended. Connect again to go on.`
        : `${name} has not accepted our access since ${since}. Connect again to go on.`
  if (status === 'failing')
    return `${name} does not answer at the moment. We keep trying, and you need not do anything.`
  if (ofIntegration === 'misconfigured')
    return `This service is not set up correctly for ${name} at the moment. You need not do anything.`
  const { refreshExpiresAt: end, endingToldFor } = connection
  if (end !== undefined && end.getTime() === endingToldFor?.getTime())
    return `The access to ${name} ends on ${dateInWords(end)}. Connect again before then.`
  return missingScopes.length === 0
    ? undefined
    : 'Some of the permissions that we asked for were not given.'
}

/** Whether a provider asks people for anything before they connect. */
export const asksFirst = (provider: Provider, integration: Integration): boolean =>
  integration.kind === 'keys' || askedConfig(provider, integration).length > 0

/** The fields of the page on which a connection begins. */
export function connectFields(
  provider: Provider,
  integration: Integration,
  typed: ConfigValues,
  problems: FieldProblems,
): readonly ConnectField[] {
  const config = askedConfig(provider, integration).map(({ name, label, choices }) => ({
    name,
    label,
    isSecret: false,
    hint: undefined,
    value: typed[name] ?? '',
    choices,
    problem: problems[name],
  }))
  const fields: readonly ProviderField[] =
    integration.kind === 'keys' ? (provider.fields ?? []) : []
  const keys = fields.map(({ name, label, secret, hint }) => ({
    name,
    label,
    isSecret: secret,
    hint,
    value: secret ? '' : (typed[name] ?? ''),
    choices: undefined,
    problem: problems[name],
  }))
  return [...config, ...keys]
}
