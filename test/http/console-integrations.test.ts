// The forms of integrations in the console, as they are sent: each kind of a system of one's own,
// what is refused, what somebody else changed, and that no secret is in any page.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'
import { WITH_CONNECTIONS } from '../support/connections.ts'
import { type QuirkProvider, startQuirkProvider } from '../support/quirk-provider.ts'

const SECRET = 'a-secret-that-no-page-shows'
let server: TestApp
let provider: QuirkProvider
let browser: Browser
const pages: string[] = []

beforeAll(async () => {
  provider = await startQuirkProvider()
  server = await startTestApp({
    backend: 'embedded',
    overrides: { ...WITH_CONNECTIONS, OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
  })
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  browser = createBrowser(server)
  const page = await browser.open(`${server.issuer}/sign-in?to=%2Fadmin`)
  await browser.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

async function open(path: string): Promise<string> {
  const { html } = await browser.open(server.issuer + path)
  pages.push(html)
  return html
}

/** Sends the form at a path with these fields beside its hidden ones. */
async function send(path: string, fields: Record<string, string>, form?: string) {
  const html = form ?? (await open(path))
  const hidden = [...html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
  const answer = await browser.request(server.issuer + path, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({
      ...Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value])),
      ...fields,
    }),
  })
  pages.push(answer.html)
  return { status: answer.status, location: answer.headers.get('location'), text: answer.html }
}

const OWN = '/admin/add-integration/own'
const BASE = {
  name: 'Our desk',
  header: 'Authorization',
  prefix: 'Bearer',
  clientAuth: 'basic',
  scopeSeparator: 'comma',
  clientId: 'here',
  clientSecret: SECRET,
  'method:GET': 'on',
}

test('OAuth: what was typed becomes a provider and an integration', async () => {
  const sent = await send(OWN, {
    ...BASE,
    kind: 'oauth2',
    handle: 'desk',
    authorizeUrl: `${provider.origin}/plain/authorize`,
    tokenUrl: `${provider.origin}/plain/token`,
    scopes: 'read  write\r\nadmin',
    parameters: 'access_type=offline\r\nprompt=',
    baseUrl: provider.origin,
    header: 'X-Token',
    prefix: '',
    checkUrl: `${provider.origin}/plain/me`,
    accountId: 'user.id',
    'owner:account': 'on',
    'owner:company': 'on',
  })
  expect(sent).toMatchObject({ status: 303 })
  expect(sent.location).toContain('/admin/integrations/desk?done=created')
  const { integrations, providers } = server.services.stores
  const made = await integrations.findByHandle('desk')
  expect(made).toMatchObject({
    scopes: ['read', 'write', 'admin'],
    parameters: { access_type: 'offline', prompt: '' },
    ownerKinds: ['account', 'company'],
    proxyMethods: ['GET'],
    hasClientSecret: true,
  })
  expect((await integrations.clientSecret(made?.id ?? ''))?.reveal()).toBe(SECRET)
  expect(await providers.find('desk')).toMatchObject({
    kind: 'oauth2',
    status: 'custom',
    auth: { client_auth: 'basic', scope_separator: ',' },
    api: { header: 'X-Token', prefix: '' },
    check: { method: 'GET', url: `${provider.origin}/plain/me` },
    identity: { url: `${provider.origin}/plain/me`, id: 'user.id' },
  })
})

test('keys need no client, and client credentials no users', async () => {
  const keys = await send(OWN, {
    ...BASE,
    kind: 'keys',
    handle: 'weather',
    clientId: '',
    clientSecret: '',
    header: 'X-Key',
    prefix: '',
    'owner:account': 'on',
  })
  expect(keys.location).toContain('/admin/integrations/weather')
  expect(await server.services.stores.providers.find('weather')).toMatchObject({
    kind: 'keys',
    fields: [{ name: 'key', secret: true }],
  })
  const machine = await send(OWN, {
    ...BASE,
    kind: 'client_credentials',
    handle: 'billing',
    tokenUrl: `${provider.origin}/plain/token`,
  })
  expect(machine.location).toContain('/admin/integrations/billing')
  expect(await server.services.stores.integrations.findByHandle('billing')).toMatchObject({
    kind: 'client_credentials',
    ownerKinds: ['company'],
  })
  expect(await open('/admin/integrations/billing')).toContain('1 active')
})

