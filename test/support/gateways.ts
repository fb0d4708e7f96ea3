// Real gateways of this machine with the configurations of examples/gateways/, in front of a sample
// API. What a distribution puts around such a file (modules, temporary directories, users) is
// written here; the file itself is used as it is. Invariant: recorders in front of the API and the
// authorization server keep header names as they were written.
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { getBinary } from './binaries.ts'
import { fillIn, launchExample, nginxRecipe, type Recipe, recipesIn } from './example-process.ts'
import { onFreePort } from './ports.ts'
import { type Disturbable, waitUntil } from './server-process.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples/gateways/', import.meta.url))

/** What the examples want to be told: the names that their first lines explain. */
export interface GatewayFacts {
  AUTH_ADDRESS: string
  API_ADDRESS: string
  GATEWAY_ID: string
  GATEWAY_SECRET: string
  GATEWAY_CREDENTIALS: string
}

/** The authorization server behind a listener that remembers how it was asked. */
export interface Front extends AsyncDisposable {
  /** host:port */
  address: string
  /** The questions, oldest first. */
  asked: { method: string; url: string; headers: IncomingHttpHeaders }[]
}

/** The same behind TLS, for gateways that speak to nothing else. */
export interface TlsFront extends Front {
  /** The file with the certificate of its authority. */
  caFile: string
}

export interface Gateway extends Disturbable {
  url: string
}

const MODULES = '/usr/lib/apache2/modules'

