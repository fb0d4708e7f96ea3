// Real proxies of this machine with the configurations of examples/proxies/, in front of our
// server.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillIn, launchExample, nginxRecipe, recipesIn } from './example-process.ts'
import { type Disturbable, waitUntil } from './server-process.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples/proxies/', import.meta.url))

// As many have it around their sites.
const GZIP = 'gzip on; gzip_proxied any; gzip_types *;'

const RECIPES = {
  ...recipesIn(EXAMPLES),
  nginx: nginxRecipe(GZIP, (file, env) =>
    fillIn(join(EXAMPLES, 'nginx/otesse.conf.template'), file, env),
  ),
  /** What nginx does when nobody has thought of it. */
  'nginx as it comes': nginxRecipe(GZIP, (file, { PROXY_PORT = '', AUTH_ADDRESS = '' }) =>
    writeFileSync(
      file,
      `server { listen ${PROXY_PORT}; location / { proxy_pass http://${AUTH_ADDRESS}; } }`,
    ),
  ),
}

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
  const recipe = RECIPES[proxy]
  const [host = '', authPort = ''] = authAddress.split(':')
  const env = {
    AUTH_ADDRESS: authAddress,
    AUTH_HOST: host,
    AUTH_PORT: authPort,
    PROXY_PORT: String(port),
    PROXY_HOME: join(EXAMPLES, recipe.name),
  }
  const running = await launchExample(recipe, env)
  // Traefik listens before it has applied its route.
  await waitUntil(`${proxy} to answer for the server`, async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/.well-known/openid-configuration`)
    return answer.ok
  })
  return running
}
