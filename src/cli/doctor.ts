// otesse doctor: looks at everything that the server stands on and says what to do about what is
// wrong. Invariant: it changes nothing, and one check that fails does not keep the others from
// being made.
import { createAccountStore } from '../accounts/account.store.ts'
import { createAppStore } from '../apps/app.store.ts'
import { createServerKeys } from '../shared/crypto.ts'
import { createEncryption } from '../shared/encryption.ts'
import type { Config, SecretsConfig } from '../config/config.ts'
import { ConfigError } from '../config/config.ts'
import { openConfiguredDatabase, openConfiguredRedis, StartRefused } from '../open-stores.ts'
import { createPurgeJobStore } from '../grants/purge-job.store.ts'
import { createKeyStore, type StoredKey } from '../keys/key.store.ts'
import { openKey } from '../keys/signing-key.ts'
import { makeOwnSecrets } from '../own-secrets.ts'
import { MINUTE, systemClock } from '../shared/clock.ts'
import { databaseTime, type OpenDatabase } from '../storage/database.ts'
import { pendingMigrations } from '../storage/migrate.ts'
import { missingPermissions } from '../storage/redis-permissions.ts'
import { checkRedis } from '../storage/redis-check.ts'
import { reachRedis, redisTime } from '../storage/redis.ts'
import { storeProblem } from '../storage/store-problems.ts'
import { compareClock } from './doctor-clock.ts'
import { checkCredentials } from './doctor-credentials.ts'
import { checkIssuer } from './doctor-issuer.ts'
import { checkProxy, checkTrustedProxies, type ProbedApp } from './doctor-proxies.ts'
import { checkClientSecrets } from './doctor-secrets.ts'
import { compareStores } from './doctor-stores.ts'
import type { Finding } from './finding.ts'
import type { Outcome, Session } from './session.ts'

/** Makes every check. */
export async function examine(
  session: Session,
  { withIssuer }: { withIssuer: boolean },
): Promise<Outcome> {
  const findings: Finding[] = []
  const config = readSettings(session, findings)
  if (config !== undefined) {
    const { issuer } = config.server
    const { keys, app } = await checkDatabase(session, config, findings)
    await addRedisFindings(session, config, findings, keys !== undefined)
    findings.push(checkTrustedProxies(config))
    if (withIssuer) {
      const found = await checkIssuer(issuer, keys)
      findings.push(...found)
      // What does not answer at all cannot be asked for more.
      if (found.every(({ status }) => status === 'ok'))
        findings.push(...(await checkProxy(issuer, app)))
    }
  }
  const count = (status: Finding['status']): number =>
    findings.filter((finding) => finding.status === status).length
  const summary = { ok: count('ok'), warn: count('warn'), fail: count('fail') }
  return {
    json: { healthy: summary.fail === 0, summary, checks: findings },
    text: report(session, findings),
    exitCode: summary.fail === 0 ? 0 : 1,
  }
}

function report({ terminal }: Session, findings: readonly Finding[]): string {
  const marks = {
    ok: terminal.paint('green', 'ok  '),
    warn: terminal.paint('yellow', 'warn'),
    fail: terminal.paint('red', 'FAIL'),
  }
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(
    ({ check, status, sentence }) => `${marks[status]}  ${check.padEnd(width)}  ${sentence}\n`,
  )
  const bad = findings.filter(({ status }) => status === 'fail').length
  const verdict = bad === 0 ? 'The server can run.' : `${bad} of ${findings.length} checks failed.`
  return `${lines.join('')}\n${verdict}\n`
}

function readSettings(session: Session, findings: Finding[]): Config | undefined {
  const add = (status: Finding['status'], sentence: string): void =>
    void findings.push({ check: 'settings', status, sentence })
  try {
    const config = session.config()
    for (const warning of config.warnings) add('warn', warning)
    const mode = config.stores.kind === 'embedded' ? 'embedded' : 'on Postgres and Redis'
    add('ok', `The settings are valid; the server runs ${mode} as ${config.server.issuer}.`)
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const sentence of error.errors) add('fail', sentence)
    for (const sentence of error.warnings) add('warn', sentence)
    return undefined
  }
}

/** What the look at the public address needs of the database, as far as it could be read. */
interface Stored {
  keys?: readonly StoredKey[]
  app?: ProbedApp | undefined
}

