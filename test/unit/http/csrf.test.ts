// Forms that only our own pages can send: the token's binding, rotated keys, and what the browser
// says about the origin of the form.
import { Readable } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import type { Context } from 'koa'
import { createCsrf } from '../../../src/http/csrf.ts'
import { createServerKeys } from '../../../src/shared/crypto.ts'
import { Secret } from '../../../src/shared/secret.ts'

const keysOf = (...secrets: string[]) =>
  createServerKeys(secrets.map((secret) => new Secret(secret.padEnd(32, '.'))))
const csrf = createCsrf(keysOf('first'))
const FORM = 'application/x-www-form-urlencoded'

function aPost(body: string, headers: Record<string, string> = {}): Context {
  const all = { 'content-type': FORM, ...headers }
  const req = Object.assign(Readable.from([Buffer.from(body)]), { headers: all })
  // The two members of a context that csrf.ts touches.
  return { req, is: (type: string) => all['content-type'] === type && type } as unknown as Context
}

const withToken = (token: string): string => new URLSearchParams({ csrf: token }).toString()

describe('csrf', () => {
  it('reads a form with its token, and leaves spaces in a password alone', async () => {
    const body = `${withToken(csrf.token('interaction 1'))}&password=+a++b+&e=`
    const form = await csrf.readForm(aPost(body), 'interaction 1')
    expect(form.get('password')).toBe(' a  b ')
    expect(form.has('e')).toBe(false)
  })

  it.each([
    ['of another interaction', csrf.token('interaction 2')],
    ['of another purpose', csrf.token('sign-out 1')],
    ['of another server', createCsrf(keysOf('other')).token('interaction 1')],
    ['that was made up', 'x'.repeat(43)],
    ['that is empty', ''],
  ])('refuses a token %s', async (_name, token) => {
    const post = csrf.readForm(aPost(withToken(token)), 'interaction 1')
    await expect(post).rejects.toMatchObject({ code: 'csrf_mismatch' })
  })

  it('takes a token of a key that is being rotated out', async () => {
    const token = csrf.token('interaction 1')
    const rotated = createCsrf(keysOf('second', 'first'))
    await rotated.readForm(aPost(withToken(token)), 'interaction 1')
    expect(rotated.token('interaction 1')).not.toBe(token)
  })

  it.each(['cross-site', 'same-site', 'anything'])(
    'refuses a form that the browser calls %s, whatever its token',
    async (site) => {
      const post = aPost(withToken(csrf.token('i')), { 'sec-fetch-site': site })
      await expect(csrf.readForm(post, 'i')).rejects.toMatchObject({ code: 'csrf_mismatch' })
    },
  )

  it.each(['same-origin', 'none'])('takes a form that the browser calls %s', async (site) => {
    // Pages with Referrer-Policy no-referrer make browsers send this.
    const headers = { 'sec-fetch-site': site, origin: 'null' }
    await csrf.readForm(aPost(withToken(csrf.token('i')), headers), 'i')
  })

  it('takes forms only', async () => {
    const body = JSON.stringify({ csrf: csrf.token('i') })
    const post = csrf.readForm(aPost(body, { 'content-type': 'application/json' }), 'i')
    await expect(post).rejects.toMatchObject({ code: 'body_type_unsupported' })
  })

  it('does not wait for a body whose browser has left', async () => {
    const post = aPost('')
    post.req.destroy()
    await expect(csrf.readForm(post, 'i')).rejects.toMatchObject({ code: 'body_incomplete' })
  })
})
