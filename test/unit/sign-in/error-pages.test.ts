// What people read when something went wrong: every code has a page, and no page says more than the
// table.
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import type { Context } from 'koa'
import { createErrorPages } from '../../../src/sign-in/error-pages.ts'
import { compileTemplates, createViews } from '../../../src/http/views.ts'
import type { ErrorPage } from '../../../src/sign-in/pages.ts'
import { AppError, type ErrorCode, ERRORS } from '../../../src/shared/errors.ts'

const templates = compileTemplates(join(import.meta.dirname, '../../../views'))
const views = createViews<ErrorPage>(templates, { error: true })

function show(error: AppError, supportUrl?: string) {
  const ctx = { headers: {} as Record<string, string>, status: 0, body: '' }
  const set = (headers: Record<string, string>) => Object.assign(ctx.headers, headers)
  // The members of a context that a page needs.
  createErrorPages(views, { supportUrl })(
    Object.assign(ctx, { set }) as unknown as Context,
    error,
    'req_1',
  )
  return ctx
}

describe('error pages', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])('%s has a page', (code) => {
    const { status, body, headers } = show(new AppError(code))
    expect(status).toBe(ERRORS[code].status)
    expect(body).toContain(`<code>${code}</code></a> (${status})`)
    expect(body).toContain('req_1')
    expect(body).toContain('What you can do')
    expect(headers['Content-Security-Policy']).toContain("default-src 'none'")
    expect(headers['Cache-Control']).toBe('no-store')
  })

  it('show what the app sent, which cannot be markup, and lead to its developer’s page', () => {
    const came = 'https://eve.example/"><script>?otesse_at_' + 'a'.repeat(49)
    const { body } = show(new AppError('authorize_redirect_uri_unknown', { came }))
    expect(body).toContain(
      '<dt>Received</dt><dd><code>https://eve.example/%22&gt;&lt;script&gt;?otesse_at_[redacted]</code>',
    )
    expect(body).toContain('href="/errors/authorize_redirect_uri_unknown"')
  })

  it('say nothing of what is inside', () => {
    const cause = new Error('connect ECONNREFUSED 10.0.0.5:5432')
    const { body } = show(new AppError('server_error', { detail: 'table accounts', cause }))
    expect(body).not.toMatch(/ECONNREFUSED|10\.0\.0\.5|table accounts/)
  })

  it('say how long to wait, at least a second', () => {
    expect(show(new AppError('rate_limited', { retryAfterSeconds: 30 })).body).toContain(
      '30 seconds',
    )
    expect(show(new AppError('rate_limited', { retryAfterSeconds: 0 })).body).toContain('1 second<')
  })

  it('lead to where help is, when the operator named it', () => {
    expect(show(new AppError('not_found'), 'https://help.example/').body).toContain(
      'href="https://help.example/"',
    )
    expect(show(new AppError('not_found')).body).not.toContain('class="button')
  })
})
