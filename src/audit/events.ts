// One function per business event. Each counts it, queues its row and writes one log line.
// Invariants: nothing here throws into a request or waits for anything; no token, code, secret,
// password or typed e-mail address is ever part of an event. Called from everywhere above.
import type { Clock } from '../shared/clock.ts'
import type { ErrorCode } from '../shared/errors.ts'
import { newEventId } from '../shared/ids.ts'
import type { Logger } from '../shared/logger.ts'
import { EVENTS, SUSPICIOUS, type EventName, type RevocationReason } from './event-names.ts'
import type { NewEvent } from './event.store.ts'
import { createRefusalLimiter } from './refusal-limiter.ts'

/** Who did it, from where, in which request. */
export interface EventContext {
  requestId?: string | undefined
  address?: string | undefined
  /** An account id, or the name of a command. */
  actor?: string | undefined
  /** Part of an admin's preview: marked as such and left out of the daily usage, which counts what people and apps do. */
  isPreview?: boolean | undefined
}

/** Whom it concerns. An app id is that of a registered app, never one that a stranger sent. */
interface Subject {
  appId?: string | undefined
  accountId?: string | undefined
  grantId?: string | undefined
}

type OfAccount = Subject & { accountId: string }
type OfApp = Subject & { appId: string }
type OfGrant = Subject & { appId: string; grantId: string }
type Data = Record<string, unknown>

const NO_CONTEXT: EventContext = {}
const MAX_REASONS = 100

interface Counter {
  inc(): void
}

/** Gives the counter of a name and a reason; made once each, because looking up labels costs more than counting. */
function createCounters(events: {
  labels(labels: { event: string; reason: string }): Counter
}): (name: EventName, reason: string) => Counter {
  const byName = new Map<EventName, Map<string, Counter>>()
  for (const name of Object.keys(EVENTS) as EventName[]) byName.set(name, new Map())
  return function counterOf(name, reason) {
    const byReason = byName.get(name)
    const found = byReason?.get(reason)
    if (found !== undefined) return found
    // Reasons are codes; should free text get here, it must not grow the metrics without end.
    const label = byReason !== undefined && byReason.size >= MAX_REASONS ? 'other' : reason
    const counter = events.labels({ event: name, reason: label })
    if (label === reason) byReason?.set(reason, counter)
    return counter
  }
}

/**
 * Ids in the order of the events, so that two of one millisecond stay in order: random for the
 * process, then counted. Digits sort alike in every collation of the database.
 */
function createIdSequence(): () => string {
  const prefix = newEventId().slice(0, 16)
  let next = 0
  return () => {
    next += 1
    return prefix + String(next).padStart(10, '0')
  }
}

/** An authorization of a person that ended because something of it may have been stolen. */
export interface EndedBySuspicion {
  accountId: string
  appId: string
  reason: string
}

/** A connection of a person that ended, or ends soon, unless they connect again. */
export interface ReconnectNeeded {
  accountId: string
  connection: string
  /** The handle. */
  integration: string
  /** When it ends; absent where it has. */
  endsAt: Date | undefined
}

/** The three outlets. */
interface EventsDeps {
  queue: { push(event: NewEvent): void }
  usage: { count(name: string, appId?: string, reason?: string): void }
  metrics: { events: { labels(labels: { event: string; reason: string }): Counter } }
  logger: Logger
  clock: Clock
  /** Hears of authorizations that ended because something may have been stolen; never throws. */
  onSuspicion?: ((ended: EndedBySuspicion) => void) | undefined
  /** Hears of connections whose owner has to connect again; never throws. */
  onReconnectNeeded?: ((connection: ReconnectNeeded) => void) | undefined
  /** Rows and log lines of refused requests per second and app or address; all of them are counted. */
  refusalRowsPerSecond?: number
}

