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
  fetchFrom(node: MainProcess, connectionId?: string): Promise<Fetched>
  /** Makes the access token end now. */
  endAccess(): Promise<void>
  /** Makes another connection, whose access token has ended. Returns its id. */
  connect(): Promise<string>
  restart(at: number): Promise<void>
  /** The refresh token as the database has it. */
  storedRefreshToken(connectionId: string): Promise<string>
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
        externalId: refreshToken.slice(0, 20),
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
    // Only fetches refresh it, and not the work in the background.
    await db.updateTable('connections').set({ due_at: null }).where('id', '=', made.id).execute()
    return made.id
  }
  const connectionId = await connect()
  const startNode = () => startMain({ ...stores.settings, ...SETTINGS, OTESSE_LOG_LEVEL: 'info' })
  const nodes = await Promise.all([startNode(), startNode(), startNode()])
  stack.defer(() => {
    for (const node of nodes) node[Symbol.dispose]()
  })
  const open = stack.move()
  return {
    provider,
    server,
    nodes,
    connectionId,
    connect,
    async fetchFrom({ url }, id = connectionId) {
      try {
        const answer = await fetch(`${url}/connect/v1/connections/${id}/token`, {
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
      await db
        .updateTable('connections')
        .set({ access_expires_at: new Date(0) })
        .where('id', '=', connectionId)
        .execute()
    },
    async restart(at) {
      nodes[at] = await startNode()
    },
    async storedRefreshToken(id) {
      const usable = await connections.findUsable(id)
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
 * Kills the process that refreshes, each time with another connection, and lets another process go
 * on when the leases of the dead have ended by themselves.
 *
 * @returns how often the connection went on, and had to be made again; and what must not be
 */
export async function tryKills(
  trial: ConnectionTrial,
  points: readonly KillPoint[],
): Promise<{ wentOn: number; lost: number; problems: string[] }> {
  const killed: { point: KillPoint; id: string }[] = []
  for (const point of points) {
    const id = await trial.connect()
    await killAt(trial, point, id)
    await trial.restart(0)
    killed.push({ point, id })
  }
  const result = { wentOn: 0, lost: 0, problems: [] as string[] }
  await Promise.all(
    killed.map(async ({ point, id }) => {
      const { status, error, token = '' } = await untilNobodyRefreshes(trial, id)
      const name = JSON.stringify(point)
      if (status === 200 && trial.provider.accepts(token)) result.wentOn += 1
      else if (status === 409 && error === 'reconnect_needed' && point.when !== 'before-send') {
        // The provider had renewed the token, and its answer died with the process.
        if (trial.provider.isCurrent(await trial.storedRefreshToken(id)))
          result.problems.push(`${name}: expired, though the provider would have gone on`)
        result.lost += 1
      } else result.problems.push(`${name}: ${status} ${error ?? 'a token that is not accepted'}`)
    }),
  )
  return result
}

/** Each call waits for a while by itself; a lease lasts for 30 s. */
async function untilNobodyRefreshes(trial: ConnectionTrial, id: string): Promise<Fetched> {
  const giveUpAt = performance.now() + 45_000
  for (;;) {
    const fetched = await trial.fetchFrom(trial.nodes[1]!, id)
    const isOver = fetched.error !== 'refresh_in_progress' || performance.now() > giveUpAt
    if (isOver) return fetched
  }
}

async function killAt(trial: ConnectionTrial, point: KillPoint, id: string): Promise<void> {
  const [victim] = trial.nodes
  if (victim === undefined) return
  const kill = (): void => void victim.child.kill('SIGKILL')
  const ended = new Promise<void>((done) => victim.child.once('exit', () => done()))
  const later = (millis: number): void => (millis === 0 ? kill() : void setTimeout(kill, millis))
  if (point.when === 'request-arrived') trial.provider.instead({ onRequest: kill })
  if (point.when === 'answered')
    trial.provider.instead({ onAnswered: () => later(point.afterMillis) })
  const fetched = trial.fetchFrom(victim, id)
  if (point.when === 'before-send') later(point.afterMillis)
  await fetched
  // Whoever answered before it was killed dies now.
  kill()
  await ended
}
