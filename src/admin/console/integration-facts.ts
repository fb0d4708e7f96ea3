// Integrations and connections as the console shows them: states, reasons and ways to mend, in
// words. Invariant: a fault of an integration is told once, with what an admin can do about it.
import type { Connection, ConnectionStatus } from '../../connections/connection.ts'
import type {
  Integration,
  IntegrationKind,
  IntegrationStatus,
} from '../../connections/integration.ts'
import { numberInWords } from './labels.ts'
import type { Badge } from './labels.ts'
import { linkWith } from './paging.ts'

export const INTEGRATIONS_PATH = '/admin/integrations'
export const CONNECTION_LIST_PATH = '/admin/connections'

/** Beside those of integrations, whose handles may be any word. */
export const ADD_PATH = '/admin/add-integration'

export const integrationPath = (handle: string, below = ''): string =>
  `${INTEGRATIONS_PATH}/${encodeURIComponent(handle)}${below}`

export const connectionPath = (id: string, below = ''): string =>
  `${CONNECTION_LIST_PATH}/${encodeURIComponent(id)}${below}`

export const KIND_LABELS: Readonly<Record<IntegrationKind, { label: string; sentence: string }>> = {
  oauth2: {
    label: 'OAuth 2.0',
    sentence: 'Users sign in at the other system and allow access there.',
  },
  keys: { label: 'API key', sentence: 'Users enter a key that the other system gave them.' },
  client_credentials: {
    label: 'Client credentials',
    sentence: 'The company’s own access, without users. Use it in place of the password grant.',
  },
}

const INTEGRATION_BADGES: Readonly<Record<IntegrationStatus, Badge>> = {
  active: { label: 'Active', tone: 'good' },
  misconfigured: { label: 'Misconfigured', tone: 'care' },
  disabled: { label: 'Disabled', tone: 'off' },
}

export const CONNECTION_BADGES: Readonly<Record<ConnectionStatus, Badge>> = {
  active: { label: 'Active', tone: 'good' },
  failing: { label: 'Failing', tone: 'care' },
  expired: { label: 'Expired', tone: 'care' },
  disabled: { label: 'Disabled', tone: 'off' },
}

export const integrationBadge = ({ status }: Pick<Integration, 'status'>): Badge =>
  INTEGRATION_BADGES[status]

const MENDS: Readonly<Record<string, string>> = {
  invalid_client: 'Enter the client ID and the client secret again.',
  unauthorized_client: 'Allow this kind of access for your client at the provider.',
  invalid_scope:
    'Remove scopes that the provider does not know, or allow them for your client there.',
}

/** What is wrong with an integration, and the way to mend it. */
export interface IntegrationFault {
  what: string
  todo: string
  since: Date
}

/** Tells what is wrong with an integration; `undefined` where nothing is. */
export function faultOf({
  status,
  statusReason = '',
  statusSince: since,
}: Integration): IntegrationFault | undefined {
  if (status !== 'misconfigured') return undefined
  return {
    what: `The provider refuses this server, not its users (${statusReason}). Connections stay as they are.`,
    todo:
      MENDS[statusReason] ??
      'Compare the settings with those of your client at the provider, and save them again.',
    since,
  }
}

const REASONS: Readonly<Record<string, string>> = {
  refused_by_provider: 'The provider no longer accepts it. Its owner has to connect again.',
  refresh_token_ended: 'The access has ended. Its owner has to connect again.',
  admin: 'Disabled by an admin.',
}

/** Says why a connection is in its state; the code where we have no words. */
export const reasonOf = ({ status, statusReason }: Connection): string | undefined =>
  statusReason === undefined
    ? undefined
    : (REASONS[statusReason] ??
      (status === 'failing'
        ? `The provider does not answer as it should (${statusReason}). It is tried again.`
        : statusReason))

/** A number of connections, and where they are listed. */
export interface ShownCount {
  label: string
  href: string
}

/** What is shown of the counts of an integration: those that are not zero. */
export const countsOf = (
  { handle }: Pick<Integration, 'handle'>,
  counts: Readonly<Record<ConnectionStatus, number>> | undefined,
): ShownCount[] =>
  Object.entries(counts ?? {}).flatMap(([status, count]) => {
    const number = numberInWords(count)
    const label = `${number} ${CONNECTION_BADGES[status as ConnectionStatus].label.toLowerCase()}`
    return count === 0
      ? []
      : [{ label, href: linkWith(CONNECTION_LIST_PATH, { integration: handle, status }) }]
  })

/** A connection as the list shows it. */
export interface ShownConnection {
  href: string
  name: string
  integration: string
  /** Absent for the company. */
  owner: { label: string; href: string } | undefined
  badge: Badge
  reason: string | undefined
  since: Date
  lastRefreshedAt: Date | undefined
  lastUse: { app: string; href: string; at: Date } | undefined
}
