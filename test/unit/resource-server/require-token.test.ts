// What an API answers to calls that are refused, the same in every framework, and which calls pass.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jest } from '@jest/globals'
import express from 'express'
import Koa from 'koa'
import {
  type AccessToken,
  requireToken,
  type Requirement,
  type TokenGuard,
  type Verification,
} from '../../../packages/resource-server/src/resource-server.ts'

const TOKEN: AccessToken = {
  subject: 'acc_1',
  clientId: 'app_1',
  scopes: new Set(['a', 'b']),
  audience: ['https://api.example.com'],
  grantId: 'g1',
  issuer: 'https://auth.example.com',
  expiresAt: 2_000_000_000,
}
const WORTH: Record<string, Verification> = {
  good: { kind: 'active', token: TOKEN },
  free: { kind: 'active', token: { ...TOKEN, audience: undefined } },
  unknown: { kind: 'unavailable', error: new Error('away') },
}
const verifier = {
  verify: (token: string) => Promise.resolve(WORTH[token] ?? ({ kind: 'inactive' } as const)),
}

interface Answer {
  status: number
  challenge: string | null
  body: unknown
  retryAfter: string | null
}
type Call = (guard: TokenGuard, headers: Record<string, string>) => Promise<Answer>

async function read(response: Response): Promise<Answer> {
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    body: await response.json(),
    retryAfter: response.headers.get('retry-after'),
  }
}

async function over(
  handler: (req: IncomingMessage, res: ServerResponse) => unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const server = createServer((req, res) => void handler(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    return await read(await fetch(`http://127.0.0.1:${port}/`, { headers }))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const CALLS: Record<string, Call> = {
  Koa(guard, headers) {
    const app = new Koa()
    app.use(guard.koa)
    app.use((ctx) => {
      ctx.body = { subject: (ctx.state['auth'] as AccessToken).subject }
    })
    return over(app.callback(), headers)
  },
  Express(guard, headers) {
    const app = express()
    app.use(guard.connect)
    app.get('/', (req, res) => {
      res.json({ subject: (req as { auth?: AccessToken }).auth?.subject })
    })
    return over(app, headers)
  },
  'node:http'(guard, headers) {
    return over(
      (req, res) =>
        guard.connect(req, res, () =>
          res.end(JSON.stringify({ subject: (req as { auth?: AccessToken }).auth?.subject })),
        ),
      headers,
    )
  },
  async 'Fastify (its hook)'(guard, headers) {
    const request: Parameters<TokenGuard['fastify']>[0] = {
      raw: { headers: Object.fromEntries(new Headers(headers)), rawHeaders: [] },
    }
    const sent = { status: 200, headers: {}, body: undefined as unknown }
    const reply = {
      code: (status: number) => Object.assign(sent, { status }),
      headers: (fields: Record<string, string>) => Object.assign(sent, { headers: fields }),
      send: (body: unknown) => Object.assign(sent, { body }),
    }
    const result = await guard.fastify(request, reply)
    if (sent.body === undefined) sent.body = { subject: request.auth?.subject }
    else expect(result).toBe(reply)
    return read(Response.json(sent.body, { status: sent.status, headers: sent.headers }))
  },
  async 'Request and Response'(guard, headers) {
    const outcome = await guard.fetch(new Request('http://api/', { headers }))
    return read(
      outcome.kind === 'refused'
        ? outcome.response
        : Response.json({ subject: outcome.auth.subject }),
    )
  },
}

const guardOf = (more: Partial<Requirement> = {}) =>
  requireToken({ verifier, scopes: ['a'], ...more })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe.each(Object.entries(CALLS))('RFC 6750 §3, %s', (_, call) => {
  it('lets a live token with the scopes through', async () => {
    expect(await call(guardOf(), bearer('good'))).toEqual({
      status: 200,
      challenge: null,
      body: { subject: 'acc_1' },
      retryAfter: null,
    })
  })

  it('asks for a token without naming an error (RFC 6750 §3.1)', async () => {
    for (const headers of [{}, { authorization: 'Basic eA==' }])
      expect(await call(guardOf(), headers)).toMatchObject({
        status: 401,
        challenge: 'Bearer realm="api", scope="a"',
        body: { error: 'unauthorized' },
      })
  })

  it('401 invalid_token for a dead one', async () => {
    const answer = await call(guardOf(), bearer('dead'))
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
    expect(answer.challenge).toBe(
      'Bearer realm="api", error="invalid_token", error_description="The access token is expired, revoked or not valid."',
    )
  })

  it('403 insufficient_scope with the scopes that it takes', async () => {
    const guard = guardOf({
      scopes: ['a', 'c'],
      resourceMetadata: 'https://api.example.com/.well-known/oauth-protected-resource',
    })
    const answer = await call(guard, bearer('good'))
    expect(answer).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
    expect(answer.challenge).toContain(', scope="a c", resource_metadata="https://api.example.com/')
  })

  it('400 for a header that is none', async () => {
    expect(await call(guardOf(), { authorization: 'Bearer a b' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })

  it('503 where the token cannot be checked: it fails closed', async () => {
    expect(await call(guardOf(), bearer('unknown'))).toMatchObject({
      status: 503,
      challenge: null,
      retryAfter: '1',
      body: { error: 'temporarily_unavailable' },
    })
  })
})

describe('requirements', () => {
  const status = async (more: Partial<Requirement>, token: string) => {
    const outcome = await guardOf(more).fetch(
      new Request('http://api/', { headers: bearer(token) }),
    )
    return outcome.kind === 'allowed' ? 200 : outcome.response.status
  }

  it('need all scopes, or any', async () => {
    expect(await status({ scopes: ['a', 'b'] }, 'good')).toBe(200)
    expect(await status({ scopes: ['a', 'c'] }, 'good')).toBe(403)
    expect(await status({ scopes: ['a', 'c'], match: 'any' }, 'good')).toBe(200)
    expect(await status({ scopes: ['c', 'd'], match: 'any' }, 'good')).toBe(403)
    expect(await status({ scopes: [] }, 'good')).toBe(200)
  })

  it('may name an audience, which the token must name as well', async () => {
    expect(await status({ audience: 'https://api.example.com' }, 'good')).toBe(200)
    expect(await status({ audience: 'https://other.example.com' }, 'good')).toBe(401)
    expect(await status({ audience: 'https://api.example.com' }, 'free')).toBe(401)
  })

  it('that cannot stand in a header are refused at the start', () => {
    expect(() => guardOf({ scopes: ['a b'] })).toThrow('scope')
    expect(() => guardOf({ realm: 'a"b' })).toThrow('realm')
  })

  it('two Authorization headers are refused', async () => {
    const raw = {
      headers: bearer('good'),
      rawHeaders: ['Authorization', 'Bearer good', 'authorization', 'Bearer bad'],
    }
    let status = 0
    const next = jest.fn()
    await guardOf().koa(
      {
        req: raw,
        state: {},
        body: undefined,
        set: () => undefined,
        get status() {
          return status
        },
        set status(value) {
          status = value
        },
      },
      () => Promise.resolve(next()),
    )
    expect(status).toBe(400)
    expect(next).not.toHaveBeenCalled()
  })
})
