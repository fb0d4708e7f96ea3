// Three real processes and a provider whose refresh tokens work once: what the tests try a little,
// `bench/connections.ts` tries at length. Processes are killed with SIGKILL, by their id.
import { OPERATOR } from '../../src/cli/session.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { Secret } from '../../src/shared/secret.ts'
import { startTestApp, type TestApp, type TestStores } from './app.ts'
import { createAccount, registerApp } from './builders.ts'
import { type MainProcess, startMain } from './main-process.ts'
import { createOAuthClient } from './oauth-client.ts'
import { type RotatingProvider, startRotatingProvider } from './rotating-provider.ts'

const SETTINGS = {
  OTESSE_CONNECTIONS: 'true',
  OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.0/8',
  OTESSE_LIMIT_CONNECT_PER_CLIENT: '0',
}

/** What became of one fetch. */
export interface Fetched {
  status: number
  error: string | undefined
  token: string | undefined
}

export interface ConnectionTrial extends AsyncDisposable {
  provider: RotatingProvider
  server: TestApp
  nodes: MainProcess[]
  connectionId: string
  /** Asks a process for the token. */
  fetchFrom(node: MainProcess): Promise<Fetched>
  /** Makes the access token end now. */
  endAccess(): Promise<void>
  /** Makes the lease of a process that is gone end now, as time would. */
  endLease(): Promise<void>
  /** Connects anew, after the provider has refused for good. */
  connectAgain(): Promise<void>
  restart(at: number): Promise<void>
  /** The refresh token as the database has it. */
  storedRefreshToken(): Promise<string>
}

/** Starts it. */
export async function startConnectionTrial(stores: TestStores): Promise<ConnectionTrial> {
  await using stack = new AsyncDisposableStack()
  const provider = stack.use(await startRotatingProvider())
  const server = stack.use(await startTestApp({ backend: 'redis', stores, overrides: SETTINGS }))
  const { db } = server.infrastructure
  const { connections, integrations, providers } = server.services.stores
  await providers.insert(provider.definition, new Date())
  const admin = createAdminServices(server.infrastructure, server.services)
  const outcome = await admin.integrations.create(
    {
      handle: 'rotating',
      providerKey: 'rotating',
      clientId: provider.client.clientId,
      clientSecret: new Secret(provider.client.clientSecret),
    },
    OPERATOR,
  )
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  const scopes = ['connections:rotating']
  const app = createOAuthClient(server, await registerApp(server, { scopes }))
  const account = await createAccount(server)
  const { access } = await app.authorize({ accountId: account.id, scopes })

  const connect = async (): Promise<string> => {
    const { accessToken, refreshToken } = provider.begin()
    const made = await connections.establish(
      {
        integrationId: (await integrations.findByHandle('rotating'))?.id ?? '',
        owner: { kind: 'account', id: account.id },
        establishedBy: account.id,
        externalId: 'there',
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: new Date(0),
        refreshExpiresAt: undefined,
        credentials: [
          { kind: 'oauth_access_token', name: '', value: new Secret(accessToken) },
          { kind: 'oauth_refresh_token', name: '', value: new Secret(refreshToken) },
        ],
      },
      new Date(),
    )
    return made.id
  }
  const connectionId = await connect()
  const startNode = () => startMain({ ...stores.settings, ...SETTINGS, OTESSE_LOG_LEVEL: 'info' })
  const nodes = await Promise.all([startNode(), startNode(), startNode()])
  stack.defer(() => {
    for (const node of nodes) node[Symbol.dispose]()
  })
  const set = (columns: { access_expires_at: Date } | { lease_until: Date | null }) =>
    db.updateTable('connections').set(columns).where('id', '=', connectionId).execute()
  const open = stack.move()
  return {
    provider,
    server,
    nodes,
    connectionId,
    async fetchFrom({ url }) {
      try {
        const answer = await fetch(`${url}/connect/v1/connections/${connectionId}/token`, {
          method: 'POST',
          headers: { authorization: `Bearer ${access}` },
        })
        const body = (await answer.json()) as { error?: string; access_token?: string }
        return { status: answer.status, error: body.error, token: body.access_token }
      } catch {
        return { status: 0, error: 'gone', token: undefined }
      }
    },
    async endAccess() {
      await set({ access_expires_at: new Date(0) })
    },
    async endLease() {
      await set({ lease_until: null })
    },
    async connectAgain() {
      await connect()
    },
    async restart(at) {
      nodes[at] = await startNode()
    },
    async storedRefreshToken() {
      const usable = await connections.findUsable(connectionId)
      return usable?.credential('oauth_refresh_token')?.reveal() ?? ''
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/**
 * Lets 100 callers of three processes find the token ended, round after round.
 *
 * @returns what was not as it should be
 */
export async function tryRounds(trial: ConnectionTrial, rounds: number): Promise<string[]> {
  const { provider, nodes } = trial
  const problems: string[] = []
  for (let round = 1; round <= rounds; round += 1) {
    await trial.endAccess()
    const before = provider.requests.length
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, at) => trial.fetchFrom(nodes[at % nodes.length]!)),
    )
    const tokens = new Set(all.map(({ status, error, token }) => token ?? `${status} ${error}`))
    const [token = ''] = tokens
    const requests = provider.requests.length - before
    if (tokens.size !== 1 || !provider.accepts(token))
      problems.push(`round ${round}: ${[...tokens].map((one) => one.slice(0, 40)).join(', ')}`)
    if (requests !== 1) problems.push(`round ${round}: ${requests} refreshes`)
  }
  if (provider.reuses.length > 0) problems.push(`${provider.reuses.length} tokens came twice`)
  return problems
}

