// The one way to the servers under test: every request is recorded before it is sent and its answer
// before it is used. Whatever fails on the
// way is an outcome and no exception.
import { type Findings } from './findings.ts'
import { findLeak } from './leaks.ts'
import type { Node } from './node.ts'
import type { createPerson } from './person.ts'
import type { Action, Answered, Asked, Outcome, Recorder } from './recorder.ts'
import { type AppName, type Apps, REDIRECT_URI, SCOPE } from './setup.ts'

const PATIENCE_MILLIS = 10_000

export interface Reply extends Answered {
  body?: Record<string, unknown>
}

export interface Client {
  exchange(node: Node, app: AppName, code: string): Promise<Reply>
  refresh(node: Node, app: AppName, token: string): Promise<Reply>
  revoke(node: Node, app: AppName, token: string): Promise<Reply>
  introspect(node: Node, token: string, app?: AppName): Promise<Reply>
  credentials(node: Node): Promise<Reply>
  /** Lets a person approve the app; `code` is in the reply. */
  authorize(node: Node, app: AppName, person: ReturnType<typeof createPerson>): Promise<Reply>
  /** Signs in anew, with a browser that knows nothing. */
  signIn(node: Node, person: ReturnType<typeof createPerson>): Promise<Reply>
  /** From now on requests are recorded as belonging to this part of the run. */
  setPhase(phase: NonNullable<Asked['phase']>): void
}

/** Creates a client. What answers leak is a finding. */
export function createClient(apps: Apps, recorder: Recorder, findings: Findings): Client {
  let phase: NonNullable<Asked['phase']> = 'load'

  async function record(
    asked: Omit<Asked, 'phase'>,
    run: () => Promise<Omit<Reply, 'millis'>>,
  ): Promise<Reply> {
    const n = recorder.asked({ ...asked, phase })
    const startedAt = performance.now()
    let reply: Reply
    try {
      reply = { ...(await run()), millis: performance.now() - startedAt }
    } catch (error) {
      reply = { outcome: outcomeOfError(error), millis: performance.now() - startedAt }
    }
    const { body: _body, ...answer } = reply
    recorder.answered(n, answer)
    return reply
  }

  function inspect(status: number, text: string, isJson: boolean): void {
    if (status < 400) return
    const leak = findLeak(text, isJson ? 'answer' : 'page')
    findings.check('I8', leak === undefined, `a ${status} answer shows ${leak ?? ''}`)
  }

  async function post(node: Node, path: string, app: AppName, fields: Record<string, string>) {
    const { id, secret } = apps[app]
    const answer = await fetch(node.url + path, {
      method: 'POST',
      body: new URLSearchParams({ ...fields, client_id: id, client_secret: secret }),
      signal: AbortSignal.timeout(PATIENCE_MILLIS),
    })
    const text = await answer.text()
    inspect(answer.status, text, true)
    const body = parse(text)
    const error = body['error']
    return {
      outcome: outcomeOf(answer.status),
      status: answer.status,
      retryAfter: answer.headers.has('retry-after'),
      ...(typeof error === 'string' && { error }),
      ...tokensIn(body),
      body,
    }
  }

  const ask = (
    action: Action,
    node: Node,
    app: AppName,
    presented: string,
    path: string,
    fields: Record<string, string>,
  ): Promise<Reply> =>
    record({ action, node: node.index, app, presented }, () => post(node, path, app, fields))

  const visit = (action: Action, node: Node, app: AppName, work: () => Promise<Visit>) =>
    record({ action, node: node.index, app }, async () => {
      const { status, html, retryAfter, code } = await work()
      inspect(status, html, false)
      return {
        outcome: code !== undefined || action === 'sign-in' ? outcomeOf(status || 200) : 'failed',
        ...(code === undefined && action !== 'sign-in' && { outcome: outcomeOf(status || 500) }),
        status,
        retryAfter,
        ...(code !== undefined && { code }),
      }
    })

  return {
    setPhase: (next) => void (phase = next),
    exchange: (node, app, code) =>
      ask('exchange', node, app, code, '/oauth/token', {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
      }),
    refresh: (node, app, token) =>
      ask('refresh', node, app, token, '/oauth/token', {
        grant_type: 'refresh_token',
        refresh_token: token,
      }),
    revoke: (node, app, token) => ask('revoke', node, app, token, '/oauth/revoke', { token }),
    introspect: (node, token, app = 'api') =>
      ask('introspect', node, app, token, '/oauth/introspect', { token }),
    credentials: (node) =>
      ask('credentials', node, 'machine', '', '/oauth/token', {
        grant_type: 'client_credentials',
        scope: SCOPE,
      }),
    authorize: (node, app, person) =>
      visit('authorize', node, app, () => person.authorize(node, apps[app].id)),
    signIn: (node, person) =>
      visit('sign-in', node, 'steady', () => person.signIn(node, apps.steady.id)),
  }
}

/** What a browser got in the end. */
export interface Visit {
  /** 0 where it was sent to the app. */
  status: number
  html: string
  retryAfter: boolean
  code?: string
}

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return 'ok'
  if (status === 503) return 'unavailable'
  if (status === 429) return 'throttled'
  return status === 400 || status === 422 ? 'refused' : 'failed'
}

/** A connection that was never made cannot have carried the request. */
function outcomeOfError(error: unknown): Outcome {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
  return cause?.code === 'ECONNREFUSED' ? 'unsent' : 'lost'
}

function tokensIn(body: Record<string, unknown>) {
  const { access_token: access, refresh_token: refresh, active } = body
  return {
    ...(typeof access === 'string' && { access }),
    ...(typeof refresh === 'string' && { refresh }),
    ...(typeof active === 'boolean' && { active }),
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
