// Hands the credential of a connection out to an app that may have it: live, counted and recorded.
// Invariant: each hand-out is an event; no refresh token or client secret is among what is given.
import type { Provider } from '../providers/provider.ts'
import { AppError } from '../shared/errors.ts'
import type { ConnectCaller } from './caller.ts'
import type { UsableConnection } from './connection.store.ts'
import type { Refresher, Wanted } from './refresh.ts'
import type { ConnectionUses } from './uses.ts'

/** What an app is given. */
export interface HandedOut {
  readonly usable: UsableConnection
  readonly provider: Provider
  /** The access token, or the main one of the typed keys. */
  readonly token: string | undefined
  /** `N_A` where it is none of OAuth (RFC 8693 §2.2.1). */
  readonly tokenType: 'Bearer' | 'N_A'
  readonly expiresAt: Date | undefined
  readonly scopes: readonly string[]
  /** Everything that was typed, by field, where the connection holds keys. */
  readonly fields: Readonly<Record<string, string>> | undefined
}

/** What handing out works with. */
export interface HandOutDeps {
  issuer: string
  refresher: Pick<Refresher, 'liveOf'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
  uses: Pick<ConnectionUses, 'note'>
  events: {
    connectionFetched(
      facts: {
        appId: string
        accountId: string | undefined
        connection: string
        integration: string
      },
      context?: { requestId?: string; address?: string },
    ): void
  }
}

/**
 * Hands out. That the caller may have it was checked before.
 *
 * @throws {AppError} as `Refresher.live`; `reconnect_needed` says where
 */
export async function handOut(
  deps: HandOutDeps,
  { app }: ConnectCaller,
  found: UsableConnection,
  wanted: Wanted,
  context: { requestId?: string; address?: string },
): Promise<HandedOut> {
  const usable = await withLink(deps, found, () => deps.refresher.liveOf(found, wanted))
  const provider = await deps.providerOf(usable)
  if (provider === undefined) throw new AppError('integration_misconfigured')
  const { connection, integration } = usable
  deps.uses.note(connection.id, app.id)
  deps.events.connectionFetched(
    {
      appId: app.id,
      accountId: connection.owner.kind === 'account' ? connection.owner.id : undefined,
      connection: connection.id,
      integration: integration.handle,
    },
    context,
  )
  return { usable, provider, scopes: connection.grantedScopes, ...credentialOf(usable, provider) }
}

/** Adds to a refusal that the owner can mend where to do it. */
async function withLink<T>(
  { issuer }: HandOutDeps,
  { connection }: UsableConnection,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'reconnect_needed') throw error
    const connectUrl = `${issuer}/connections/${connection.id}`
    throw new AppError('reconnect_needed', {
      members: { ...error.members, connect_url: connectUrl },
    })
  }
}

function credentialOf(
  usable: UsableConnection,
  { fields: described = [] }: Provider,
): Pick<HandedOut, 'token' | 'tokenType' | 'expiresAt' | 'fields'> {
  if (usable.integration.kind !== 'keys')
    return {
      token: usable.credential('oauth_access_token')?.reveal(),
      tokenType: 'Bearer',
      expiresAt: usable.connection.accessExpiresAt,
      fields: undefined,
    }
  const typed = usable.credentials().filter(({ kind }) => kind !== 'webhook_secret')
  const fields = Object.fromEntries(typed.map(({ name, value }) => [name, value.reveal()]))
  const main = described.find(({ secret }) => secret)?.name ?? ''
  return { token: fields[main], tokenType: 'N_A', expiresAt: undefined, fields }
}
