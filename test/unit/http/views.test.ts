// Pages as text: hostile values in a model are escaped, everything that a user must know is there,
// no page needs script or inline style, and the policy beside them is strict. How pages look and
// behave is in test/browser.
import { mkdtempSync, rmSync, writeFileSync, cpSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { pageHeaders } from '../../../src/http/page-headers.ts'
import { type AppCard, appCard } from '../../../src/apps/app-card.ts'
import {
  CONNECTED_APPS_PAGES,
  type ConnectedApp,
  type ConnectedAppsFolderPage,
  type ConnectedAppsPage,
  type DisconnectPage,
} from '../../../src/connected-apps/pages.ts'
import { ownPath, type SafeLink, webAddress } from '../../../src/http/safe-links.ts'
import { compileTemplates, createViews, type TemplateOptions } from '../../../src/http/views.ts'
import {
  type ConsentPage,
  type ErrorPage,
  SIGN_IN_PAGES,
  type SignInFolderPage,
  type SignInPage,
} from '../../../src/sign-in/pages.ts'

type Page = SignInFolderPage | ConnectedAppsFolderPage

const viewsDirectory = join(import.meta.dirname, '../../../views')
const viewsOf = (directory: string, options?: TemplateOptions) =>
  createViews<Page>(compileTemplates(directory, options), {
    ...SIGN_IN_PAGES,
    ...CONNECTED_APPS_PAGES,
  })
const views = viewsOf(viewsDirectory)

const anApp = (over: Partial<Parameters<typeof appCard>[0]> = {}): AppCard =>
  appCard({
    name: 'Studio Planner',
    description: 'Keeps bookings in step.',
    logoId: '1',
    homepageUrl: 'https://planner.example/',
    privacyUrl: 'https://planner.example/privacy',
    termsUrl: 'https://planner.example/terms',
    ...over,
  })

const bareApp: AppCard = {
  name: 'Studio Planner',
  description: undefined,
  logoUrl: undefined,
  homepage: undefined,
  privacyUrl: undefined,
  termsUrl: undefined,
}

const aSignIn = (over: Partial<SignInPage> = {}): SignInPage => ({
  kind: 'sign-in',
  app: anApp(),
  action: '/sign-in/1',
  csrf: 'token-of-form',
  email: '',
  problem: undefined,
  cancelAction: '/sign-in/1/cancel',
  reauthenticate: false,
  switchAction: undefined,
  ...over,
})

const aConsent = (over: Partial<ConsentPage> = {}): ConsentPage => ({
  kind: 'consent',
  app: anApp(),
  account: { email: 'maria@example.com', name: 'Maria Lindqvist' },
  approveAction: '/consent/1/approve',
  denyAction: '/consent/1/deny',
  switchAction: '/consent/1/switch',
  csrf: 'token-of-form',
  newPermissions: [
    {
      title: 'Customers',
      permissions: [
        { sentence: 'See your customers', sensitive: true, scope: 'customers:read' },
        { sentence: 'Add customers', sensitive: false, scope: 'customers:write' },
      ],
    },
  ],
  heldPermissions: [],
  recipient: { host: 'app.planner.example', loopback: false, scheme: undefined },
  signsIn: false,
  ...over,
})

const identity = {
  title: 'Your identity',
  permissions: [{ sentence: 'Know which account is yours', sensitive: false, scope: 'openid' }],
}

const anError = (over: Partial<ErrorPage> = {}): ErrorPage => ({
  kind: 'error',
  status: 400,
  title: 'This link is no longer good',
  what: 'It was already used.',
  next: 'Start again in the app.',
  app: undefined,
  code: 'interaction_expired',
  guideUrl: '/errors/interaction_expired',
  came: undefined,
  requestId: 'req-1',
  retryAfterSeconds: undefined,
  homeUrl: undefined,
  ...over,
})

const aConnection = (over: Partial<ConnectedApp> = {}): ConnectedApp => ({
  app: anApp(),
  status: 'active',
  since: new Date('2026-03-14T23:30:00Z'),
  lastUsedAt: undefined,
  permissions: aConsent().newPermissions,
  connections: 1,
  disconnectUrl: '/connected-apps/app_1/disconnect',
  ...over,
})

const aList = (over: Partial<ConnectedAppsPage> = {}): ConnectedAppsPage => ({
  kind: 'connected-apps',
  account: { email: 'maria@example.com', name: 'Maria Lindqvist' },
  apps: [aConnection(), aConnection({ app: bareApp, connections: 0 })],
  isCut: false,
  disconnected: undefined,
  connectionsUrl: undefined,
  ...over,
})

const aDisconnect = (over: Partial<DisconnectPage> = {}): DisconnectPage => ({
  kind: 'disconnect',
  account: { email: 'maria@example.com', name: 'Maria Lindqvist' },
  app: anApp(),
  connections: 2,
  action: '/connected-apps/app_1/disconnect',
  csrf: 'token-of-form',
  ...over,
})

const NEXT = webAddress('https://auth.example/next')!

const everyPage: [string, Page][] = [
  ['sign-in', aSignIn()],
  ['sign-in, least', aSignIn({ app: undefined, cancelAction: undefined })],
  ['sign-in, bare app, problem', aSignIn({ app: bareApp, problem: 'They do not match.' })],
  ['sign-in, again', aSignIn({ reauthenticate: true, email: 'm@example.com', switchAction: '/s' })],
  ['consent', aConsent()],
  [
    'consent, least',
    aConsent({
      app: bareApp,
      account: { email: 'm@example.com', name: undefined },
      newPermissions: [identity],
      signsIn: true,
    }),
  ],
  ['consent, held', aConsent({ heldPermissions: aConsent().newPermissions })],
  ['connected apps', aList()],
  ['connected apps, none', aList({ apps: [] })],
  ['connected apps, cut, one gone', aList({ isCut: true, disconnected: 'Old Planner' })],
  [
    'connected apps, switched off',
    aList({ apps: [aConnection({ status: 'suspended' }), aConnection({ status: 'deleted' })] }),
  ],
  ['disconnect', aDisconnect()],
  ['disconnect, bare app', aDisconnect({ app: bareApp, connections: 0 })],
  ['error', anError()],
  ['error, limit', anError({ status: 429, retryAfterSeconds: 30, homeUrl: ownPath('/') })],
  ['sign-out', { kind: 'sign-out', action: '/sign-out', csrf: 't', email: 'm@example.com' }],
  ['signed-out', { kind: 'signed-out' }],
  [
    'sign-out-everywhere',
    {
      kind: 'sign-out-everywhere',
      account: { email: 'ada@example.com', name: 'Ada' },
      action: '/connected-apps/sign-out-everywhere',
      csrf: 't',
    },
  ],
  ['signed-out-everywhere', { kind: 'signed-out-everywhere', areAppsDisconnected: false }],
  [
    'signed-out-everywhere, of apps too',
    { kind: 'signed-out-everywhere', areAppsDisconnected: true },
  ],
  ['redirect', { kind: 'redirect', url: NEXT, appName: 'Studio Planner' }],
  ['redirect, ours', { kind: 'redirect', url: NEXT, appName: undefined }],
  [
    'home',
    {
      kind: 'home',
      issuer: 'https://auth.example',
      discoveryUrl: 'https://auth.example/.well-known/openid-configuration',
    },
  ],
]

const count = (html: string, pattern: RegExp): number => [...html.matchAll(pattern)].length
const textOf = (html: string): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

describe('every page', () => {
  it.each(everyPage)(
    '%s stands alone: language, title, one h1, one main, no leftovers',
    (_name, page) => {
      const html = views.render(page)
      expect(html.trimStart()).toMatch(/^<!doctype html>\s*<html lang="en">/)
      expect(html).toMatch(/<title>[^<]+ · Otesse<\/title>/)
      expect(count(html, /<h1/g)).toBe(1)
      expect(count(html, /<main/g)).toBe(1)
      expect(textOf(html)).not.toMatch(/undefined|\[object|NaN/)
      expect(html).not.toContain('="undefined"')
      expect(html).not.toContain('<%')
    },
  )

  it.each(everyPage)(
    '%s runs under the strict policy: nothing inline, own assets only',
    (_name, page) => {
      const html = views.render(page)
      const rest = html.replace(/<script src="\/assets\/[\w-]+\.js\?v=\w+" defer><\/script>/, '')
      expect(rest).not.toMatch(/<script|<style|\sstyle=|\son[a-z]+=/i)
      for (const [, source] of html.matchAll(
        /(?:src|rel="(?:stylesheet|icon)"[^>]* href)="([^"]*)"/g,
      )) {
        expect(source).toMatch(/^\/(?!\/)/)
      }
    },
  )

  it.each(everyPage)(
    '%s has unique ids, a label for each field and an id behind each reference',
    (_name, page) => {
      const html = views.render(page)
      const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
      expect(new Set(ids).size).toBe(ids.length)
      for (const [, id] of html.matchAll(/\s(?:for|aria-describedby|aria-labelledby)="([^"]+)"/g)) {
        expect(ids).toContain(id)
      }
      for (const [input] of html.matchAll(/<input(?![^>]*(?:type="hidden"|\shidden))[^>]*>/g)) {
        const id = /\sid="([^"]+)"/.exec(input)?.[1]
        expect(html).toContain(`<label for="${id ?? ''}"`)
      }
    },
  )

  it.each(everyPage)('%s sends every form by POST with the token of the form', (_name, page) => {
    const html = views.render(page)
    for (const [form] of html.matchAll(/<form[\s\S]*?<\/form>/g)) {
      expect(form).toContain('method="post"')
      expect(form).toMatch(/<input type="hidden" name="csrf" value="t[^"]*">/)
    }
  })
})