/** Checks the database and what is in it. */
async function checkDatabase(
  session: Session,
  config: Config,
  findings: Finding[],
): Promise<Stored> {
  const add = (check: string, status: Finding['status'], sentence: string): void =>
    void findings.push({ check, status, sentence })
  try {
    await using opened = await openConfiguredDatabase(config, session.logger())
    const sent = systemClock()
    const theirs = await databaseTime(opened.db)
    const received = systemClock()
    add('database', 'ok', `It answers after ${received - sent} ms.`)
    const missing = await pendingMigrations(opened.db)
    if (missing.length > 0) {
      // The embedded mode brings itself up to date when the server starts.
      const status = config.stores.kind === 'embedded' ? 'warn' : 'fail'
      add('migrations', status, `These are missing: ${missing.join(', ')}. Run: otesse migrate`)
      return {}
    }
    add('migrations', 'ok', 'The schema is up to date.')
    if (config.stores.kind === 'networked')
      findings.push(compareClock('database clock', theirs, sent, received))
    findings.push(await checkAdmins(opened))
    findings.push(await checkRevocations(opened))
    // Asked for when something needs them: embedded mode makes its own.
    const secretsOf = async () => config.secrets ?? (await makeOwnSecrets(config))
    const serverKeysOf = async () => createServerKeys((await secretsOf()).secretKeys)
    const now = new Date(systemClock())
    const apps = createAppStore(opened.db)
    findings.push(await checkClientSecrets(apps, serverKeysOf, now))
    if (config.connections.enabled) findings.push(await checkCredentials(opened, await secretsOf()))
    const keys = await checkKeys(secretsOf, opened, findings)
    const order = { by: 'created', descending: true } as const
    const active = await apps.list({ statuses: ['active'], order, limit: 50 })
    return { keys, app: active.find(({ redirectUris }) => redirectUris.length > 0) }
  } catch (error) {
    if (error instanceof StartRefused) add('database', 'warn', `Not checked: ${error.message}.`)
    else add('database', 'fail', storeProblem(error) ?? `It refuses: ${messageOf(error)}.`)
    return {}
  }
}

async function checkAdmins({ db }: OpenDatabase): Promise<Finding> {
  const check = 'admins'
  return (await createAccountStore(db).hasAdmin())
    ? { check, status: 'ok', sentence: 'An admin can sign in.' }
    : {
        check,
        status: 'warn',
        sentence:
          'Nobody can open the console. Create an admin (otesse account create --role admin --email …), or run: otesse account setup-link.',
      }
}

/** Revocations that are written down and not done: for a moment that is what they are for, for longer it means that nobody does them. */
async function checkRevocations({ db }: OpenDatabase): Promise<Finding> {
  const check = 'revocations'
  const late = await createPurgeJobStore(db).countOlderThan(new Date(systemClock() - LATE_MILLIS))
  return late === 0
    ? { check, status: 'ok', sentence: 'None are pending.' }
    : {
        check,
        status: 'warn',
        sentence: `${late} that were written down are not carried out after a minute: check that a server runs, that it reaches Redis, and what its log says of "purge".`,
      }
}

const LATE_MILLIS = MINUTE

async function checkKeys(
  secretsOf: () => Promise<SecretsConfig>,
  { db }: OpenDatabase,
  findings: Finding[],
): Promise<readonly StoredKey[]> {
  const add = (status: Finding['status'], sentence: string): void =>
    void findings.push({ check: 'signing keys', status, sentence })
  const keys = await createKeyStore(db).list()
  if (keys.length === 0) {
    add('ok', 'There are none yet. The server creates them when it starts.')
    return keys
  }
  const { encryptionKeys } = await secretsOf()
  const box = createEncryption(encryptionKeys)
  try {
    for (const key of keys) openKey(box, key)
    const stale = keys.filter(({ encryptedPrivateJwk: sealedPrivateJwk }) =>
      box.isStale(sealedPrivateJwk),
    ).length
    if (stale === 0) add('ok', `OTESSE_ENCRYPTION_KEY decrypts all ${keys.length}.`)
    else
      add(
        'warn',
        `${stale} of ${keys.length} are still encrypted under an older key: keep it in OTESSE_ENCRYPTION_KEY after the new one.`,
      )
  } catch {
    add(
      'fail',
      'OTESSE_ENCRYPTION_KEY does not decrypt them. Set the key that they were encrypted with, after the new one if you have changed it.',
    )
  }
  return keys
}

async function addRedisFindings(
  session: Session,
  config: Config,
  findings: Finding[],
  isDatabaseUsable: boolean,
): Promise<void> {
  const { stores } = config
  if (stores.kind === 'embedded') return
  const add = (status: Finding['status'], sentence: string): void =>
    void findings.push({ check: 'redis', status, sentence })
  await using stack = new AsyncDisposableStack()
  try {
    const redis = openConfiguredRedis(stores.redis, session.logger())
    stack.defer(() => redis.disconnect())
    await reachRedis(redis)
    const sent = systemClock()
    const theirs = await redisTime(redis)
    const received = systemClock()
    add('ok', `It answers after ${received - sent} ms.`)
    const found = await checkRedis(redis, { mayEvict: config.unsafe.evictingRedis })
    for (const sentence of found.refusals) add('fail', `${sentence}.`)
    for (const sentence of found.warnings) add('warn', `${sentence}.`)
    for (const sentence of found.notes) add('ok', `${sentence}.`)
    const missing = await missingPermissions(redis, stores.redis.prefix)
    if (missing === undefined)
      add(
        'ok',
        'The commands that its user may run cannot be checked. docs/operating.md, "Redis", lists those that it needs.',
      )
    else if (missing.length > 0)
      add(
        'fail',
        `Its user may not run these on keys that begin with ${stores.redis.prefix}: ${missing.join(', ')}. Allow them with ACL SETUSER; docs/operating.md lists all.`,
      )
    findings.push(compareClock('redis clock', theirs, sent, received))
    if (!isDatabaseUsable) return
    const { prefix } = stores.redis
    findings.push(await compareStores(config, { client: redis, prefix }, session.logger()))
  } catch (error) {
    if (error instanceof StartRefused) add('fail', error.message)
    else add('fail', storeProblem(error) ?? `It refuses: ${messageOf(error)}.`)
  }
}

/** The driver's words, which name hosts and databases but never passwords; one line of them. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? ''
