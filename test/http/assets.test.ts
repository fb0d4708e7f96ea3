// The style and pictures of our pages and the logos of apps: types, caching, and that no script in
// them can run.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import Koa from 'koa'
import { createAssetsRouter } from '../../src/http/assets.routes.ts'
import { noteRequest } from '../../src/http/request-context.ts'
import { compileTemplates } from '../../src/http/views.ts'

const VIEWS = join(import.meta.dirname, '../../views')
const LOGO = 'a'.repeat(64)
const FOR_EVER = 'public, max-age=31536000, immutable'
const INERT = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

const OPEN = {
  hit: () => ({ allowed: true, remaining: 1, resetSeconds: 1 }) as const,
}

const router = createAssetsRouter({
  directory: VIEWS,
  findLogo: (id) =>
    Promise.resolve(
      id === LOGO
        ? { contentType: 'image/svg+xml', bytes: new TextEncoder().encode('<svg/>') }
        : undefined,
    ),
  perAddress: OPEN,
})
const app = new Koa()
// As the error boundary would.
app.use(async (ctx, next) => {
  noteRequest(ctx.req, '127.0.0.1')
  try {
    await next()
  } catch (error) {
    ctx.status = (error as { status?: number }).status ?? 500
    ctx.body = 'refused'
  }
})
app.use(router.routes())
const handle = app.callback()
const server = createServer((request, response) => void handle(request, response))
let base = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(base + path, { headers })

/** The addresses that a page really has. */
const addresses = [
  ...compileTemplates(VIEWS)
    .render('signed-out', { page: { kind: 'signed-out' } })
    .matchAll(/"(\/assets\/[^"]+)"/g),
].map(([, address = '']) => address)

describe('assets', () => {
  it.each([...new Set(addresses)])('serves %s for ever, with its type', async (address) => {
    const answer = await get(address)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe(FOR_EVER)
    expect(answer.headers.get('content-type')).toBe(
      address.includes('.css') ? 'text/css; charset=utf-8' : 'image/svg+xml',
    )
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-security-policy')).toBe(INERT)
    expect((await answer.text()).length).toBeGreaterThan(50)
  })

  it.each(['/assets/style.css', '/assets/style.css?v=0'])(
    'lets nobody keep %s, which may be of another version',
    async (path) => {
      const answer = await get(path)
      expect(answer.headers.get('cache-control')).toBe('no-cache')
      const etag = answer.headers.get('etag') ?? ''
      expect(
        (await get(path, { 'if-none-match': etag, 'cache-control': 'max-age=0' })).status,
      ).toBe(304)
    },
  )

  it.each([
    '/assets/none.css',
    '/assets/',
    '/assets/..%2fsign-in.eta',
    '/assets/%2e%2e/sign-in.eta',
    '/assets/constructor',
    '/ASSETS/style.css',
    '/assets/style.css/',
  ])('has nothing at %s', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  it('refuses to start with a file of a type that is not served', () => {
    const directory = mkdtempSync(join(tmpdir(), 'assets-'))
    try {
      mkdirSync(join(directory, 'assets'))
      writeFileSync(join(directory, 'assets/page.html'), '<script>')
      const findLogo = () => Promise.resolve(undefined)
      expect(() => createAssetsRouter({ directory, findLogo, perAddress: OPEN })).toThrow(
        'page.html',
      )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('logos', () => {
  it('are served for ever, and cannot run anything', async () => {
    const answer = await get(`/logos/${LOGO}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('image/svg+xml')
    expect(answer.headers.get('cache-control')).toBe(FOR_EVER)
    expect(answer.headers.get('content-security-policy')).toBe(INERT)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await answer.text()).toBe('<svg/>')
  })

  it.each([`/logos/${'b'.repeat(64)}`, '/logos/', `/logos/${LOGO}/`])(
    'are nowhere else: %s',
    async (path) => {
      expect((await get(path)).status).toBe(404)
    },
  )
})
