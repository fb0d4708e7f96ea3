// What a test needs in the server: scopes, apps and accounts, made by the same functions as those
// of the console. Everything has a sensible default and can be overridden.
import { randomBytes } from 'node:crypto'
import type { Account } from '../../src/model/account.ts'
import type { NewAccount } from '../../src/accounts/accounts.ts'
import type { App, AppInput } from '../../src/model/app.ts'
import type { CodeRecord } from '../../src/grants/grant.ts'
import { longestLife, termsFor } from '../../src/oauth/token/token-terms.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import type { TestApp } from './app.ts'
import { waitUntil } from './server-process.ts'

type Server = Pick<TestApp, 'services' | 'infrastructure'>

/** The scopes that createScopes makes, and that apps have by default. */
export const SCOPES = ['bookings:read', 'bookings:write', 'customers:read'] as const

export const REDIRECT_URI = 'https://yourapp.com/callback'
export const PASSWORD = 'correct horse battery staple'

/** An app with what it knows of itself. */
export interface TestClient {
  app: App
  id: string
  /** Absent for public apps. */
  secret: string | undefined
  redirectUri: string
}

/** Makes the catalogue. */
export async function createScopes(
  { services }: Pick<Server, 'services'>,
  names: readonly string[] = SCOPES,
): Promise<void> {
  for (const name of names) {
    const outcome = await services.scopes.create({
      name,
      sentence: `Use ${name}`,
      group: name.split(':')[0] ?? name,
    })
    if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  }
}

/** Registers an app: a confidential one with all test scopes unless told otherwise. */
export async function registerApp(
  { services }: Pick<Server, 'services'>,
  overrides: Partial<AppInput> = {},
): Promise<TestClient> {
  const type = overrides.type ?? 'web'
  const takesPeople = type === 'web' || type === 'public'
  const outcome = await services.apps.register({
    name: 'Acme Sync',
    type,
    scopes: type === 'resource_server' ? [] : [...SCOPES],
    redirectUris: takesPeople ? [REDIRECT_URI] : [],
    clientCredentials: type === 'web' || type === 'machine',
    ...overrides,
  })
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  const { app } = outcome
  return {
    app,
    id: app.id,
    secret: outcome.secret?.reveal(),
    redirectUri: app.redirectUris[0] ?? '',
  }
}

/** Makes an account; it has a password only if one is given, because hashing one takes its time. */
export function createAccount(
  { services }: Pick<Server, 'services'>,
  overrides: Partial<NewAccount> = {},
): Promise<Account> {
  const email = `ada-${randomBytes(5).toString('hex')}@example.com`
  return services.accounts.create({ email, name: 'Ada Lovelace', ...overrides })
}

/** Waits until what was shut down has been revoked to the last token. */
export async function purged({ infrastructure }: Pick<TestApp, 'infrastructure'>): Promise<void> {
  await waitUntil('the purge jobs to be done', async () => {
    const rows = await infrastructure.db.selectFrom('purge_jobs').select('id').execute()
    return rows.length === 0
  })
}

/** What an approval is about. */
export interface Approval {
  scopes?: readonly string[]
  accountId?: string
  code?: Partial<CodeRecord>
}

/** Does what an approval on the consent page does, without the pages; returns the code. */
export async function issueCode(
  server: Server,
  { app, id, redirectUri }: TestClient,
  approval: Approval = {},
): Promise<{ code: string; grantId: string; accountId: string }> {
  const { grants } = server.services
  const { config, clock } = server.infrastructure
  const accountId = approval.accountId ?? (await createAccount(server)).id
  const { generation: accountGeneration } = await server.services.accounts.get(accountId)
  const { generation: appGeneration } = await server.services.apps.get(id)
  const now = Math.floor(clock() / 1000)
  const grantId = newGrantId()
  const code = newCode(grantId)
  const scopes = [...(approval.scopes ?? ['bookings:read', 'customers:read'])]
  await grants.begin(
    {
      ...{ id: grantId, appId: id, accountId, scopes, createdAt: now },
      ...{ accountGeneration, appGeneration },
    },
    code,
    { redirectUri, expiresAt: now + config.tokens.codeTtlSeconds, ...approval.code },
    longestLife(termsFor(app, config.tokens)),
  )
  return { code, grantId, accountId }
}
