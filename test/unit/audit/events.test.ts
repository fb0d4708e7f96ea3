// The functions for business events: row, counter, usage and log line of each, and that none of
// them ever throws.
import { EVENTS } from '../../../src/audit/event-names.ts'
import type { NewEvent } from '../../../src/audit/event.store.ts'
import { createEvents, type Events } from '../../../src/audit/events.ts'
import { createLogger } from '../../../src/shared/logger.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import { newAccessToken, newGrantId } from '../../../src/shared/token-format.ts'

const NOW = Date.UTC(2026, 0, 5, 12)

function setUp(options: { refusalRowsPerSecond?: number } = {}) {
  const time = { now: NOW }
  const rows: NewEvent[] = []
  const counted: unknown[][] = []
  const text: string[] = []
  const metrics = createMetrics({ processMetrics: false })
  const events = createEvents({
    queue: { push: (event) => void rows.push(event) },
    usage: { count: (...facts) => void counted.push(facts) },
    metrics,
    logger: createLogger('info', { write: (line) => void text.push(line) }),
    clock: () => time.now,
    ...options,
  })
  const lines = (): Record<string, unknown>[] =>
    text.map((line) => JSON.parse(line) as Record<string, unknown>)
  const total = async (): Promise<[string, string, number][]> =>
    (await metrics.events.get()).values.map(({ labels, value }) => [
      String(labels.event),
      String(labels.reason),
      value,
    ])
  return { events, rows, counted, lines, text, total, time }
}

const account = { accountId: 'acc_1' }
const app = { appId: 'app_1' }
const connection = { connection: 'con_1', integration: 'crm' }
const grant = { appId: 'app_1', grantId: 'g1' }

/** How each function is called; the compiler and the test below make sure that none is missing. */
const CALLS: { [Name in keyof Events]: Parameters<Events[Name]>[0] } = {
  loginSucceeded: account,
  loginFailed: { ...account, reason: 'password_wrong' },
  loginThrottled: account,
  sessionEnded: account,
  consentGranted: { ...account, ...app, scopes: ['bookings:read'] },
  consentDenied: { ...account, ...app },
  consentWithdrawn: { ...account, ...app, connections: 2 },
  codeIssued: { ...account, ...grant },
  tokenIssued: { ...account, ...grant, grantType: 'authorization_code' },
  tokenRefreshed: { ...account, ...grant, rotated: true, grace: false },
  tokenRevoked: { ...account, ...grant, reason: 'client' },
  grantRevoked: { ...account, ...grant, reason: 'refresh_reuse' },
  grantsRevoked: { ...app, reason: 'admin' },
  requestRefused: { ...app, reason: 'code_used', endpoint: 'token' },
  appRegistered: { ...app, name: 'Calendar' },
  appChanged: { ...app, diff: { name: ['Calendar', 'Diary'] } },
  appSuspended: { ...app, statusReason: 'spam' },
  appActivated: app,
  appDeleted: { ...app, statusReason: 'gone' },
  appTried: { ...app, outcome: 'issued' },
  secretCreated: { ...app, secretId: 'sec_1' },
  secretRevoked: { ...app, secretId: 'sec_1' },
  scopeCreated: { scope: 'bookings:read' },
  scopeChanged: { scope: 'bookings:read', diff: { deprecated: [false, true] } },
  scopeRemoved: { scope: 'bookings:read' },
  accountCreated: { ...account, role: 'member' },
  accountChanged: { ...account, diff: { password: 'changed' } },
  accountDeactivated: { ...account, statusReason: 'left' },
  linkMade: { ...account, kind: 'invite' },
  linkUsed: { ...account, kind: 'invite' },
  accountsImported: { created: 2, refused: 1 },
  keysResealed: { count: 1 },
  connectionCreated: { connection: 'con_1', integration: 'crm', accountId: 'acc_1' },
  connectionRenewed: {
    connection: 'con_1',
    integration: 'crm',
    accountId: 'acc_1',
    reason: 'other_account',
  },
  connectionDisconnected: {
    connection: 'con_1',
    integration: 'crm',
    accountId: 'acc_1',
    reason: 'withdrawn_at_provider',
  },
  leakReported: { ...app, kind: 'client secret', wasLive: true },
  keyRotated: { keyId: 'key_1', alg: 'ES256' },
  providerSaved: { provider: 'crm' },
  providerRemoved: { provider: 'crm' },
  integrationCreated: { integration: 'crm', provider: 'crm' },
  integrationChanged: { integration: 'crm', diff: { name: ['CRM', 'Sales'] } },
  integrationMisconfigured: { integration: 'crm', reason: 'invalid_client' },
  integrationRecovered: { integration: 'crm' },
  connectionFetched: { ...account, ...app, ...connection },
  connectionExpired: { ...account, ...connection, reason: 'refused_by_provider' },
  connectionFailing: { ...account, ...connection, reason: 'timed_out' },
  connectionEnding: { ...account, ...connection, endsAt: new Date('2026-12-01T10:00:00Z') },
  connectionWithdrawn: { ...account, ...connection, reason: 'disconnected' },
  connectionUnrevoked: { ...account, ...connection, reason: 'disconnected' },
  connectionDisabled: { ...account, ...connection },
  connectionEnabled: { ...account, ...connection },
  connectionDeleted: { ...account, ...connection },
  connectionsReencrypted: { count: 3 },
  connectionRecovered: { ...account, ...connection },
  connectionNarrowed: { ...account, ...connection, scopes: ['leads'] },
  integrationDeleted: { integration: 'crm', connections: 2 },
  deliverySent: { kind: 'mail', purpose: 'reset', delivery: 'msg_1' },
  deliveryResent: { kind: 'mail', purpose: 'reset', delivery: 'msg_1' },
  deliveryFailed: { kind: 'mail', purpose: 'reset', delivery: 'msg_1', reason: 'refused' },
  webhookChanged: { integration: 'crm', secretId: 'whs_1', change: 'added' },
}

