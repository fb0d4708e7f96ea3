// One proxied call: an app names a connection and a path, the server adds the credential and passes
// the call on, and the answer comes back as it is. Invariants: the app never sees the credential; a
// call goes to hosts and by methods of the integration only; the provider is asked a second time at
// most, with a fresh credential, and only where the body can be sent again.
import type { Readable, Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { FailedOutcome, OutgoingFailure } from '../../outgoing/failure.ts'
import type { Outgoing } from '../../outgoing/outgoing.ts'
import type {
  StreamBounds,
  StreamedAnswer,
  StreamedBody,
  StreamedOutcome,
} from '../../outgoing/streamed-request.ts'
import { MINUTE } from '../../shared/clock.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { headerOf, headersForCaller, headersForProvider } from './proxy-headers.ts'
import { proxyTarget } from './proxy-target.ts'
import { createRedaction, redactedForms, redactText } from './redaction.ts'

const MIB = 1024 * 1024
/** Bodies up to this are kept until the provider has answered, so that they can be sent again. */
export const MOST_KEPT_BYTES = MIB
export const MOST_SENT_BYTES = 10 * MIB

const BOUNDS: StreamBounds = {
  headMillis: MINUTE,
  silenceMillis: MINUTE,
  totalMillis: 10 * MINUTE,
  maxSentBytes: MOST_SENT_BYTES,
  maxAnswerBytes: 100 * MIB,
}

/** A connection that works now, with what proves it. */
export interface LiveConnection {
  /** What calls are counted with. */
  readonly integrationId: string
  /** The address below which the API is; nothing where the provider has none. */
  readonly baseUrl: string | undefined
  /** Other hosts that a call may name. */
  readonly hosts: readonly string[]
  readonly methods: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  /** Every value that must not come back. */
  readonly secrets: readonly string[]
  /**
   * Gets a fresh credential because the provider refused this one; the same where there is none.
   */
  renew(): Promise<LiveConnection>
}

/** A call as the app made it. */
export interface ProxiedCall {
  readonly method: string
  /** Path and query behind the connection, as they were written. */
  readonly rest: string
  readonly rawHeaders: readonly string[]
  readonly body: Buffer | StreamedBody | undefined
  /** The address of this connection's proxy, for redirects within the provider. */
  readonly ownAddress: string
  /** Aborted when the app has gone. */
  readonly gone: AbortSignal
}

/** The provider's answer, as the app may see it. */
export interface ProxiedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: Readable
  /** What the body passes through, in this order. */
  readonly through: readonly Transform[]
}

/**
 * Makes the call.
 *
 * @throws {AppError} `path_ambiguous`, `proxy_host_refused`, `proxy_method_refused`, and
 * `provider_…` where the provider failed; what `renew` throws
 */
export async function proxyCall(
  outgoing: Outgoing,
  connection: LiveConnection,
  call: ProxiedCall,
): Promise<ProxiedAnswer> {
  const first = answeredOf(await send(outgoing, connection, call))
  if (first.status !== 401) return answerOf(first, connection, call)
  const canRepeat = call.body === undefined || Buffer.isBuffer(call.body)
  let fresh: LiveConnection
  try {
    fresh = await connection.renew()
  } catch (error) {
    first.body.destroy()
    throw error
  }
  const isFresh = fresh.secrets.some((secret) => !connection.secrets.includes(secret))
  if (!canRepeat || !isFresh) return answerOf(first, connection, call)
  first.body.destroy()
  const second = answeredOf(await send(outgoing, fresh, call))
  // What was sent first must not come back either.
  const secrets = [...fresh.secrets, ...connection.secrets]
  return answerOf(second, { ...fresh, secrets }, call)
}

function send(
  outgoing: Outgoing,
  connection: LiveConnection,
  { method, rest, rawHeaders, body, gone }: ProxiedCall,
): Promise<StreamedOutcome> {
  if (!connection.methods.includes(method)) throw new AppError('proxy_method_refused')
  const target = proxyTarget(baseOf(connection, headerOf(rawHeaders, HOST_HEADER)), rest)
  for (const [name, value] of Object.entries(connection.query)) target.searchParams.set(name, value)
  return outgoing.stream(`proxy ${connection.integrationId}`, {
    method,
    url: target.href,
    headers: headersForProvider(rawHeaders, connection.headers),
    body,
    bounds: BOUNDS,
    signal: gone,
  })
}

