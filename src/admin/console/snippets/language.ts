// One language of the code for developers: its three programs as templates, and how it writes a
// text. Invariant: every value is written as a literal of its language, so that none can end its
// string. Pure.

/** What the programs of one app are filled in with; a line that names an absent one is left out. */
export interface SnippetValues {
  issuer: string
  clientId: string
  redirectUri: string
  scope: string
  audience: string | undefined
}

export interface Language {
  id: string
  name: string
  /** What it needs, in one line. */
  needs: string
  /** A literal of the language. */
  quote: (text: string) => string
  /** How a program finds the secret, which is never in the code. */
  secret: string
  /** For people: reads the address that the browser came back to. */
  codeFlow: string
  /** For a machine: a token of its own. */
  machine: string
  /** For an API: reads a token and tells what it is worth. */
  resourceServer: string
}

/** The double-quoted literal of JSON, on which JavaScript, Python, Go and Java agree. */
export const jsonQuote = (text: string): string => JSON.stringify(text)

/** The single-quoted literal of PHP and Ruby, in which nothing is replaced. */
export const singleQuote = (text: string): string =>
  `'${text.replace(/[\\']/g, (letter) => `\\${letter}`)}'`

/** A literal for POSIX shells. */
export const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** The address of the authorization endpoint with what is the same each time, for shells. */
function authorizeStart({ issuer, clientId, redirectUri, scope }: SnippetValues): string {
  const query = Object.entries({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
  }).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return `${issuer}/oauth/authorize?${query.join('&')}`
}

const PLACE = /‹(\w+)›/g

/**
 * Fills a template in.
 *
 * @param hasSecret whether the app has one; the lines about it are left out otherwise
 */
export function fillIn(
  template: string,
  { quote, secret }: Language,
  values: SnippetValues,
  hasSecret: boolean,
): string {
  const { issuer, clientId, redirectUri, scope, audience } = values
  const texts: Record<string, string | undefined> = {
    issuer: quote(issuer),
    authorizeStart: quote(authorizeStart(values)),
    authorizeUrl: quote(`${issuer}/oauth/authorize`),
    tokenUrl: quote(`${issuer}/oauth/token`),
    introspectUrl: quote(`${issuer}/oauth/introspect`),
    clientId: quote(clientId),
    redirectUri: quote(redirectUri),
    scope: quote(scope),
    audience: audience === undefined ? undefined : quote(audience),
    secret: hasSecret ? secret : undefined,
    ifSecret: hasSecret ? '' : undefined,
  }
  const lines = template.trim().split('\n')
  const kept = lines.filter((line) =>
    [...line.matchAll(PLACE)].every(([, name = '']) => texts[name] !== undefined),
  )
  return kept.map((line) => line.replace(PLACE, (_, name: string) => texts[name] ?? '')).join('\n')
}