const nameOf = (functionName: string): string =>
  functionName.replace(/[A-Z]/, (letter) => `.${letter.toLowerCase()}`)

function call(events: Events, name: string, ...facts: unknown[]): void {
  ;(events as unknown as Record<string, (...facts: unknown[]) => void>)[name]?.(...facts)
}

test('There is exactly one function for each name', () => {
  const { events } = setUp()
  expect(Object.keys(events).map(nameOf).sort()).toEqual(Object.keys(EVENTS).sort())
})

describe.each(Object.entries(CALLS))('%s', (functionName, facts) => {
  const name = nameOf(functionName)

  test('makes one row, one count and one line', async () => {
    const { events, rows, counted, lines, total } = setUp()
    const context = { requestId: 'req_1', address: '203.0.113.9', actor: 'acc_admin' }
    call(events, functionName, facts, context)
    const { appId, accountId, grantId, reason } = facts as Record<string, string | undefined>
    const common = {
      reason,
      app_id: appId,
      account_id: accountId,
      grant_id: grantId,
      actor: 'acc_admin',
      address: '203.0.113.9',
      request_id: 'req_1',
    }
    expect(rows).toEqual([
      {
        id: expect.stringMatching(/^evt_[0-9A-Za-z]{12}[0-9]{10}$/),
        at: NOW,
        name,
        ...common,
        data: rows[0]!.data,
      },
    ])
    expect(await total()).toEqual([[name, reason ?? '', 1]])
    expect(lines()).toEqual([
      {
        ...JSON.parse(JSON.stringify({ event: name, ...common })),
        level: expect.stringMatching(/^(info|warn)$/),
        time: expect.any(String),
      },
    ])
    const isUsage = EVENTS[name as keyof typeof EVENTS].isUsage
    expect(counted).toEqual(isUsage ? [[name, appId, reason]] : [])
  })

  test('needs no context', () => {
    const { events, rows } = setUp()
    call(events, functionName, facts)
    expect(rows).toMatchObject([{ name, actor: undefined }])
  })
})

test('The details of an event are its data', () => {
  const { events, rows } = setUp()
  for (const [name, facts] of Object.entries(CALLS)) call(events, name, facts)
  const data = Object.fromEntries(rows.map((row) => [row.name, row.data]))
  expect(data).toMatchObject({
    'consent.granted': { scopes: ['bookings:read'] },
    'token.issued': { grantType: 'authorization_code' },
    'token.refreshed': { rotated: true, grace: false },
    'request.refused': { endpoint: 'token' },
    'app.changed': { diff: { name: ['Calendar', 'Diary'] } },
    'app.suspended': { statusReason: 'spam' },
    'account.deactivated': { statusReason: 'left' },
    'key.rotated': { keyId: 'key_1', alg: 'ES256' },
  })
})