describe('hostile values', () => {
  const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`

  it('are text wherever a model has text', () => {
    const app: AppCard = anApp({ name: hostile, description: hostile })
    const permissions = [
      { title: hostile, permissions: [{ sentence: hostile, sensitive: true, scope: hostile }] },
    ]
    const pages: Page[] = [
      aSignIn({
        app,
        email: hostile,
        problem: hostile,
        action: hostile,
        csrf: hostile,
        cancelAction: hostile,
      }),
      aSignIn({ app, email: hostile, reauthenticate: true, switchAction: hostile }),
      aConsent({
        app,
        account: { email: hostile, name: hostile },
        approveAction: hostile,
        denyAction: hostile,
        switchAction: hostile,
        csrf: hostile,
        newPermissions: permissions,
        heldPermissions: permissions,
        recipient: { host: hostile, loopback: false, scheme: undefined },
      }),
      aConsent({ app, recipient: { host: '', loopback: false, scheme: hostile } }),
      anError({
        title: hostile,
        what: hostile,
        next: hostile,
        code: hostile,
        requestId: hostile,
        homeUrl: hostile as SafeLink,
      }),
      aList({
        account: { email: hostile, name: hostile },
        disconnected: hostile,
        apps: [aConnection({ app, permissions, disconnectUrl: hostile })],
      }),
      aDisconnect({
        app,
        account: { email: hostile, name: hostile },
        action: hostile,
        csrf: hostile,
      }),
      { kind: 'sign-out', action: hostile, csrf: hostile, email: hostile },
      { kind: 'home', issuer: hostile, discoveryUrl: hostile },
    ]
    for (const page of pages) {
      const html = views.render(page)
      expect(html).not.toContain('<script>')
      expect(html).not.toContain('<img src=x')
      expect(html).not.toContain(`"'`)
    }
  })

  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'JaVaScRiPt:alert(1)',
    '/relative',
    ' \tjavascript:alert(1)',
  ])('an app address like %j is not linked', (address) => {
    const app = anApp({ homepageUrl: address, privacyUrl: address, termsUrl: address })
    const pages = [
      aSignIn({ app }),
      aConsent({ app }),
      aDisconnect({ app }),
      aList({ apps: [aConnection({ app })] }),
    ]
    for (const page of pages) {
      // Those to pages of our own.
      const rest = views
        .render(page)
        .replaceAll(/<a [^>]*href="\/(account|connected-apps|sign-out)\b/g, '')
      expect(count(rest, /<a\s/g)).toBe(0)
    }
  })

  it.each([
    '//evil.example/l.png',
    '/\\evil.example/l.png',
    '/\t/evil.example',
    'https://evil.example/l.png',
    'logo.png',
  ])('a logo like %j is replaced by the initial', (logoUrl) => {
    expect(ownPath(logoUrl)).toBeUndefined()
    const html = views.render(aSignIn({ app: { ...anApp(), logoUrl: ownPath(logoUrl) } }))
    expect(html).toMatch(/<span class="tile tile-initial" aria-hidden="true">S<\/span>/)
  })

  it('a way home that is no web address and no own path is not shown', () => {
    for (const address of ['javascript:alert(1)', '//evil.example']) {
      expect([ownPath(address), webAddress(address)]).toEqual([undefined, undefined])
      expect(views.render(anError({ homeUrl: ownPath(address) }))).not.toContain('Go to')
    }
    expect(textOf(views.render(anError({ homeUrl: ownPath('/') })))).toContain(
      'Go to the start page',
    )
    expect(
      textOf(views.render(anError({ homeUrl: webAddress('https://planner.example/x') }))),
    ).toContain('Go to planner.example')
  })
})

