// A person with a browser who signs in and allows apps. The browser keeps its cookies and goes to
// whichever server it is sent to, as behind one load balancer.
import { randomBytes } from 'node:crypto'
import { createBrowser, type Page } from '../../test/support/browser-flow.ts'
import type { Visit } from './client.ts'
import type { Node } from './node.ts'
import { emailOf, ISSUER, PASSWORD, type Person, REDIRECT_URI, SCOPE } from './setup.ts'

const PATIENCE_MILLIS = 20_000

export interface BrowsingPerson {
  name: Person
  /** How often a page asked for the password. */
  timesSignedIn(): number
  authorize(node: Pick<Node, 'url'>, clientId: string, scope?: string): Promise<Visit>
  signIn(node: Pick<Node, 'url'>, clientId: string): Promise<Visit>
}

/** Creates a person at an address of their own. */
export function createPerson(person: Person, password = PASSWORD): BrowsingPerson {
  const octets = [...randomBytes(3)].join('.')
  const headers = { 'x-forwarded-for': `10.${octets}` }
  let browser = open()
  let timesSignedIn = 0

  function open() {
    const server = { url: '', issuer: ISSUER, headers, timeoutMillis: PATIENCE_MILLIS }
    return { server, tabs: createBrowser(server) }
  }

  async function walk(node: Pick<Node, 'url'>, clientId: string, scope = SCOPE): Promise<Page> {
    const { server, tabs } = browser
    server.url = node.url
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      scope,
      state: 'faults',
    })
    let page = await tabs.open(`${ISSUER}/oauth/authorize?${query.toString()}`)
    if (page.status === 200 && page.html.includes('/login"')) {
      timesSignedIn += 1
      page = await tabs.signIn(page, emailOf(person), password)
    }
    if (page.status === 200 && page.html.includes('/approve"')) page = await tabs.approve(page)
    return page
  }

  return {
    name: person,
    timesSignedIn: () => timesSignedIn,
    async authorize(node, clientId, scope) {
      const page = await walk(node, clientId, scope)
      const code = page.status === 0 ? new URL(page.url).searchParams.get('code') : null
      return { ...visitOf(page), ...(code !== null && { code }) }
    },
    async signIn(node, clientId) {
      browser = open()
      return visitOf(await walk(node, clientId))
    },
  }
}

const visitOf = ({ status, html, headers }: Page): Visit => ({
  status,
  html,
  retryAfter: headers.has('retry-after'),
})
