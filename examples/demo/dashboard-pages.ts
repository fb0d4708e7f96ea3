// The pages of the demo's app. Invariant: everything from outside passes html``, which escapes it.
import type { Booking, Customer } from './bookings.ts'
import type { Connection } from './connections.ts'
import type { Step } from './dashboard-client.ts'
import type { OtherSystems } from './dashboard-others.ts'

/** What the page says about the last act. */
export interface Notice {
  kind: 'good' | 'bad' | 'plain'
  title: string
  text: string
  /** Shown as it came over the wire. */
  detail?: string
  action?: { href: string; words: string }
}

interface Common {
  notice: Notice | undefined
  steps: readonly Step[]
  login: { email: string; password: string }
}

class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Html | readonly Html[] | undefined

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

function render(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  return typeof value === 'object' ? value.map(({ text }) => text).join('') : escape(String(value))
}

/** Builds HTML; every value is escaped unless it is HTML built here. */
const html = (parts: TemplateStringsArray, ...values: readonly Value[]): Html =>
  new Html(parts.reduce((text, part, at) => text + render(values[at - 1]) + part))

const page = (title: string, body: Html, { notice, steps }: Common): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="/logo.svg" />
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        <header>
          <a class="brand" href="/"
            ><img src="/logo.svg" alt="" width="36" height="36" /> Bookings Dashboard</a
          >
          <span class="hint">a demo app by another company</span>
        </header>
        <main>${noticeBox(notice)}${body}${wire(steps)}</main>
        <footer>
          This page is a third-party app. It uses the server’s public endpoints and an everyday
          OAuth library, nothing else.
        </footer>
      </body>
    </html>`.text

function noticeBox(notice: Notice | undefined): Html | undefined {
  if (notice === undefined) return undefined
  const { kind, title, text, detail, action } = notice
  return html`<section class="notice ${kind}" role="status">
    <h2>${title}</h2>
    <p>${text}</p>
    ${detail === undefined ? undefined : html`<pre>${detail}</pre>`}
    ${
      action === undefined
        ? undefined
        : html`<p><a class="button" href="${action.href}">${action.words}</a></p>`
    }
  </section>`
}

function wire(steps: readonly Step[]): Html | undefined {
  if (steps.length === 0) return undefined
  const rows = steps.map(
    ({ request, status, remark }) =>
      html`<li>
        <code>${request}</code> <b class="${statusClass(status)}">${status ?? '→'}</b>
        <span>${remark}</span>
      </li>`,
  )
  return html`<details class="card wire" open>
    <summary>What went over the wire</summary>
    <ol>
      ${rows}
    </ol>
  </details>`
}

const statusClass = (status: number | undefined): string =>
  status === undefined ? 'away' : status < 300 ? 'good' : 'bad'

/** The page of a browser that is not connected. */
export function welcomePage(common: Common): string {
  const { email, password } = common.login
  return page(
    'Bookings Dashboard',
    html`<section class="hero">
        <h1>All your bookings, on one page</h1>
        <p class="lead">
          Connect your Otesse account, and this app shows your bookings and who made them. You read
          first what it asks for, and you can take it back at any time.
        </p>
        <p><a class="button big" href="/connect">Connect your account</a></p>
        <p class="hint">
          It is a demo: sign in as <code>${email}</code> with <code>${password}</code>
        </p>
      </section>
      <section class="three">
        <div class="card">
          <h2><span>1</span> Sign in</h2>
          <p>On the server’s own page. This app never sees your password.</p>
        </div>
        <div class="card">
          <h2><span>2</span> Allow, or not</h2>
          <p>You read in plain words what the app would like to see.</p>
        </div>
        <div class="card">
          <h2><span>3</span> Take it back</h2>
          <p>Disconnect, and the API refuses the app from that second on.</p>
        </div>
      </section>`,
    common,
  )
}

interface Connected extends Common {
  others: OtherSystems
  connection: Connection
  bookings: readonly Booking[]
  customers: readonly Customer[]
  now: number
}

/** The page of a connected browser. */
export function connectedPage(facts: Connected): string {
  const { connection, bookings, customers, others, now } = facts
  const minutes = Math.max(0, Math.round((connection.expiresAt - now) / 60_000))
  return page(
    'Your bookings · Bookings Dashboard',
    html`<section class="card">
        <h1>Your bookings <span class="pill">connected</span></h1>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>Guest</th>
                <th class="number">People</th>
                <th class="number">Price</th>
                <th><span class="hidden">Change</span></th>
              </tr>
            </thead>
            <tbody>
              ${bookings.map((booking) => bookingRow(booking, customers))}
            </tbody>
          </table>
        </div>
      </section>
      ${othersCard(others)}
      <section class="two">
        <div class="card">
          <h2>What this app may do</h2>
          <ul class="scopes">
            ${SCOPES.map(([scope, words]) => scopeLine(scope, words, connection.scopes))}
          </ul>
          <p class="hint">
            The access token <code>${connection.accessToken.slice(0, 16)}…</code> lives for
            ${minutes} more minutes.
          </p>
        </div>
        <div class="card actions">
          <h2>Try it</h2>
          <form method="get" action="/"><button>Ask the API again</button></form>
          <form method="post" action="/refresh"><button>Refresh the access token</button></form>
          <form method="post" action="/disconnect">
            <button class="danger">Disconnect</button>
          </form>
        </div>
      </section>`,
    facts,
  )
}

function othersCard({ isAllowed, noteboard, weather }: OtherSystems): Html {
  return html`<section class="card">
    <h2>Other systems, through the server</h2>
    ${
      isAllowed
        ? html`<div class="two">
            <div>${noteboardPart(noteboard)}</div>
            <div>${weatherPart(weather)}</div>
          </div>`
        : html`<p>
              The server can connect you to Noteboard and Weather Desk, and keeps their credentials.
              This app may use them once you allow it.
            </p>
            <p>
              <a class="button" href="/connect?more=connections:noteboard+connections:weather"
                >Let it use them</a
              >
            </p>`
    }
  </section>`
}

function noteboardPart(noteboard: OtherSystems['noteboard']): Html {
  if (noteboard === undefined)
    return html`<h3>Noteboard</h3>
      <p>Not connected yet.</p>
      <p><a class="button" href="/connect-system?name=noteboard">Connect Noteboard</a></p>`
  const { id, account, notes } = noteboard
  return html`<h3>Noteboard <span class="pill">${account}</span></h3>
    <ul>
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>
    <form method="post" action="/note" class="line">
      <input type="hidden" name="connection" value="${id}" />
      <label>New note <input name="text" required maxlength="200" /></label>
      <button>Write it there</button>
    </form>
    <form method="post" action="/token">
      <button class="small" name="connection" value="${id}">Fetch a token instead</button>
    </form>`
}

function weatherPart(weather: OtherSystems['weather']): Html {
  return weather === undefined
    ? html`<h3>Weather Desk</h3>
        <p>Not connected yet. It is connected by a key.</p>
        <p><a class="button" href="/connect-system?name=weather">Connect Weather Desk</a></p>`
    : html`<h3>Weather Desk</h3>
        <p>${weather.place}: ${weather.celsius} °C, ${weather.sky}</p>`
}

const SCOPES = [
  ['bookings:read', 'See bookings'],
  ['customers:read', 'See customers'],
  ['bookings:write', 'Change bookings'],
  ['connections:noteboard', 'Use your Noteboard'],
  ['connections:weather', 'Use your Weather Desk'],
] as const

const scopeLine = (scope: string, words: string, granted: readonly string[]): Html =>
  granted.includes(scope)
    ? html`<li class="yes">${words} <code>${scope}</code></li>`
    : html`<li class="no">
        ${words} <code>${scope}</code> <a href="/connect?more=${scope}">ask me</a>
      </li>`

const DATE = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
})

function bookingRow(booking: Booking, customers: readonly Customer[]): Html {
  const guest = customers.find(({ id }) => id === booking.customerId)
  const isCancelled = booking.status === 'cancelled'
  return html`<tr class="${isCancelled ? 'cancelled' : ''}">
    <td>${DATE.format(new Date(booking.startsAt))}</td>
    <td>${booking.what}</td>
    <td>${guest?.name ?? 'not allowed to see'}<br /><small>${guest?.email}</small></td>
    <td class="number">${booking.people}</td>
    <td class="number">${booking.price}</td>
    <td>
      ${
        isCancelled
          ? html`<span class="hint">cancelled</span>`
          : html`<form method="post" action="/cancel">
              <button
                class="small"
                name="id"
                value="${booking.id}"
                aria-label="Cancel ${booking.what}"
              >
                Cancel
              </button>
            </form>`
      }
    </td>
  </tr>`
}
