// Which web origins an admin may name for a public app: those of its pages, which may read answers
// of the endpoints that it calls. Invariant: what is accepted is what browsers send, letter by
// letter, and belongs to one app alone. Called by app-rules.ts.

/** One rule of the table; the first that refuses is the one that is told. */
interface OriginRule {
  readonly name: string
  readonly refuses: (origin: Candidate) => boolean
  readonly sentence: string
}

interface Candidate {
  text: string
  scheme: string
  /** What follows the two slashes. */
  rest: string
  host: string
  port: string | undefined
}

const MAX_LENGTH = 300
const ANATOMY = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s

function takeApart(text: string): Candidate {
  const [, scheme = '', rest = ''] = ANATOMY.exec(text) ?? []
  const [, host = rest, port] = AUTHORITY.exec(rest) ?? []
  return { text, scheme, rest, host, port }
}

const isWeb = ({ scheme }: Candidate): boolean => scheme === 'https' || scheme === 'http'
/** `localhost` and the names below it, which Tauri uses, and the loopback addresses. */
const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])$/
const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/
const DEFAULT_PORTS: Readonly<Record<string, string>> = { https: '443', http: '80' }
/** Pages of these send `null`, or run with the rights of the browser. */
const WITHOUT_ORIGIN =
  /^(?:javascript|vbscript|data|file|filesystem|blob|about|view-source|content|chrome|edge|resource|ws|wss|ftp)$/
const EXTENSION_HOSTS: Readonly<Record<string, RegExp>> = {
  'chrome-extension': /^[a-p]{32}$/,
  'moz-extension': /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
}

/** The rules in the order in which they are asked; each may rely on those before it. */
export const ORIGIN_RULES: readonly OriginRule[] = [
  {
    name: 'origin-length',
    refuses: ({ text }) => text.length > MAX_LENGTH,
    sentence: `Keep it within ${MAX_LENGTH} characters.`,
  },
  {
    name: 'origin-null',
    refuses: ({ text }) => text === 'null',
    sentence:
      'Local files and sandboxed frames of every site send null, so it would let all of them read: name the origin of your app.',
  },
  {
    name: 'origin-wildcard',
    refuses: ({ text }) => text.includes('*'),
    sentence: 'Wildcards are not offered: name each origin.',
  },
  {
    name: 'origin-form',
    refuses: ({ scheme, rest }) => scheme === '' || /^(?:$|[/?#])/.test(rest),
    sentence: 'Write the scheme, two slashes and the host, like capacitor://localhost.',
  },
  {
    name: 'origin-scheme',
    refuses: ({ scheme }) => WITHOUT_ORIGIN.test(scheme.toLowerCase()),
    sentence: 'Pages of this scheme have no origin that belongs to one app.',
  },
  {
    name: 'origin-path',
    refuses: ({ rest }) => /[/?#\\]/.test(rest),
    sentence: 'An origin ends with the host or the port: remove the slash and what follows.',
  },
  {
    name: 'origin-user-info',
    refuses: ({ rest }) => rest.includes('@'),
    sentence: 'It has a user name before an @: remove it.',
  },
  {
    name: 'origin-upper-case',
    refuses: ({ text }) => text !== text.toLowerCase(),
    sentence: 'Browsers send it in lower case: write it so.',
  },
  {
    name: 'origin-port',
    refuses: ({ port }) =>
      port !== undefined && (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65535),
    sentence: 'The port must be a number from 1 to 65535 without leading zeros.',
  },
  {
    name: 'origin-default-port',
    refuses: ({ scheme, port }) => port !== undefined && DEFAULT_PORTS[scheme] === port,
    sentence: 'Browsers leave out the port that is usual for the scheme: remove it.',
  },
  {
    name: 'origin-http',
    refuses: ({ scheme, host }) => scheme === 'http' && !LOOPBACK.test(host),
    sentence: 'Use https: plain http is only for pages on the same machine, like http://localhost.',
  },
  {
    name: 'origin-extension',
    refuses: ({ scheme, host }) => EXTENSION_HOSTS[scheme]?.test(host) === false,
    sentence:
      'The ID of the extension is not valid: Chrome’s has 32 letters from a to p, Firefox’s is the UUID of an installation.',
  },
  {
    // As a browser would send it: host names in punycode, addresses in their shortest form.
    name: 'origin-host',
    refuses: (origin) =>
      !HOST.test(origin.host) || (isWeb(origin) && URL.parse(origin.text)?.origin !== origin.text),
    sentence:
      'Write the host as browsers send it: letters, digits and hyphens between single dots, other alphabets in punycode (xn--…).',
  },
]

/** Returns the first rule that an origin breaks; does not throw, whatever the text. */
export function originProblem(text: string): { rule: string; sentence: string } | undefined {
  const origin = takeApart(text)
  const broken = ORIGIN_RULES.find((rule) => rule.refuses(origin))
  return broken && { rule: broken.name, sentence: broken.sentence }
}
