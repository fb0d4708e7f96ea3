// From a connection with live credentials to what a proxied call needs: where the API is, what may
// be called, and the headers that prove the connection.
import { ConfigValueMissing, fillAddress } from '../../providers/address-template.ts'
import { type ApiCredential, placeCredential } from '../../providers/place-credential.ts'
import type { Provider } from '../../providers/provider.ts'
import { sha256 } from '../../shared/crypto.ts'
import { AppError } from '../../shared/errors.ts'
import type { UsableConnection } from '../connection.store.ts'
import type { Refresher } from '../refresh.ts'
import type { LiveConnection } from './proxy.ts'

export interface OpenDeps {
  refresher: Pick<Refresher, 'liveOf'>
  providerOf: (usable: UsableConnection) => Promise<Provider | undefined>
}

/**
 * Makes a connection ready for calls.
 *
 * @throws {AppError} as `liveOf`, `integration_misconfigured`
 */
export async function openConnection(
  deps: OpenDeps,
  found: UsableConnection,
  rejected?: string,
): Promise<LiveConnection> {
  const usable = await deps.refresher.liveOf(found, { rejected })
  const { integration, connection } = usable
  const provider = await deps.providerOf(usable)
  if (provider === undefined) throw misconfigured('provider')
  const credential = credentialOf(usable)
  const { headers, query } = placed(provider, credential)
  const config = { ...integration.config, ...connection.config }
  return {
    integrationId: integration.id,
    baseUrl: baseUrlOf(provider, config),
    hosts: integration.proxyHosts,
    methods: integration.proxyMethods,
    headers,
    query,
    secrets: [
      ...(credential.kind === 'token'
        ? [credential.token]
        : secretsOf(provider, credential.values)),
      ...Object.values(headers),
    ],
    renew: () =>
      openConnection(
        deps,
        usable,
        credential.kind === 'token' ? sha256(credential.token) : undefined,
      ),
  }
}

function credentialOf(usable: UsableConnection): ApiCredential {
  if (usable.integration.kind !== 'keys') {
    const token = usable.credential('oauth_access_token')
    if (token === undefined) throw misconfigured('no access token')
    return { kind: 'token', token: token.reveal() }
  }
  const typed = usable.credentials().filter(({ kind }) => kind !== 'webhook_secret')
  return {
    kind: 'keys',
    values: Object.fromEntries(typed.map(({ name, value }) => [name, value.reveal()])),
  }
}

function placed(provider: Provider, credential: ApiCredential) {
  try {
    return placeCredential(provider, credential)
  } catch (error) {
    throw misconfigured('the credential has no place', error)
  }
}

function baseUrlOf(
  { api = {}, config = [] }: Provider,
  values: Readonly<Record<string, string>>,
): string | undefined {
  if (api.base_url === undefined) return undefined
  try {
    return fillAddress(api.base_url, config, values)
  } catch (error) {
    if (!(error instanceof ConfigValueMissing)) throw error
    throw misconfigured('a placeholder has no value', error)
  }
}

const secretsOf = ({ fields = [] }: Provider, values: Readonly<Record<string, string>>): string[] =>
  fields.flatMap(({ name, secret }) => (secret && values[name] !== undefined ? [values[name]] : []))

const misconfigured = (detail: string, cause?: unknown): AppError =>
  new AppError('integration_misconfigured', { detail, cause })