test('Signs of theft and of guessing are warnings, the rest is information', () => {
  const { events, lines } = setUp()
  events.tokenRevoked({ ...grant, reason: 'client' })
  events.tokenRevoked({ ...grant, reason: 'code_replay' })
  events.grantRevoked({ ...grant, reason: 'refresh_reuse' })
  events.loginThrottled({})
  events.loginFailed({ reason: 'account_unknown' })
  expect(lines().map(({ level }) => level)).toEqual(['info', 'warn', 'warn', 'warn', 'info'])
})

test('Ids sort in the order of the events', () => {
  const { events, rows } = setUp()
  for (let count = 0; count < 1200; count += 1) events.loginSucceeded(account)
  const ids = rows.map(({ id }) => id)
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(1200)
})

describe('A flood of refused requests', () => {
  test('of one source makes a bounded number of rows and lines a second, and every one is counted', async () => {
    const { events, rows, lines, counted, total, time } = setUp({ refusalRowsPerSecond: 10 })
    const refuse = (): void =>
      events.requestRefused({ ...app, reason: 'rate_limited', endpoint: 'token' })
    for (let count = 0; count < 1000; count += 1) refuse()
    expect(rows).toHaveLength(10)
    expect(lines()).toHaveLength(10)
    expect(counted).toHaveLength(1000)
    expect(await total()).toEqual([['request.refused', 'rate_limited', 1000]])
    time.now += 1000
    refuse()
    expect(rows).toHaveLength(11)
  })

  test('does not hide those of another app or address', () => {
    const { events, rows } = setUp({ refusalRowsPerSecond: 1 })
    const refused = { reason: 'client_unknown', endpoint: 'token' } as const
    for (const address of ['203.0.113.1', '203.0.113.1', '203.0.113.2'])
      events.requestRefused(refused, { address })
    events.requestRefused({ ...refused, appId: 'app_2' }, { address: '203.0.113.1' })
    expect(rows.map((row) => row.app_id ?? row.address)).toEqual([
      '203.0.113.1',
      '203.0.113.2',
      'app_2',
    ])
  })
})

test('An unknown client does not become a counter of its own', () => {
  const { events, counted } = setUp()
  events.requestRefused({ appId: 'app_invented', reason: 'client_unknown', endpoint: 'token' })
  expect(counted).toEqual([['request.refused', '', 'client_unknown']])
})

test('Free text as a reason does not grow the metrics without end', async () => {
  const { events, total } = setUp()
  for (let count = 0; count < 500; count += 1) events.loginFailed({ reason: `reason ${count}` })
  const series = await total()
  expect(series.length).toBeLessThanOrEqual(101)
  expect(series.find(([, reason]) => reason === 'other')?.[2]).toBe(400)
})

test('A token that got into an event by mistake is not in the log', () => {
  const { events, text } = setUp()
  const token = newAccessToken(newGrantId())
  events.loginFailed({ reason: 'password_wrong' }, { actor: token, requestId: token })
  expect(text.join('')).not.toContain(token)
  expect(text.join('')).toContain('otesse_at_[redacted]')
})

test('Nothing is thrown into the request, whatever breaks', () => {
  const fail = (): never => {
    throw new Error('broken')
  }
  const whole = {
    queue: { push: () => undefined },
    usage: { count: () => undefined },
    metrics: createMetrics({ processMetrics: false }),
    clock: () => NOW,
  }
  const text: string[] = []
  const logger = createLogger('info', { write: (line) => void text.push(line) })
  const silent = createLogger('info', { write: fail })
  for (const broken of [
    { queue: { push: fail } },
    { usage: { count: fail } },
    { clock: fail },
    { metrics: { events: { labels: fail } } },
  ]) {
    text.length = 0
    createEvents({ ...whole, logger, ...broken }).loginSucceeded(account)
    expect(text.join('')).toContain('an event could not be recorded')
  }
  createEvents({ ...whole, logger: silent }).loginSucceeded(account)
})
