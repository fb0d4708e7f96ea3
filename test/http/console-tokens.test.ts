// Looking up, revoking and reporting tokens in the console. What was pasted is in no address, log,
// event or answer.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const PATH = '/admin/tokens'
let server: TestApp
let browser: Browser

const wordsOf = (html: string): string => html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')

/** Sends the form with what was pasted, as that button does, and says yes where it asks. */
async function paste(token: string, act: string, answer: 'yes' | 'none' = 'yes') {
  const asked = await send({ token, act })
  const asks = asked.html.includes('name="confirmed"')
  return asks && answer === 'yes' ? send({ token, act, confirmed: 'yes' }) : asked
}

async function send(fields: { token: string; act: string; confirmed?: string }) {
  const { html } = await browser.open(server.issuer + PATH)
  const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const answer = await browser.request(server.issuer + PATH, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ csrf, ...fields }),
  })
  expect(answer.headers.get('location')).toBeNull()
  return { status: answer.status, html: answer.html, words: wordsOf(answer.html) }
}

async function anAuthorization() {
  const client = createOAuthClient(server, await registerApp(server, { name: 'Ferry Times' }))
  return { client, tokens: await client.authorize() }
}

beforeAll(async () => {
  server = await startTestApp({
    backend: 'redis',
    overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
  })
  await createScopes(server)
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  browser = createBrowser(server)
  const page = await browser.open(`${server.issuer}/sign-in?to=%2Fadmin`)
  await browser.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

describe('the page of tokens', () => {
  it('says what a token is, whose, and whether it works, and never shows it again', async () => {
    const { tokens } = await anAuthorization()
    const { status, html, words } = await paste(` ${tokens.access}\n`, 'inspect')
    expect(status).toBe(200)
    expect(words).toContain('Access token')
    expect(words).toContain('Works')
    expect(words).toContain('Ferry Times')
    expect(html).not.toContain(tokens.access)
    expect(server.log.join('\n')).not.toContain(tokens.access)
  })

  it.each(['revoke', 'report'])('asks before it does %s, and says what it is', async (act) => {
    const { tokens } = await anAuthorization()
    const { status, words, html } = await paste(tokens.access, act, 'none')
    expect(status).toBe(200)
    expect(words).toMatch(/Revoke this token\?|Report this token as leaked\?/)
    expect(words).toContain('Ferry Times')
    // It goes back to its sender in the form alone.
    expect(html.split(tokens.access)).toHaveLength(2)
    expect((await paste(tokens.access, 'inspect')).words).toContain('Works')
  })

  it('revokes an access token alone, and a whole authorization', async () => {
    const { tokens } = await anAuthorization()
    expect((await paste(tokens.access, 'revoke')).words).toContain('Access token revoked')
    expect((await paste(tokens.access, 'inspect')).words).toContain('Does not work')
    expect((await paste(tokens.refresh, 'revoke')).words).toContain(
      'Authorization revoked with all',
    )
    expect((await paste(tokens.refresh, 'revoke')).words).toContain('Nothing was revoked')
  })

  it('ends every token of a leak and shows whom it affects', async () => {
    const [one, two] = [await anAuthorization(), await anAuthorization()]
    const text = `found in a log: ${one.tokens.access}, and ${two.tokens.refresh}\n`
    const { html, words } = await paste(text, 'report')
    expect(words.match(/Revoked/g)).toHaveLength(2)
    expect(words.match(/Ferry Times/g)).toHaveLength(2)
    for (const { tokens } of [one, two])
      for (const token of [tokens.access, tokens.refresh]) {
        expect((await paste(token, 'inspect')).words).toContain('Does not work')
        expect(html).not.toContain(token)
      }
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ name: 'leak.reported' })
    expect(events).toHaveLength(2)
    expect(JSON.stringify(events)).not.toContain(two.tokens.refresh)
  })

  it('keeps what was typed where nothing can be done with it', async () => {
    expect((await paste('', 'inspect')).status).toBe(422)
    expect((await paste('nonsense', 'revoke')).words).toContain('not a token or authorization')
    expect((await paste('otesse_at_damaged', 'inspect')).words).toContain('Damaged')
  })
})
