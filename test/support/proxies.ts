// Real proxies of this machine with the configurations of examples/proxies/, in front of our
// server. The files are used as they are; what a distribution puts around one is written here.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { getBinary, getPythonPackageBinary } from './binaries.ts'
import { createServerDirectory, launchServer, type Disturbable } from './server-process.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples/proxies/', import.meta.url))

type Env = Readonly<Record<string, string>>

/** Writes what is around an example into the directory and returns the command. */
type Prepare = (directory: string, env: Env) => { binary: string; args: string[] }

interface Recipe {
  prepare: Prepare
  readyText: string
}

/** Fills a template in as envsubst does. */
function fillIn(template: string, file: string, env: Env): void {
  const text = readFileSync(join(EXAMPLES, template), 'utf8')
  writeFileSync(
    file,
    text.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => env[name] ?? ''),
  )
}

const prepareNginx =
  (http: string, fill: (file: string, env: Env) => void): Prepare =>
  (directory, env) => {
    const site = join(directory, 'site.conf')
    fill(site, env)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${directory}/${kind};`,
    )
    const user = process.getuid?.() === 0 ? 'user root; ' : ''
    const file = join(directory, 'nginx.conf')
    writeFileSync(
      file,
      `${user}daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
       events {} http { access_log off; ${http} ${temporary.join(' ')} include ${site}; }`,
    )
    const args = ['-p', directory, '-e', 'stderr', '-c', file]
    return { binary: getBinary('nginx', 'nginx'), args }
  }

// As many have it around their sites.
const GZIP = 'gzip on; gzip_proxied any; gzip_types *;'
const NGINX_READY = 'start worker process '

const RECIPES = {
  nginx: {
    prepare: prepareNginx(GZIP, (file, env) => fillIn('nginx/otesse.conf.template', file, env)),
    readyText: NGINX_READY,
  },
  caddy: {
    prepare: () => ({
      binary: getBinary('caddy', 'caddy'),
      args: ['run', '--adapter', 'caddyfile', '--config', join(EXAMPLES, 'caddy/Caddyfile')],
    }),
    readyText: 'serving initial configuration',
  },
  haproxy: {
    prepare: () => ({
      binary: getBinary('haproxy', 'haproxy'),
      args: ['-W', '-f', join(EXAMPLES, 'haproxy/haproxy.cfg')],
    }),
    readyText: 'Loading success.',
  },
  traefik: {
    prepare: (directory: string, env: Env) => {
      const file = join(directory, 'traefik.yaml')
      fillIn('traefik/traefik.yaml.template', file, env)
      // Says when it has the route, which comes from the other file.
      writeFileSync(file, `${readFileSync(file, 'utf8')}log:\n  level: DEBUG\n`)
      return { binary: getPythonPackageBinary('traefik'), args: [`--configFile=${file}`] }
    },
    readyText: 'Configuration received',
  },
  envoy: {
    prepare: (directory: string, env: Env) => {
      const file = join(directory, 'envoy.yaml')
      fillIn('envoy/envoy.yaml.template', file, env)
      const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart']
      return { binary: getPythonPackageBinary('envoy'), args: [...args, '--log-level', 'info'] }
    },
    readyText: 'all dependencies initialized. starting',
  },
  /** What nginx does when nobody has thought of it. */
  'nginx as it comes': {
    prepare: prepareNginx(GZIP, (file, { PROXY_PORT = '', AUTH_ADDRESS = '' }) =>
      writeFileSync(
        file,
        `server { listen ${PROXY_PORT}; location / { proxy_pass http://${AUTH_ADDRESS}; } }`,
      ),
    ),
    readyText: NGINX_READY,
  },
} as const satisfies Record<string, Recipe>

export type ProxyName = keyof typeof RECIPES
export const PROXIES = ['nginx', 'caddy', 'haproxy', 'traefik', 'envoy'] as const

/**
 * Starts the proxy on that port, before the server at that address.
 *
 * @throws {Error} where its package is not installed
 */
export async function startProxy(
  proxy: ProxyName,
  port: number,
  authAddress: string,
): Promise<Disturbable> {
  const { prepare, readyText } = RECIPES[proxy]
  const name = proxy.split(' ')[0] ?? proxy
  const directory = createServerDirectory(name)
  const [host = '', authPort = ''] = authAddress.split(':')
  const env = {
    AUTH_ADDRESS: authAddress,
    AUTH_HOST: host,
    AUTH_PORT: authPort,
    PROXY_PORT: String(port),
    PROXY_HOME: join(EXAMPLES, name),
    HOME: directory,
    // A proxy of this machine's own would stand between it and 127.0.0.1.
    NO_PROXY: '*',
  }
  const { binary, args } = prepare(directory, env)
  const assignments = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  const running = await launchServer({
    binary: '/usr/bin/env',
    args: [...assignments, binary, ...args],
    directory,
    readyText,
    // Its workers go with it.
    killSignal: 'SIGTERM',
  })
  await untilItAnswers(`http://127.0.0.1:${port}`)
  return running
}

/** Traefik listens before it has applied its route. */
async function untilItAnswers(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await fetch(`${url}/.well-known/openid-configuration`)).ok) return
    await sleep(50)
  }
  throw new Error(`${url} does not answer for the server`)
}