/** Creates what counts, queues and logs one event. */
function createRecord(deps: EventsDeps) {
  const { queue, usage, logger, clock } = deps
  const counterOf = createCounters(deps.metrics.events)
  const nextId = createIdSequence()
  const isLetThrough = createRefusalLimiter(clock, deps.refusalRowsPerSecond ?? 50)
  // The members of a line are chosen here and none is secret; redaction by name would cost more
  // than all the rest together. What looks like a token is still cut out of the finished line.
  const lines = logger.child({}, { redact: [] as never })

  function record(
    name: EventName,
    reason: string | undefined,
    subject: Subject,
    data: Data | undefined,
    context: EventContext = NO_CONTEXT,
  ): void {
    try {
      const { level, isUsage } = EVENTS[name]
      const { appId, accountId, grantId } = subject
      const { requestId, address, actor, isPreview = false } = context
      counterOf(name, reason ?? '').inc()
      if (isUsage && !isPreview) usage.count(name, reason === 'client_unknown' ? '' : appId, reason)
      if (name === 'request.refused' && !isLetThrough(appId ?? address ?? '')) return
      queue.push({
        id: nextId(),
        at: clock(),
        name,
        reason,
        app_id: appId,
        account_id: accountId,
        grant_id: grantId,
        actor,
        address,
        request_id: requestId,
        data: isPreview ? { ...data, preview: true } : data,
      })
      const isLoud = level === 'warn' || (reason !== undefined && SUSPICIOUS.has(reason))
      lines[isLoud ? 'warn' : 'info']({
        event: name,
        reason,
        app_id: appId,
        account_id: accountId,
        grant_id: grantId,
        actor,
        address,
        request_id: requestId,
      })
    } catch (error) {
      reportFailure(logger, error, name)
    }
  }

  return record
}

function reportFailure(logger: Logger, error: unknown, name: EventName): void {
  try {
    logger.error({ err: error, event: name }, 'an event could not be recorded')
  } catch {
    // The log itself is broken; the request goes on all the same.
  }
}

type RecordEvent = ReturnType<typeof createRecord>

/** Sign-in and what users decide. */
const signInEvents = (record: RecordEvent) => ({
  loginSucceeded: (facts: OfAccount, context?: EventContext) =>
    record('login.succeeded', undefined, facts, undefined, context),
  loginFailed: (facts: Subject & { reason: string }, context?: EventContext) =>
    record('login.failed', facts.reason, facts, undefined, context),
  loginThrottled: (facts: Subject, context?: EventContext) =>
    record('login.throttled', undefined, facts, undefined, context),
  sessionEnded: (facts: OfAccount & { reason?: string }, context?: EventContext) =>
    record('session.ended', facts.reason, facts, undefined, context),
  consentGranted: (
    facts: OfAccount & OfApp & { scopes: readonly string[] },
    context?: EventContext,
  ) => record('consent.granted', undefined, facts, { scopes: facts.scopes }, context),
  consentDenied: (facts: OfAccount & OfApp, context?: EventContext) =>
    record('consent.denied', undefined, facts, undefined, context),
  /** A person disconnected an app; each grant that ended with it has an event of its own. */
  consentWithdrawn: (facts: OfAccount & OfApp & { connections: number }, context?: EventContext) =>
    record('consent.withdrawn', undefined, facts, { connections: facts.connections }, context),
  codeIssued: (facts: OfAccount & OfGrant, context?: EventContext) =>
    record('code.issued', undefined, facts, undefined, context),
})

// What follows a question mark may be about a person.
const QUERY = /\?[^]*/

/** @param received the value that the request was refused for, safe to show */
const refusalData = (facts: { endpoint: string; received?: string | undefined }): Data => ({
  endpoint: facts.endpoint,
  ...(facts.received !== undefined && { received: facts.received.replace(QUERY, '?...') }),
})

