// The kinds of request that are measured, and how each is made for a target: the same paths, bodies
// and number of tokens for every server.
import { BENCH_REDIRECT_URI, BENCH_SCOPE } from './baselines/plain-provider.ts'
import type { LoadJob, RequestSource } from './load/load-job.ts'
import type { LoadProcess } from './load-process.ts'
import type { AppCredentials, AppRole, Target, TargetName } from './targets.ts'

/** In the order in which they run. */
export const SCENARIO_NAMES = [
  'client_credentials',
  'refresh',
  'refresh_rotating',
  'code_exchange',
  'introspection',
  'introspection_own',
  'verify',
] as const
export type ScenarioName = (typeof SCENARIO_NAMES)[number]

/** The ratio of requests per CPU second that this project aims for. */
export interface Goal {
  /** To baseline (a); absent where it cannot do this. */
  toPlain?: number
  /** To baseline (b). */
  toBare?: number
}

export const GOALS: Readonly<Record<ScenarioName, Goal>> = {
  client_credentials: { toPlain: 1.2 },
  refresh: { toPlain: 1.5 },
  refresh_rotating: { toPlain: 1.5 },
  code_exchange: { toPlain: 1.2 },
  introspection: { toPlain: 4, toBare: 0.5 },
  introspection_own: { toPlain: 4, toBare: 0.5 },
  verify: { toBare: 0.6 },
}

/** Returns whether a target can do the scenario: only our servers verify. */
export const canDo = (target: TargetName, scenario: ScenarioName): boolean =>
  scenario !== 'verify' || target === 'otesse' || target === 'before'

/** How long and how wide a run is. */
export interface LoadShape {
  connections: number
  seconds: number
  warmupSeconds: number
  /**
   * Codes written per measured second of code exchange. The run ends early when they are used up.
   */
  codesPerSecond: number
  redisPid: number
}

const TOKENS_PER_CONNECTION = 10

function form(credentials: AppCredentials, fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams({
    ...fields,
    client_id: credentials.clientId,
    client_secret: credentials.clientSecret,
  }).toString()
}

/** Prepares everything that a scenario needs outside the measured part and returns the job. */
export async function prepareScenario(
  name: ScenarioName,
  target: Target,
  load: LoadProcess,
  shape: LoadShape,
): Promise<LoadJob> {
  const jobFor = (path: string, source: RequestSource, expect: string): LoadJob => ({
    ...baseJob(target, shape),
    path,
    source,
    expect,
  })
  switch (name) {
    case 'client_credentials': {
      const body = form(target.credentials('machine'), {
        grant_type: 'client_credentials',
        scope: BENCH_SCOPE,
      })
      return jobFor('/oauth/token', { kind: 'cycle', bodies: [body] }, '"access_token":"')
    }
    case 'refresh': {
      const tokens = await obtainTokens('steady', shape.connections, target, load, shape)
      const bodies = tokens.map(({ refreshToken }) => refreshForm(target, 'steady', refreshToken))
      return jobFor('/oauth/token', { kind: 'cycle', bodies }, '"access_token":"')
    }
    case 'refresh_rotating': {
      const tokens = await obtainTokens('rotating', shape.connections, target, load, shape)
      const placeholder = 'PLACEHOLDER'
      const [before, after] = refreshForm(target, 'rotating', placeholder).split(placeholder)
      const firstTokens = tokens.map(({ refreshToken }) => refreshToken)
      const source: RequestSource = { kind: 'chain', firstTokens, before: before!, after: after! }
      return jobFor('/oauth/token', source, '"refresh_token":"')
    }
    case 'code_exchange': {
      const warmupCount = Math.ceil(shape.warmupSeconds * shape.codesPerSecond)
      const count = warmupCount + Math.ceil(shape.seconds * shape.codesPerSecond)
      const codes = await target.mintCodes('steady', count)
      const bodies = codes.map((code) => exchangeForm(target, 'steady', code))
      return jobFor('/oauth/token', { kind: 'once', bodies, warmupCount }, '"refresh_token":"')
    }
    case 'introspection':
    case 'introspection_own': {
      const count = shape.connections * TOKENS_PER_CONNECTION
      const tokens = await obtainTokens('steady', count, target, load, shape)
      const credentials = target.credentials(name === 'introspection' ? 'resource' : 'steady')
      const bodies = tokens.map(({ accessToken }) => form(credentials, { token: accessToken }))
      return jobFor('/oauth/introspect', { kind: 'cycle', bodies }, '"active":true')
    }
    case 'verify': {
      const count = shape.connections * TOKENS_PER_CONNECTION
      const tokens = await obtainTokens('steady', count, target, load, shape)
      const { clientId, clientSecret } = target.credentials('resource')
      const proof = Buffer.from(`${clientId}:${clientSecret}`).toString('base64')
      const bodies = tokens.map(
        ({ accessToken }) =>
          `Authorization: Bearer ${accessToken}\r\nX-Otesse-Gateway-Authorization: Basic ${proof}\r\n`,
      )
      // As Envoy asks: the answer is a 200, like those of the baselines.
      const path = `/oauth/verify/envoy/scope=${encodeURIComponent(BENCH_SCOPE)}/v1/bookings`
      return { ...jobFor(path, { kind: 'cycle', bodies }, ''), method: 'GET' }
    }
  }
}

/** Introspection of the given access tokens by a resource server. */
export function introspectionJob(
  target: Target,
  tokens: readonly string[],
  shape: LoadShape,
): LoadJob {
  const credentials = target.credentials('resource')
  const bodies = tokens.map((token) => form(credentials, { token }))
  return {
    ...baseJob(target, shape),
    path: '/oauth/introspect',
    source: { kind: 'cycle', bodies },
    expect: '"active":true',
  }
}

/** The only job that baseline (b) can do. */
export function bareJob(target: Target, shape: LoadShape): LoadJob {
  return {
    ...baseJob(target, shape),
    method: 'GET',
    path: '/',
    source: { kind: 'cycle', bodies: [''] },
    expect: '"active":true',
  }
}

function baseJob(target: Target, shape: LoadShape): Omit<LoadJob, 'path' | 'source' | 'expect'> {
  return {
    port: target.server.port,
    host: target.host,
    method: 'POST',
    connections: shape.connections,
    warmupSeconds: shape.warmupSeconds,
    seconds: shape.seconds,
    collect: false,
    serverPid: target.server.pid,
    redisPid: shape.redisPid,
  }
}

function exchangeForm(target: Target, role: AppRole, code: string): string {
  return form(target.credentials(role), {
    grant_type: 'authorization_code',
    code,
    redirect_uri: BENCH_REDIRECT_URI,
  })
}

function refreshForm(target: Target, role: AppRole, refreshToken: string): string {
  return form(target.credentials(role), {
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
  })
}

/** Exchanges fresh codes at the server itself, so that the tokens are the server's own. */
async function obtainTokens(
  role: 'steady' | 'rotating',
  count: number,
  target: Target,
  load: LoadProcess,
  shape: LoadShape,
): Promise<{ accessToken: string; refreshToken: string }[]> {
  const codes = await target.mintCodes(role, count)
  const bodies = codes.map((code) => exchangeForm(target, role, code))
  const { bodies: answers } = await load.run({
    ...baseJob(target, shape),
    path: '/oauth/token',
    source: { kind: 'once', bodies, warmupCount: 0 },
    expect: '"refresh_token":"',
    seconds: 60,
    collect: true,
  })
  return answers.map((answer) => {
    const parsed = JSON.parse(answer) as { access_token: string; refresh_token: string }
    return { accessToken: parsed.access_token, refreshToken: parsed.refresh_token }
  })
}
