// Starts programs of this machine with the configurations of examples/. The files are used as they
// are; what a distribution puts around one is written by the recipe.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getBinary, getPythonPackageBinary } from './binaries.ts'
import { createServerDirectory, launchServer, type Disturbable } from './server-process.ts'

export type Env = Readonly<Record<string, string>>

export interface Recipe {
  name: string
  /** Writes what is around the example into the directory and returns the command. */
  prepare: (directory: string, env: Env) => { binary: string; args: string[] }
  readyText: string
}

/** Returns the recipes of the programs that both folders of examples have a configuration for. */
export const recipesIn = (examples: string) => ({
  caddy: {
    name: 'caddy',
    prepare: () => ({
      binary: getBinary('caddy', 'caddy'),
      args: ['run', '--adapter', 'caddyfile', '--config', join(examples, 'caddy/Caddyfile')],
    }),
    readyText: 'serving initial configuration',
  },
  haproxy: {
    name: 'haproxy',
    prepare: () => ({
      binary: getBinary('haproxy', 'haproxy'),
      args: ['-W', '-f', join(examples, 'haproxy/haproxy.cfg')],
    }),
    readyText: 'Loading success.',
  },
  traefik: {
    name: 'traefik',
    prepare: (directory: string, env: Env) => {
      const file = join(directory, 'traefik.yaml')
      fillIn(join(examples, 'traefik/traefik.yaml.template'), file, env)
      // Says when it has the routes, which come from the other file.
      appendFileSync(file, 'log:\n  level: DEBUG\n')
      return { binary: getPythonPackageBinary('traefik'), args: [`--configFile=${file}`] }
    },
    readyText: 'Configuration received',
  },
  envoy: {
    name: 'envoy',
    prepare: (directory: string, env: Env) => {
      const file = join(directory, 'envoy.yaml')
      fillIn(join(examples, 'envoy/envoy.yaml.template'), file, env)
      const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart']
      return { binary: getPythonPackageBinary('envoy'), args: [...args, '--log-level', 'info'] }
    },
    readyText: 'all dependencies initialized. starting',
  },
})

/**
 * Returns the recipe of nginx, which wants a configuration around that of a site.
 *
 * @param http what stands beside the site
 * @param writeSite writes the site into the file
 */
export const nginxRecipe = (http: string, writeSite: (file: string, env: Env) => void): Recipe => ({
  name: 'nginx',
  prepare(directory, env) {
    const site = join(directory, 'site.conf')
    writeSite(site, env)
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
  },
  readyText: 'start worker process ',
})

/** Fills a template in as envsubst does: these names and no other dollar. */
export function fillIn(template: string, file: string, env: Env): void {
  const text = readFileSync(template, 'utf8')
  writeFileSync(
    file,
    text.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => env[name] ?? ''),
  )
}

/** Starts a program in a directory of its own, which is also its home. */
export function launchExample(
  { name, prepare, readyText }: Recipe,
  example: Env,
): Promise<Disturbable> {
  const directory = createServerDirectory(name)
  // A proxy of this machine's own would stand between it and 127.0.0.1.
  const env = { ...example, HOME: directory, NO_PROXY: '*' }
  const { binary, args } = prepare(directory, env)
  const assignments = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  return launchServer({
    binary: '/usr/bin/env',
    args: [...assignments, binary, ...args],
    directory,
    readyText,
    // Its workers go with it.
    killSignal: 'SIGTERM',
  })
}