/** Tokens and grants. */
const tokenEvents = (record: RecordEvent, { onSuspicion }: Pick<EventsDeps, 'onSuspicion'>) => ({
  tokenIssued: (facts: OfApp & { grantType: string }, context?: EventContext) =>
    record('token.issued', undefined, facts, { grantType: facts.grantType }, context),
  tokenRefreshed: (
    facts: OfGrant & { rotated: boolean; grace: boolean; elsewhere?: boolean },
    context?: EventContext,
  ) =>
    record(
      'token.refreshed',
      undefined,
      facts,
      {
        rotated: facts.rotated,
        grace: facts.grace,
        ...(facts.elsewhere === true && { elsewhere: true }),
      },
      context,
    ),
  tokenRevoked: (facts: Subject & { reason: RevocationReason }, context?: EventContext) =>
    record('token.revoked', facts.reason, facts, undefined, context),
  grantRevoked(
    facts: Subject & { grantId: string; reason: RevocationReason },
    context?: EventContext,
  ) {
    record('grant.revoked', facts.reason, facts, undefined, context)
    const { accountId, appId, reason } = facts
    if (accountId !== undefined && appId !== undefined && SUSPICIOUS.has(reason))
      onSuspicion?.({ accountId, appId, reason })
  },
  /** An admin asked for the end of all grants of an account or an app; each grant that ends has an event of its own. */
  grantsRevoked: (facts: Subject & { reason: RevocationReason }, context?: EventContext) =>
    record('grants.revoked', facts.reason, facts, undefined, context),
  requestRefused: (
    facts: Subject & { reason: ErrorCode; endpoint: string; received?: string | undefined },
    context?: EventContext,
  ) => record('request.refused', facts.reason, facts, refusalData(facts), context),
  /** Somebody handed in a secret or token of ours that was found where it must not be. */
  leakReported: (
    facts: Subject & { kind: string; wasLive: boolean; secretId?: string },
    context?: EventContext,
  ) =>
    record(
      'leak.reported',
      undefined,
      facts,
      { kind: facts.kind, wasLive: facts.wasLive, secretId: facts.secretId },
      context,
    ),
})

/** Apps, their secrets and scopes. */
const appEvents = (record: RecordEvent) => ({
  appRegistered: (facts: OfApp & { name?: string }, context?: EventContext) =>
    record('app.registered', undefined, facts, { name: facts.name }, context),
  appChanged: (facts: OfApp & { diff: Data }, context?: EventContext) =>
    record('app.changed', undefined, facts, { diff: facts.diff }, context),
  /** The admin's words are data: the reason of an event is always a code. */
  appSuspended: (facts: OfApp & { statusReason?: string | undefined }, context?: EventContext) =>
    record('app.suspended', undefined, facts, { statusReason: facts.statusReason }, context),
  appActivated: (facts: OfApp, context?: EventContext) =>
    record('app.activated', undefined, facts, undefined, context),
  /** The admin's words are data: the reason of an event is always a code. */
  appDeleted: (facts: OfApp & { statusReason?: string | undefined }, context?: EventContext) =>
    record('app.deleted', undefined, facts, { statusReason: facts.statusReason }, context),
  /** An admin ran the flow of an app to see what it would get; what happened on the way has events of its own, marked as a preview. */
  appTried: (
    facts: OfApp & {
      grantId?: string | undefined
      reason?: ErrorCode | undefined
      outcome: string
    },
    context?: EventContext,
  ) => record('app.tried', facts.reason, facts, { outcome: facts.outcome }, context),
  secretCreated: (facts: OfApp & { secretId: string }, context?: EventContext) =>
    record('secret.created', undefined, facts, { secretId: facts.secretId }, context),
  secretRevoked: (facts: OfApp & { secretId: string }, context?: EventContext) =>
    record('secret.revoked', undefined, facts, { secretId: facts.secretId }, context),
  scopeCreated: (facts: { scope: string }, context?: EventContext) =>
    record('scope.created', undefined, {}, { scope: facts.scope }, context),
  scopeChanged: (facts: { scope: string; diff: Data }, context?: EventContext) =>
    record('scope.changed', undefined, {}, { scope: facts.scope, diff: facts.diff }, context),
  scopeRemoved: (facts: { scope: string }, context?: EventContext) =>
    record('scope.removed', undefined, {}, { scope: facts.scope }, context),
})

type OfDelivery = Subject & { kind: string; purpose: string; delivery: string }

const deliveryData = ({ kind, purpose, delivery }: OfDelivery): Data => ({
  kind,
  purpose,
  delivery,
})