describe('sign-in', () => {
  it('names its fields for password managers', () => {
    const html = views.render(aSignIn())
    expect(html).toMatch(/<input id="email" name="email" type="text"[^>]*autocomplete="username"/)
    expect(html).toMatch(
      /<input id="password" name="password" type="password" autocomplete="current-password"/,
    )
  })

  it('announces a problem, ties it to both fields and says so in the title', () => {
    const html = views.render(aSignIn({ problem: 'They do not match.', email: 'm@example.com' }))
    expect(html).toMatch(/role="alert"[\s\S]*id="problem"[\s\S]*They do not match\./)
    expect(count(html, /aria-describedby="problem"/g)).toBe(2)
    expect(html).toContain('<title>Problem: Sign in')
    expect(html).toContain('value="m@example.com"')
    expect(views.render(aSignIn())).not.toMatch(/role="alert"|aria-describedby/)
  })

  it('fixes the e-mail when the same person is asked again, and offers another account', () => {
    const html = views.render(
      aSignIn({ reauthenticate: true, email: 'm@example.com', switchAction: '/other' }),
    )
    expect(html).not.toContain('id="email"')
    expect(html).toMatch(/<input type="text" name="email" value="m@example.com"[^>]* hidden>/)
    expect(html).toMatch(/action="\/other"[\s\S]*Use another account/)
  })

  it('never sends the password along with a way out', () => {
    const html = views.render(
      aSignIn({ reauthenticate: true, email: 'm@example.com', switchAction: '/other' }),
    )
    const withPassword = [...html.matchAll(/<form[\s\S]*?<\/form>/g)].filter(([form]) =>
      form.includes('name="password"'),
    )
    expect(withPassword).toHaveLength(1)
    expect(withPassword[0]?.[0]).toContain('action="/sign-in/1"')
    expect(withPassword[0]?.[0]).not.toContain('formaction')
  })
})

