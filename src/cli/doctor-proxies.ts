// The doctor's look at the proxy before the server, from outside: what it says of itself in
// settings, and what it does to large headers and to tags. It asks as an app does and changes
// nothing; the long answer is a refused authorization request, which is in the log of events.
import type { App } from '../model/app.ts'
import type { Config } from '../config/config.ts'
import { SECOND, systemClock } from '../shared/clock.ts'
import { compareClock } from './doctor-clock.ts'
import type { Finding } from './finding.ts'

const TIMEOUT_MILLIS = 5 * SECOND
const READ_BY_SERVER = 15_000
const EXAMPLES = 'examples/proxies/ has tested configurations'

/** An app whose redirect URI the long answer can lead to. */
export type ProbedApp = Pick<App, 'id' | 'redirectUris'>

/** Says whether the server knows of the proxy that an https issuer must have. */
export function checkTrustedProxies({ server }: Config): Finding {
  const check = 'trusted proxies'
  if (server.trustedProxies.length > 0)
    return { check, status: 'ok', sentence: `${server.trustedProxies.length} are set.` }
  return server.issuer.startsWith('https:')
    ? {
        check,
        status: 'warn',
        sentence:
          'OTESSE_ISSUER is https, so a proxy ends TLS, and OTESSE_TRUSTED_PROXIES is empty: set it to the address of that proxy, or rate limits and events see all clients as one.',
      }
    : { check, status: 'ok', sentence: 'None are set, and the issuer is http.' }
}

/**
 * Asks the public address for what proxies often spoil.
 *
 * @param app any app with a redirect URI; without one no long answer can be asked for
 */
export async function checkProxy(issuer: string, app: ProbedApp | undefined): Promise<Finding[]> {
  const findings = [await checkLargeRequest(issuer)]
  if (app !== undefined) findings.push(await checkLongAnswer(issuer, app))
  findings.push(await checkTags(issuer))
  const clock = await checkClock(issuer)
  if (clock !== undefined) findings.push(clock)
  return findings
}

const DISCOVERY = '/.well-known/openid-configuration'

async function ask(url: string, headers: Record<string, string> = {}): Promise<Response | string> {
  try {
    const answer = await fetch(url, {
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MILLIS),
    })
    await answer.arrayBuffer()
    return answer
  } catch {
    return 'no answer'
  }
}

const statusOf = (answer: Response | string): string =>
  typeof answer === 'string' ? answer : String(answer.status)

async function checkLargeRequest(issuer: string): Promise<Finding> {
  const check = 'large requests'
  const answer = await ask(`${issuer}${DISCOVERY}`, {
    'x-otesse-doctor': 'x'.repeat(READ_BY_SERVER),
  })
  return typeof answer !== 'string' && answer.ok
    ? { check, status: 'ok', sentence: 'Headers of 15 kB reach the server.' }
    : {
        check,
        status: 'warn',
        sentence: `Headers of 15 kB, which the server accepts, do not pass the proxy (${statusOf(answer)}): raise its limit for request headers (nginx: large_client_header_buffers 4 16k; HAProxy: tune.bufsize); ${EXAMPLES}.`,
      }
}

async function checkLongAnswer(issuer: string, app: ProbedApp): Promise<Finding> {
  const check = 'long answers'
  const query = new URLSearchParams({
    client_id: app.id,
    redirect_uri: app.redirectUris[0] ?? '',
    response_type: 'code',
    prompt: 'none',
    // Comes back in the redirect, written as three characters each.
    state: `otesse-doctor${'%'.repeat(1300)}`,
  })
  const answer = await ask(`${issuer}/oauth/authorize?${query.toString()}`)
  const hasPassed =
    typeof answer !== 'string' && (answer.headers.get('location') ?? '').includes('otesse-doctor')
  return hasPassed
    ? { check, status: 'ok', sentence: 'A redirect with a long state passes.' }
    : {
        check,
        status: 'warn',
        sentence: `A redirect with a long state does not pass the proxy (${statusOf(answer)}): raise its buffer for response headers (nginx: proxy_buffer_size 32k; HAProxy: tune.bufsize); ${EXAMPLES}.`,
      }
}

/** The server never compresses: whoever does makes its ETags weak. */
async function checkTags(issuer: string): Promise<Finding> {
  const check = 'etags'
  const answer = await ask(`${issuer}/admin/api/v1/openapi.json`, { 'accept-encoding': 'gzip, br' })
  const encoding = typeof answer === 'string' ? null : answer.headers.get('content-encoding')
  return encoding === null
    ? { check, status: 'ok', sentence: 'They arrive unchanged.' }
    : {
        check,
        status: 'warn',
        sentence: `The proxy compresses responses of the admin API (${encoding}), which weakens their ETags, so changes are refused with 412: turn that off for /admin/api; ${EXAMPLES}.`,
      }
}

/** Compares by the Date header, which is exact to a second. */
async function checkClock(issuer: string): Promise<Finding | undefined> {
  const sent = systemClock()
  const answer = await ask(`${issuer}${DISCOVERY}`)
  const received = systemClock()
  const date = typeof answer === 'string' ? null : answer.headers.get('date')
  const theirs = date === null ? NaN : Date.parse(date)
  if (Number.isNaN(theirs)) return undefined
  return compareClock('issuer clock', theirs, sent - SECOND, received)
}
