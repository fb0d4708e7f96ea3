// The one way to the servers under test: every request is recorded before it is sent and its answer
// before it is used. Whatever fails on the way is an outcome and no exception.
import { type Findings } from './findings.ts'
import { findLeak } from './leaks.ts'
import type { Node } from './node.ts'
import type { BrowsingPerson } from './person.ts'
import type { Action, Answered, Asked, Outcome, Recorder } from './recorder.ts'
import { type AppName, type Apps, FLEETING_SCOPE, REDIRECT_URI, SCOPE } from './setup.ts'

/** Longer than the slowest answer that is allowed on a busy machine. */
const PATIENCE: Patience = { millis: 20_000 }

export interface Reply extends Answered {
  body?: Record<string, unknown>
}

/** After how long a client drops its connection; 20 s when absent. */
export interface Patience {
  millis: number
}

export interface Client {
  exchange(node: Node, app: AppName, code: string, patience?: Patience): Promise<Reply>
  refresh(node: Node, app: AppName, token: string, patience?: Patience): Promise<Reply>
  revoke(node: Node, app: AppName, token: string): Promise<Reply>
  introspect(node: Node, token: string, app?: AppName): Promise<Reply>
  credentials(node: Node): Promise<Reply>
  /** Lets a person approve the app; `code` is in the reply. */
  authorize(node: Node, app: AppName, person: BrowsingPerson): Promise<Reply>
  /** Signs in anew, with a browser that knows nothing. */
  signIn(node: Node, person: BrowsingPerson): Promise<Reply>
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

  async function post(
    node: Node,
    path: string,
    app: AppName,
    fields: Record<string, string>,
    patience: Patience,
  ) {
    const { id, secret } = apps[app]
    const answer = await fetch(node.url + path, {
      method: 'POST',
      body: new URLSearchParams({ ...fields, client_id: id, client_secret: secret }),
      signal: AbortSignal.timeout(patience.millis),
    })
    const text = await answer.text()
    inspect(answer.status, text, true)
    const body = parse(text)
    const error = body['error']
    return {
      // An app that an operator has switched off is told so; another one never is.
      outcome: answer.status === 401 && app === 'fleeting' ? 'refused' : outcomeOf(answer.status),
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
    patience = PATIENCE,
  ): Promise<Reply> =>
    record({ action, node: node.index, app, presented }, () =>
      post(node, path, app, fields, patience),
    )

  const visit = (
    action: 'authorize' | 'signIn',
    node: Node,
    app: AppName,
    person: BrowsingPerson,
  ): Promise<Reply> =>
    record({ action, node: node.index, app, person: person.name }, async () => {
      const { status, html, retryAfter, code } = await person[action](
        node,
        apps[app].id,
        app === 'fleeting' ? `${SCOPE} ${FLEETING_SCOPE}` : SCOPE,
      )
      inspect(status, html, false)
      return {
        outcome: code !== undefined || action === 'signIn' ? outcomeOf(status || 200) : 'failed',
        ...(code === undefined && action !== 'signIn' && { outcome: outcomeOf(status || 500) }),
        status,
        retryAfter,
        ...(code !== undefined && { code }),
      }
    })

  return {
    setPhase: (next) => void (phase = next),
    exchange(node, app, code, patience) {
      const fields = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI }
      return ask('exchange', node, app, code, '/oauth/token', fields, patience)
    },
    refresh(node, app, token, patience) {
      const fields = { grant_type: 'refresh_token', refresh_token: token }
      return ask('refresh', node, app, token, '/oauth/token', fields, patience)
    },
    revoke: (node, app, token) => ask('revoke', node, app, token, '/oauth/revoke', { token }),
    introspect: (node, token, app = 'api') =>
      ask('introspect', node, app, token, '/oauth/introspect', { token }),
    credentials: (node) =>
      ask('credentials', node, 'machine', '', '/oauth/token', {
        grant_type: 'client_credentials',
        scope: SCOPE,
      }),
    authorize: (node, app, person) => visit('authorize', node, app, person),
    signIn: (node, person) => visit('signIn', node, 'steady', person),
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