function writeApache(module: 'auth_openidc' | 'oauth2') {
  return (directory: string) => {
    const modules = ['mpm_event', 'authn_core', 'authz_core', 'headers', 'proxy', 'proxy_http']
    modules.push('rewrite', 'setenvif')
    const user = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : ''
    writeFileSync(
      join(directory, 'apache2.conf'),
      [
        ...[...modules, module].map(
          (name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`,
        ),
        `ServerName localhost\n${user}PidFile ${directory}/apache2.pid`,
        `DefaultRuntimeDir ${directory}\nMutex pthread\nErrorLog /dev/stderr\nLogLevel notice`,
        'StartServers 1\nThreadsPerChild 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8',
        // As if the authority were in the system's own bundle.
        ...(module === 'auth_openidc' ? ['OIDCCABundlePath ${CA_FILE}'] : []),
        `Include ${join(EXAMPLES, `apache/mod_${module}.conf`)}\n`,
      ].join('\n'),
    )
    const binary = getBinary('apache2', 'apache2')
    return { binary, args: ['-d', directory, '-f', 'apache2.conf', '-DFOREGROUND'] }
  }
}

const { caddy, haproxy, envoy, traefik } = recipesIn(EXAMPLES)
const RECIPES = {
  nginx: nginxRecipe('', (file, env) =>
    fillIn(join(EXAMPLES, 'nginx/otesse.conf.template'), file, env),
  ),
  ...{ caddy, haproxy, envoy, traefik },
  'apache with mod_auth_openidc': {
    name: 'apache',
    prepare: writeApache('auth_openidc'),
    readyText: 'resuming normal operations',
  },
  'apache with mod_oauth2': {
    name: 'apache',
    prepare: writeApache('oauth2'),
    readyText: 'resuming normal operations',
  },
} as const satisfies Record<string, Recipe>

export type GatewayName = keyof typeof RECIPES
export const GATEWAYS = Object.keys(RECIPES) as GatewayName[]

/** Tells whether the gateway reaches the authorization server by https alone. */
export const needsTls = (gateway: GatewayName): boolean =>
  gateway === 'apache with mod_auth_openidc'

/** Starts the gateway. @throws {Error} where its Debian package is not installed */
export function startGateway(
  gateway: GatewayName,
  facts: GatewayFacts,
  tls: TlsFront,
): Promise<Gateway> {
  const recipe = RECIPES[gateway]
  return onFreePort(async (port) => {
    const env = {
      ...facts,
      AUTH_HOST: facts.AUTH_ADDRESS.split(':')[0] ?? '',
      AUTH_PORT: facts.AUTH_ADDRESS.split(':')[1] ?? '',
      API_HOST: facts.API_ADDRESS.split(':')[0] ?? '',
      API_PORT: facts.API_ADDRESS.split(':')[1] ?? '',
      GATEWAY_PORT: String(port),
      GATEWAY_HOME: join(EXAMPLES, recipe.name),
      CA_FILE: tls.caFile,
    }
    const running = await launchExample(recipe, env)
    const url = `http://127.0.0.1:${port}`
    // Traefik listens before it has applied its routes.
    await waitUntil(`the routes of ${gateway}`, async () => {
      const { status } = await fetch(`${url}/v1/bookings`)
      return status !== 404
    })
    return { ...running, url }
  })
}

export interface SampleApi extends AsyncDisposable {
  /** host:port */
  address: string
  /** The calls that got through, oldest first. */
  calls: {
    method: string
    url: string
    headers: IncomingHttpHeaders
    /**
     * What a CGI, WSGI, Rack or PHP application makes of the headers (RFC 3875 §4.1.18): all values
     * of a name.
     */
    variables: Record<string, string[]>
    body: string
  }[]
}

/** An answer header of this size comes from an API that is asked for `/large`. */
export const LARGE_HEADER_BYTES = 12_000
export const LARGE_BODY_BYTES = 3_000_000

// Some servers turn every character that is no letter or digit into an underscore, not the hyphen
// alone.
function variablesOf(rawHeaders: readonly string[]): Record<string, string[]> {
  const variables: Record<string, string[]> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = `HTTP_${(rawHeaders[at] ?? '').toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
    ;(variables[name] ??= []).push(rawHeaders[at + 1] ?? '')
  }
  return variables
}

/**
 * Starts an API that trusts its gateway: it answers 200 to everything and records what it received.
 */
export async function startSampleApi(): Promise<SampleApi> {
  const calls: SampleApi['calls'] = []
  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.once('end', () => {
      calls.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        variables: variablesOf(request.rawHeaders),
        body,
      })
      if (request.url?.includes('/large') === true) {
        response.setHeader('x-large', 'x'.repeat(LARGE_HEADER_BYTES))
        response.end('x'.repeat(LARGE_BODY_BYTES))
        return
      }
      response.setHeader('content-type', 'application/json').end('{"bookings":[]}')
    })
  })
  return { address: await listen(server), calls, [Symbol.asyncDispose]: () => close(server) }
}

/** Starts a front for the server at that address. */
export async function startFront(target: string): Promise<Front> {
  const asked: Front['asked'] = []
  const server = createServer(createForwarder(target, asked))
  return { address: await listen(server), asked, [Symbol.asyncDispose]: () => close(server) }
}

/**
 * Starts a TLS front for the server at that address, with a certificate of its own authority for
 * 127.0.0.1.
 */
export async function startTlsFront(target: string): Promise<TlsFront> {
  const directory = mkdtempSync(join(tmpdir(), 'otesse-test-tls-'))
  const [key, caFile] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  await promisify(execFile)(getBinary('openssl', 'openssl'), [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=otesse-test', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'],
    ...['-keyout', key, '-out', caFile],
  ])
  // Apache reads the certificate as its own user.
  chmodSync(directory, 0o755)
  const tls = { key: readFileSync(key), cert: readFileSync(caFile) }
  const asked: Front['asked'] = []
  const server = createTlsServer(tls, createForwarder(target, asked))
  return {
    address: await listen(server),
    asked,
    caFile,
    async [Symbol.asyncDispose]() {
      await close(server)
      rmSync(directory, { recursive: true })
    },
  }
}

function createForwarder(target: string, asked: Front['asked']): RequestListener {
  return (incoming, outgoing) => {
    const { method = '', headers, rawHeaders, url = '' } = incoming
    asked.push({ method, url, headers })
    const options = { method, headers: rawHeaders, agent: false, path: url }
    const sent = forward(`http://${target}`, options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    sent.once('error', () => outgoing.destroy())
    incoming.pipe(sent)
  }
}

type Listening = Pick<Server, 'listen' | 'address' | 'close' | 'closeAllConnections'>

async function listen(server: Listening): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function close(server: Listening): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