/** Accounts, their links, mails and keys. */
const accountEvents = (record: RecordEvent) => ({
  accountCreated: (facts: OfAccount & { role: string }, context?: EventContext) =>
    record('account.created', undefined, facts, { role: facts.role }, context),
  accountChanged: (facts: OfAccount & { diff: Data }, context?: EventContext) =>
    record('account.changed', undefined, facts, { diff: facts.diff }, context),
  /** The admin's words are data: the reason of an event is always a code. */
  accountDeactivated: (facts: OfAccount & { statusReason: string }, context?: EventContext) =>
    record('account.deactivated', undefined, facts, { statusReason: facts.statusReason }, context),
  /** A one-time link was made: to set the server up, to accept an invitation, to choose a new password. */
  linkMade: (facts: Subject & { kind: string }, context?: EventContext) =>
    record('link.made', undefined, facts, { kind: facts.kind }, context),
  linkUsed: (facts: OfAccount & { kind: string }, context?: EventContext) =>
    record('link.used', undefined, facts, { kind: facts.kind }, context),
  accountsImported: (facts: { created: number; refused: number }, context?: EventContext) =>
    record(
      'accounts.imported',
      undefined,
      {},
      { created: facts.created, refused: facts.refused },
      context,
    ),
  deliverySent: (facts: OfDelivery, context?: EventContext) =>
    record('delivery.sent', undefined, facts, deliveryData(facts), context),
  /** Somebody had it sent once more. */
  deliveryResent: (facts: OfDelivery, context?: EventContext) =>
    record('delivery.resent', undefined, facts, deliveryData(facts), context),
  /** It will not be tried any more. */
  deliveryFailed: (facts: OfDelivery & { reason: string }, context?: EventContext) =>
    record('delivery.failed', facts.reason, facts, deliveryData(facts), context),
  /** @param facts.isEarly whether the key was not known everywhere yet */
  keyRotated: (
    { keyId, alg, isEarly = false }: { keyId: string; alg: string; isEarly?: boolean },
    context?: EventContext,
  ) =>
    record(
      'key.rotated',
      undefined,
      {},
      { keyId, alg, ...(isEarly && { emergency: true }) },
      context,
    ),
  keysResealed: (facts: { count: number }, context?: EventContext) =>
    record('keys.resealed', undefined, {}, { count: facts.count }, context),
})

type OfConnection = Subject & { connection: string; integration: string }

const connectionData = ({ connection, integration }: OfConnection): Data => ({
  connection,
  integration,
})