/** When the process that refreshes is killed. */
export type KillPoint =
  | { readonly when: 'before-send'; readonly afterMillis: number }
  | { readonly when: 'request-arrived' }
  | { readonly when: 'answered'; readonly afterMillis: number }

export const KILL_POINTS: readonly KillPoint[] = [
  ...[0, 1, 2, 3, 5, 8].map((afterMillis) => ({ when: 'before-send', afterMillis }) as const),
  ...Array.from({ length: 3 }, () => ({ when: 'request-arrived' }) as const),
  ...[0, 0.2, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 20].map(
    (afterMillis) => ({ when: 'answered', afterMillis }) as const,
  ),
]

/**
 * Kills the process that refreshes, and lets the next one go on.
 *
 * @returns how often the connection went on, and had to be made again; and what must not be
 */
export async function tryKills(
  trial: ConnectionTrial,
  points: readonly KillPoint[],
): Promise<{ wentOn: number; lost: number; problems: string[] }> {
  const result = { wentOn: 0, lost: 0, problems: [] as string[] }
  for (const point of points) {
    await trial.endAccess()
    const generation = await generationOf(trial)
    await killAt(trial, point)
    await trial.endLease()
    const { status, error, token = '' } = await trial.fetchFrom(trial.nodes[1]!)
    const name = JSON.stringify(point)
    if (status === 200 && trial.provider.accepts(token)) {
      result.wentOn += 1
      if ((await generationOf(trial)) < generation) result.problems.push(`${name}: went back`)
    } else if (status === 409 && error === 'reconnect_needed' && point.when !== 'before-send') {
      // The provider had renewed the token, and its answer died with the process.
      if (trial.provider.isCurrent(await trial.storedRefreshToken()))
        result.problems.push(`${name}: expired, though the provider would have gone on`)
      result.lost += 1
      await trial.connectAgain()
    } else result.problems.push(`${name}: ${status} ${error ?? 'a token that is not accepted'}`)
    await trial.restart(0)
  }
  return result
}

async function generationOf({ server, connectionId }: ConnectionTrial): Promise<number> {
  return (await server.services.stores.connections.find(connectionId))?.generation ?? 0
}

async function killAt(trial: ConnectionTrial, point: KillPoint): Promise<void> {
  const [victim] = trial.nodes
  if (victim === undefined) return
  const kill = (): void => void victim.child.kill('SIGKILL')
  const ended = new Promise<void>((done) => victim.child.once('exit', () => done()))
  const later = (millis: number): void => (millis === 0 ? kill() : void setTimeout(kill, millis))
  if (point.when === 'request-arrived') trial.provider.instead({ onRequest: kill })
  if (point.when === 'answered')
    trial.provider.instead({ onAnswered: () => later(point.afterMillis) })
  const fetched = trial.fetchFrom(victim)
  if (point.when === 'before-send') later(point.afterMillis)
  await fetched
  // Whoever answered before it was killed dies now.
  kill()
  await ended
}
