// A user with a browser, by plain HTTP: cookies, redirects, pages that move on by themselves, forms
// with their hidden fields. For tests of what the pages do, not how they look.
import type { TestApp } from './app.ts'

/** What the browser shows. */
export interface Page {
  url: string
  status: number
  headers: Headers
  html: string
}

interface Cookie {
  value: string
  path: string
}

/** The server that a browser talks to, and what it sends along each time. */
export interface BrowsedServer extends Pick<TestApp, 'url' | 'issuer'> {
  headers?: Readonly<Record<string, string>>
  /** How long it waits for a page; for ever when absent. */
  timeoutMillis?: number
}

/** Creates a browser without any cookies. */
export function createBrowser(server: BrowsedServer) {
  // By name and path, as browsers keep them.
  const jar = new Map<string, Cookie>()

  function remember(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
      const name = pair.slice(0, pair.indexOf('='))
      const value = pair.slice(pair.indexOf('=') + 1)
      const attribute = (wanted: string): string | undefined =>
        attributes.find((text) => text.toLowerCase().startsWith(`${wanted}=`))?.split('=')[1]
      const path = attribute('path') ?? '/'
      const expires = attribute('expires')
      const isGone = value === '' || (expires !== undefined && Date.parse(expires) <= Date.now())
      if (isGone) jar.delete(`${name} ${path}`)
      else jar.set(`${name} ${path}`, { value, path })
    }
  }

  function cookiesFor(path: string): string {
    return (
      [...jar]
        .filter(([, cookie]) => isWithin(path, cookie.path))
        // RFC 6265 §5.4: longer paths come first.
        .sort(([, left], [, right]) => right.path.length - left.path.length)
        .map(([key, { value }]) => `${key.split(' ')[0] ?? ''}=${value}`)
        .join('; ')
    )
  }

  async function request(url: string, init: RequestInit = {}): Promise<Page> {
    const { pathname, search } = new URL(url)
    const answer = await fetch(server.url + pathname + search, {
      ...init,
      redirect: 'manual',
      ...(server.timeoutMillis !== undefined && {
        signal: AbortSignal.timeout(server.timeoutMillis),
      }),
      headers: {
        ...server.headers,
        accept: 'text/html',
        cookie: cookiesFor(pathname),
        ...(init.headers as Record<string, string> | undefined),
      },
    })
    remember(answer.headers)
    return { url, status: answer.status, headers: answer.headers, html: await answer.text() }
  }

  /**
   * Follows redirects and pages that move on by themselves, until a page waits for the user or
   * another origin is reached.
   */
  async function follow(page: Page): Promise<Page> {
    let current = page
    for (let step = 0; step < 10; step += 1) {
      const next = nextOf(current)
      if (next === undefined) return current
      const url = new URL(next, current.url)
      if (url.origin !== server.issuer)
        return { url: url.href, status: 0, headers: new Headers(), html: '' }
      current = await request(url.href)
    }
    throw new Error('the browser was sent on too often')
  }

  const open = async (url: string): Promise<Page> => follow(await request(url))

  /** Fills in a form of the page and sends it. */
  async function submit(
    page: Page,
    actionEnd: string,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<Page> {
    const { action, hidden } = formOf(page, actionEnd)
    return follow(
      await request(new URL(action, page.url).href, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'sec-fetch-site': 'same-origin',
        },
        body: new URLSearchParams({ ...hidden, ...fields }).toString(),
      }),
    )
  }

  return {
    jar,
    request,
    open,
    submit,
    signIn: (page: Page, email: string, password: string) =>
      submit(page, '/login', { email, password }),
    approve: (page: Page) => submit(page, '/approve'),
    deny: (page: Page) => submit(page, '/deny'),
  }
}

export type Browser = ReturnType<typeof createBrowser>

/**
 * Goes from the authorization request over sign-in and approval back to the app. Returns the
 * address at which the app is called.
 */
export async function approveInBrowser(
  server: Pick<TestApp, 'url' | 'issuer'>,
  authorizationUrl: string,
  person: { email: string; password: string },
  browser: Browser = createBrowser(server),
): Promise<URL> {
  let page = await browser.open(authorizationUrl)
  if (page.html.includes('/login"'))
    page = await browser.signIn(page, person.email, person.password)
  if (page.html.includes('/approve"')) page = await browser.approve(page)
  if (page.status !== 0) throw new Error(`the flow ended on a page: ${page.status} ${page.html}`)
  return new URL(page.url)
}

function isWithin(path: string, cookiePath: string): boolean {
  return (
    path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`)
  )
}

function nextOf({ status, headers }: Page): string | undefined {
  if (status >= 300 && status < 400) return headers.get('location') ?? undefined
  return /^0;\s*url=(.*)$/.exec(headers.get('refresh') ?? '')?.[1]
}

/** Finds the form whose action, or the action of one of its buttons, ends so. */
function formOf(
  { html, status }: Page,
  actionEnd: string,
): { action: string; hidden: Record<string, string> } {
  for (const [form] of html.matchAll(/<form[\s\S]*?<\/form>/g)) {
    const actions = [...form.matchAll(/(?:form)?action="([^"]*)"/g)].map(([, action]) => action)
    const action = actions.find((text) => text?.endsWith(actionEnd))
    if (action === undefined) continue
    const hidden = [...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
    return {
      action: unescape(action),
      hidden: Object.fromEntries(
        hidden.map(([, name = '', value = '']) => [name, unescape(value)]),
      ),
    }
  }
  throw new Error(`the page (${status}) has no form that goes to …${actionEnd}: ${html}`)
}

const unescape = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