/** What becomes of connections to other systems. */
const connectionStateEvents = (
  record: RecordEvent,
  { onReconnectNeeded }: Pick<EventsDeps, 'onReconnectNeeded'>,
) => ({
  connectionCreated: (facts: OfConnection & OfAccount, context?: EventContext) =>
    record('connection.created', undefined, facts, connectionData(facts), context),
  connectionRenewed: (
    facts: OfConnection & OfAccount & { reason?: string | undefined },
    context?: EventContext,
  ) => record('connection.renewed', facts.reason, facts, connectionData(facts), context),
  connectionDisconnected: (
    facts: OfConnection & OfAccount & { reason?: string | undefined },
    context?: EventContext,
  ) => record('connection.disconnected', facts.reason, facts, connectionData(facts), context),
  /** The provider knows that a connection has ended. */
  connectionWithdrawn: (facts: OfConnection & { reason: string }, context?: EventContext) =>
    record('connection.withdrawn', facts.reason, facts, connectionData(facts), context),
  /** It was told for days, and did not take it. */
  connectionUnrevoked: (facts: OfConnection & { reason: string }, context?: EventContext) =>
    record('connection.unrevoked', facts.reason, facts, connectionData(facts), context),
  /** An app was given the credential of a connection. */
  connectionFetched: (facts: OfConnection & OfApp, context?: EventContext) =>
    record('connection.fetched', undefined, facts, connectionData(facts), context),
  /** Its owner has to connect again. */
  connectionExpired(facts: OfConnection & { reason: string }, context?: EventContext) {
    record('connection.expired', facts.reason, facts, connectionData(facts), context)
    const { accountId, connection, integration, reason } = facts
    if (accountId !== undefined && reason !== 'account_deactivated')
      onReconnectNeeded?.({ accountId, connection, integration, endsAt: undefined })
  },
  /** Its owner has to connect again by then. */
  connectionEnding(facts: OfConnection & { endsAt: Date }, context?: EventContext) {
    const { accountId, connection, integration, endsAt } = facts
    const data = { ...connectionData(facts), endsAt: endsAt.toISOString() }
    record('connection.ending', undefined, facts, data, context)
    if (accountId !== undefined) onReconnectNeeded?.({ accountId, connection, integration, endsAt })
  },
  connectionFailing: (facts: OfConnection & { reason: string }, context?: EventContext) =>
    record('connection.failing', facts.reason, facts, connectionData(facts), context),
  connectionRecovered: (facts: OfConnection, context?: EventContext) =>
    record('connection.recovered', undefined, facts, connectionData(facts), context),
  /** The provider took scopes away. */
  connectionNarrowed: (
    facts: OfConnection & { scopes: readonly string[] },
    context?: EventContext,
  ) =>
    record(
      'connection.narrowed',
      undefined,
      facts,
      { ...connectionData(facts), scopes: facts.scopes },
      context,
    ),
  connectionDisabled: (facts: OfConnection, context?: EventContext) =>
    record('connection.disabled', undefined, facts, connectionData(facts), context),
  connectionEnabled: (facts: OfConnection, context?: EventContext) =>
    record('connection.enabled', undefined, facts, connectionData(facts), context),
  connectionDeleted: (facts: OfConnection, context?: EventContext) =>
    record('connection.deleted', undefined, facts, connectionData(facts), context),
  connectionsReencrypted: (facts: { count: number }, context?: EventContext) =>
    record('connections.reencrypted', undefined, {}, { count: facts.count }, context),
  /** The provider refuses our client. */
  integrationMisconfigured: (
    facts: { integration: string; reason: string },
    context?: EventContext,
  ) =>
    record(
      'integration.misconfigured',
      facts.reason,
      {},
      { integration: facts.integration },
      context,
    ),
  integrationRecovered: (facts: { integration: string }, context?: EventContext) =>
    record('integration.recovered', undefined, {}, { integration: facts.integration }, context),
})

/** Connections to other systems. */
const connectionEvents = (record: RecordEvent) => ({
  providerSaved: (facts: { provider: string }, context?: EventContext) =>
    record('provider.saved', undefined, {}, { provider: facts.provider }, context),
  providerRemoved: (facts: { provider: string }, context?: EventContext) =>
    record('provider.removed', undefined, {}, { provider: facts.provider }, context),
  /** A secret by which a provider signs its calls was added or removed. */
  webhookChanged: (
    facts: { integration: string; secretId: string; change: 'added' | 'removed' },
    context?: EventContext,
  ) => record('webhook.changed', undefined, {}, facts, context),
  integrationCreated: (facts: { integration: string; provider: string }, context?: EventContext) =>
    record(
      'integration.created',
      undefined,
      {},
      { integration: facts.integration, provider: facts.provider },
      context,
    ),
  integrationChanged: (facts: { integration: string; diff: Data }, context?: EventContext) =>
    record(
      'integration.changed',
      undefined,
      {},
      { integration: facts.integration, diff: facts.diff },
      context,
    ),
  integrationDeleted: (
    facts: { integration: string; connections: number },
    context?: EventContext,
  ) =>
    record(
      'integration.deleted',
      undefined,
      {},
      { integration: facts.integration, connections: facts.connections },
      context,
    ),
})

/** Creates the functions over their three outlets. */
export function createEvents(deps: EventsDeps) {
  const record = createRecord(deps)
  return {
    ...signInEvents(record),
    ...tokenEvents(record, deps),
    ...appEvents(record),
    ...accountEvents(record),
    ...connectionEvents(record),
    ...connectionStateEvents(record, deps),
  }
}

/** All event functions; a folder that calls some of them declares its own, smaller interface. */
export type Events = ReturnType<typeof createEvents>