test('all problems come at once, beside their fields, and what was typed stays', async () => {
  const sent = await send(OWN, {
    ...BASE,
    kind: 'oauth2',
    handle: 'Bad Handle',
    authorizeUrl: 'ftp://nowhere',
    tokenUrl: '',
    clientId: '',
    header: 'Cookie',
    proxyHosts: 'https://x',
  })
  expect(sent.status).toBe(422)
  for (const id of [
    'handle',
    'authorizeUrl',
    'tokenUrl',
    'clientId',
    'header',
    'owners',
    'proxyHosts',
  ])
    expect(sent.text).toContain(`id="f-${id}-problem"`)
  expect(sent.text).toContain('value="ftp://nowhere"')
  expect(sent.text).toContain('<strong>Enter it again</strong>')
  const taken = await send(OWN, {
    ...BASE,
    kind: 'keys',
    handle: 'slack',
    header: 'X-Key',
    'owner:account': 'on',
  })
  expect(taken).toMatchObject({ status: 422 })
  const pair = await send(OWN, { ...BASE, kind: 'oauth2', handle: 'x', parameters: 'offline' })
  expect(pair.text).toContain('id="f-parameters-problem"')
})

test('an older form does not overwrite a newer change, and an empty secret keeps the old one', async () => {
  const path = '/admin/integrations/desk/edit'
  const older = await open(path)
  const { authorizeUrl, tokenUrl } = {
    authorizeUrl: `${provider.origin}/plain/authorize`,
    tokenUrl: `${provider.origin}/plain/token`,
  }
  const fields = {
    ...BASE,
    clientSecret: '',
    authorizeUrl,
    tokenUrl,
    'owner:account': 'on',
  }
  expect((await send(path, { ...fields, name: 'First' })).location).toContain('done=saved')
  const late = await send(path, { ...fields, name: 'Second' }, older)
  expect(late.status).toBe(409)
  expect(late.text).toContain('value="Second"')
  const { integrations } = server.services.stores
  const kept = await integrations.findByHandle('desk')
  expect(kept?.name).toBe('First')
  expect((await integrations.clientSecret(kept?.id ?? ''))?.reveal()).toBe(SECRET)
  // Where one thing is refused nothing is changed, of provider and integration alike.
  const half = await send(path, { ...fields, tokenUrl: `${tokenUrl}/new`, proxyHosts: 'https://x' })
  expect(half.status).toBe(422)
  expect(await server.services.stores.providers.find('desk')).toMatchObject({
    auth: { token_url: tokenUrl },
  })
  // Once more from the page that said so: now it is meant.
  expect((await send(path, { ...fields, name: 'Second' }, late.text)).status).toBe(303)
})

test('disabled, enabled, and deleted only by its handle', async () => {
  const { integrations } = server.services.stores
  const path = '/admin/integrations/weather'
  expect((await send(`${path}/disable`, {})).location).toContain('done=disabled')
  expect((await integrations.findByHandle('weather'))?.status).toBe('disabled')
  expect((await send(`${path}/enable`, {})).location).toContain('done=enabled')
  expect((await send(`${path}/delete`, { handle: 'other' })).status).toBe(422)
  expect((await send(`${path}/delete`, { handle: 'weather' })).location).toContain('done=deleted')
  expect(await integrations.findByHandle('weather')).toBeUndefined()
})

test('no page has shown a secret', async () => {
  await open('/admin/integrations')
  await open('/admin/integrations/desk')
  await open('/admin/integrations/desk/edit')
  expect(pages.join('')).not.toContain(SECRET)
})