/** By which a call names another host of the integration. */
const HOST_HEADER = 'x-otesse-host'

function baseOf({ baseUrl, hosts }: LiveConnection, named: string | undefined): URL {
  const base = baseUrl === undefined ? undefined : new URL(baseUrl)
  if (base !== undefined && (named === undefined || named === base.host)) return base
  if (named === undefined || !hosts.includes(named)) throw new AppError('proxy_host_refused')
  return new URL(`https://${named}/`)
}

const FAILURES: Readonly<Record<OutgoingFailure, ErrorCode>> = {
  refused: 'provider_address_refused',
  busy: 'provider_busy',
  unreachable: 'provider_unreachable',
  timed_out: 'provider_timed_out',
  sent_too_large: 'proxy_body_too_large',
  too_large: 'provider_answer_refused',
  unreadable: 'provider_answer_refused',
  given_up: 'body_incomplete',
}

function answeredOf(outcome: StreamedOutcome): StreamedAnswer {
  if (outcome.kind === 'answered') return outcome
  throw failureOf(outcome)
}

const failureOf = ({ reason, code }: FailedOutcome): AppError =>
  new AppError(FAILURES[reason], {
    ...(code !== undefined && { detail: code }),
    ...(reason === 'busy' && { retryAfterSeconds: 1 }),
  })

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
}

function answerOf(
  { status, rawHeaders, body }: StreamedAnswer,
  connection: LiveConnection,
  call: ProxiedCall,
): ProxiedAnswer {
  try {
    const forms = redactedForms(connection.secrets)
    const encoding = headerOf(rawHeaders, 'content-encoding')?.toLowerCase() ?? 'identity'
    const isBare = call.method === 'HEAD' || status === 204 || status === 304
    const decoder = isBare ? undefined : decoderOf(encoding)
    const headers = Object.fromEntries(
      Object.entries(headersForCaller(rawHeaders))
        .filter(([name]) => decoder === undefined || name !== 'content-length')
        .map(([name, values]) => [name, values.map((value) => redactText(value, forms))]),
    )
    const location = locationOf(status, rawHeaders, connection, call)
    return {
      status,
      headers: {
        ...headers,
        ...(location !== undefined && { location: redactText(location, forms) }),
        // By this an app tells the provider's answers from ours.
        'x-otesse-upstream': String(status),
        // The answer is somebody else's, below our address: no browser may run or keep it.
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; sandbox",
        'x-content-type-options': 'nosniff',
      },
      body,
      through: [
        ...(decoder === undefined ? [] : [decoder]),
        createRedaction(forms, BOUNDS.maxAnswerBytes),
      ],
    }
  } catch (error) {
    body.destroy()
    throw error
  }
}

function decoderOf(encoding: string): Transform | undefined {
  if (encoding === 'identity' || encoding === '') return undefined
  const create = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined
  if (create === undefined)
    throw new AppError('provider_answer_refused', { detail: `encoding ${encoding.slice(0, 40)}` })
  return create()
}

/**
 * Returns where a redirect leads: through the proxy where it stays below the base address, and as
 * it is elsewhere on the same host.
 *
 * @throws {AppError} `provider_answer_refused` for another host, which must not get a call that was
 * meant for this one
 */
function locationOf(
  status: number,
  rawHeaders: readonly string[],
  connection: LiveConnection,
  { rest, rawHeaders: asked, ownAddress }: ProxiedCall,
): string | undefined {
  const location = headerOf(rawHeaders, 'location')
  if (location === undefined) return undefined
  const base = baseOf(connection, headerOf(asked, HOST_HEADER))
  const target = URL.parse(location, proxyTarget(base, rest).href)
  if (target?.origin !== base.origin) {
    // With 201 and 202 it only says where something is.
    if (status < 300) return location
    throw new AppError('provider_answer_refused', { detail: 'redirect to another host' })
  }
  const prefix = base.origin + base.pathname.replace(/\/$/, '')
  const below = target.href.startsWith(`${prefix}/`) ? target.href.slice(prefix.length) : undefined
  return below === undefined ? target.href : ownAddress + below
}