describe('consent', () => {
  it('says who asks, as whom, for what, to where, and that it can be undone', () => {
    const newPermissions = [identity, ...aConsent().newPermissions]
    const text = textOf(views.render(aConsent({ signsIn: true, newPermissions })))
    expect(text).toContain('Studio Planner wants access to your Otesse account')
    expect(text).toContain('Maria Lindqvist')
    expect(text).toContain('maria@example.com')
    expect(text).toContain('Not you?')
    expect(text).toContain('Know which account is yours')
    expect(text).toMatch(/See your customers\s*Sensitive/)
    expect(text).not.toMatch(/Add customers\s*Sensitive/)
    expect(text).toContain('customers:read')
    expect(text).toContain('The access goes to app.planner.example')
    expect(text).toContain('disconnect this app at any time')
  })

  it('says so when the app only wants to know who the person is', () => {
    const text = textOf(views.render(aConsent({ signsIn: true, newPermissions: [identity] })))
    expect(text).toContain('Studio Planner wants to sign you in with Otesse')
    expect(text).toContain('Know which account is yours')
  })

  it('names this device for a native app', () => {
    const loopback = textOf(
      views.render(
        aConsent({ recipient: { host: '127.0.0.1:5000', loopback: true, scheme: undefined } }),
      ),
    )
    expect(loopback).toContain('an app on this device.')
    const native = textOf(
      views.render(
        aConsent({ recipient: { host: '', loopback: false, scheme: 'com.example.app:' } }),
      ),
    )
    expect(native).toContain('an app on this device (com.example.app).')
  })

  it('folds what was allowed earlier, and asks only for what is new', () => {
    const held = [
      {
        title: 'Staff',
        permissions: [{ sentence: 'See staff', sensitive: false, scope: 'staff:read' }],
      },
    ]
    const html = views.render(aConsent({ heldPermissions: held }))
    expect(textOf(html)).toContain('wants more access')
    expect(html).toMatch(/<details>[\s\S]*Already allowed[\s\S]*See staff[\s\S]*<\/details>/)
    expect(html.indexOf('See your customers')).toBeLessThan(html.indexOf('<details'))
    const nothingNew = views.render(aConsent({ heldPermissions: held, newPermissions: [] }))
    expect(nothingNew).toContain('<details open>')
    expect(nothingNew).not.toContain('id="asked"')
  })

  it('puts Allow and Deny beside each other, after everything that is to be read', () => {
    const html = views.render(aConsent({ heldPermissions: aConsent().newPermissions }))
    const form = /<form class="choice choice-in-view"[\s\S]*?<\/form>/.exec(html)?.[0] ?? ''
    expect(form).toContain('action="/consent/1/approve"')
    expect(form).toMatch(
      />Allow<\/button>\s*<button[^>]*formaction="\/consent\/1\/deny">Deny<\/button>/,
    )
    expect(html.indexOf('Already allowed')).toBeLessThan(html.indexOf('>Allow<'))
  })
})

describe('error', () => {
  it.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [89.2, '90 seconds'],
    [91, '2 minutes'],
    [3600, '60 minutes'],
    [5401, '2 hours'],
  ])('a wait of %d s reads "%s"', (retryAfterSeconds, words) => {
    expect(textOf(views.render(anError({ retryAfterSeconds })))).toContain(`Try again in ${words}.`)
  })

  it('shows what happened, what to do and the reference', () => {
    const text = textOf(views.render(anError()))
    for (const part of [
      'It was already used.',
      'Start again in the app.',
      'interaction_expired',
      '(400)',
      'req-1',
    ]) {
      expect(text).toContain(part)
    }
    expect(text).not.toContain('Try again in')
  })
})

describe('the initial of an app without a logo', () => {
  it.each([
    ['studio', 'S'],
    ['  éclair', 'É'],
    ['👩‍🚀 Space', '👩‍🚀'],
    ['', '?'],
  ])('of %j is %j', (name, initial) => {
    const html = views.render(aSignIn({ app: { ...bareApp, name } }))
    expect(html).toContain(`<span class="tile tile-initial" aria-hidden="true">${initial}</span>`)
  })
})

describe('createViews', () => {
  it('serves assets below the given path, under a name that changes with the content', () => {
    const html = viewsOf(viewsDirectory, { assetsPath: '/auth/assets' }).render({
      kind: 'signed-out',
    })
    expect(html).toMatch(/href="\/auth\/assets\/style\.css\?v=[0-9a-f]+"/)
    expect(html).toMatch(/href="\/auth\/assets\/favicon\.svg\?v=[0-9a-f]+"/)
  })

  it('refuses to start with a template that is missing or does not compile', () => {
    const directory = mkdtempSync(join(tmpdir(), 'views-'))
    try {
      cpSync(viewsDirectory, directory, { recursive: true })
      rmSync(join(directory, 'consent.eta'))
      expect(() => viewsOf(directory)).toThrow('Templates are missing: consent')
      writeFileSync(join(directory, 'consent.eta'), '<% if ( { %>')
      expect(() => viewsOf(directory)).toThrow('The template consent does not compile')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('pageHeaders', () => {
  it('forbids everything but our style, our pictures and our forms', () => {
    const headers = pageHeaders({ keepsOpener: false })
    expect(headers['Content-Security-Policy']).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    expect(headers).toMatchObject({
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    })
    expect(headers['Permissions-Policy']).toContain('camera=()')
    expect(Object.keys(headers)).not.toContain('Strict-Transport-Security')
  })

  it('keeps the tie to an app that opened us in a popup, where it is asked to', () => {
    const { 'Cross-Origin-Opener-Policy': policy } = pageHeaders({ keepsOpener: true })
    expect(policy).toBe('unsafe-none')
  })
})

describe('connected apps', () => {
  it('says of each since when, what it may do and how to disconnect it', () => {
    const html = views.render(aList())
    const text = textOf(html)
    expect(text).toContain('Studio Planner Since Mar 14, 2026')
    expect(html).toContain('<time datetime="2026-03-14">')
    expect(text).toContain('2 permissions of Studio Planner')
    expect(text).toContain('See your customers Sensitive')
    expect(text).toContain('Disconnect Studio Planner')
    expect(text).toContain('It can connect again without asking you')
    expect(html).toContain('href="/sign-out"')
  })

  it('counts connections only where there are several', () => {
    const ofCount = (connections: number) =>
      textOf(views.render(aList({ apps: [aConnection({ connections })] })))
    expect(ofCount(1)).not.toContain('active connection')
    expect(ofCount(3)).toContain('3 active connections')
  })

  it('unfolds the permissions of few and folds those of many', () => {
    const ofCount = (length: number) =>
      views.render(aList({ apps: Array.from({ length }, () => aConnection()) }))
    expect(count(ofCount(3), /<details open>/g)).toBe(3)
    expect(count(ofCount(4), /<details open>/g)).toBe(0)
  })

  it('announces what was disconnected, in the title too', () => {
    const html = views.render(aList({ disconnected: 'Old Planner' }))
    expect(html).toMatch(/role="status"[\s\S]*Old Planner[\s\S]*was disconnected/)
    expect(html).toContain('<title>Old Planner was disconnected')
    expect(views.render(aList())).not.toContain('role="status"')
  })

  it('says that not all are shown', () => {
    expect(textOf(views.render(aList({ isCut: true })))).toContain('more connections than fit')
    expect(textOf(views.render(aList()))).not.toContain('more connections than fit')
  })

  it('asks before it disconnects, and leads back', () => {
    const html = views.render(aDisconnect())
    const text = textOf(html)
    expect(text).toContain('Disconnect Studio Planner?')
    expect(text).toContain('in all 2 places where it is connected')
    expect(html).toMatch(/action="\/connected-apps\/app_1\/disconnect"/)
    expect(html).toMatch(/href="\/connected-apps">Keep it/)
  })

  it('is named on the page that promises it', () => {
    expect(views.render(aConsent())).toContain('<a href="/connected-apps"')
  })
})

it('the sign-in page says what for, where no app does', () => {
  const page = aSignIn({ app: undefined, purpose: 'see your connected apps' })
  expect(textOf(views.render(page))).toContain(
    'Use your Otesse account to see your connected apps.',
  )
})
