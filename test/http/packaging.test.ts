// What runs in production beside our code: the image and the composition on one machine. There is
// no container engine here: their files are read, and what they make Postgres and Redis do is done
// with the real programs.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { parse } from 'yaml'
import { startTestApp, type TestStores } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { startPostgres } from '../support/backends.ts'
import { getBinary } from '../support/binaries.ts'
import { runCli } from '../support/cli-process.ts'
import { SECRETS } from '../support/main-process.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { onFreePort } from '../support/ports.ts'
import { createServerDirectory, launchServer } from '../support/server-process.ts'

const HOME = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string): string => readFileSync(join(HOME, file), 'utf8')
const run = promisify(execFile)

interface Service {
  image: string
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  mem_limit?: string
  pids_limit?: number
  networks?: string[]
  command?: unknown
  entrypoint?: unknown
  healthcheck?: unknown
  environment?: Record<string, string>
}

interface Composition {
  services: Record<string, Service>
  networks: Record<string, { internal?: boolean } | null>
}

const composition = parse(read('compose.yaml'), { merge: true }) as Composition
const { services } = composition

const MEBIBYTES: Record<string, number> = { m: 1, mb: 1, g: 1024, gb: 1024 }
function mebibytes(size: string | undefined): number {
  const [, number, unit = ''] = /^(\d+)(mb?|gb?)$/.exec(size ?? '') ?? []
  return Number(number) * (MEBIBYTES[unit] ?? Number.NaN)
}

describe('the image', () => {
  const stages = read('Dockerfile').split(/^FROM /m)
  const final = stages.at(-1) ?? ''

  it('is built on the version of Node that the tests run with', () => {
    const { devDependencies } = JSON.parse(read('package.json')) as {
      devDependencies: Record<string, string>
    }
    expect(read('Dockerfile')).toContain(`ARG NODE_VERSION=${devDependencies['node'] ?? '?'}\n`)
    for (const stage of stages.slice(1))
      expect(stage).toMatch(/^node:\$\{NODE_VERSION\}-bookworm-slim(@sha256:[0-9a-f]{64})?( |\n)/)
  })

  it('gives Node the options that npm start gives it', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
    expect(final).toContain(
      `\nCMD ${JSON.stringify(scripts.start.split(' ')).replaceAll(',', ', ')}`,
    )
  })

  it('runs as a user whose number says that it is not root', () => {
    expect(final.match(/^USER .*$/gm)).toEqual(['USER 1000:1000'])
  })

  it('holds no package manager', () => {
    const removed = final.match(/^RUN rm -rf ((?:.*\\\n)*.*)$/m)?.[1]?.split(/[\s\\]+/)
    expect(removed).toEqual(
      expect.arrayContaining([
        '/usr/local/lib/node_modules',
        '/opt/yarn-*',
        ...['npm', 'npx', 'corepack', 'yarn', 'yarnpkg'].map((name) => `/usr/local/bin/${name}`),
      ]),
    )
    expect(final).not.toMatch(/\bnpm (?:ci|install|run)\b/)
  })
})

describe('the composition', () => {
  it.each(Object.keys(services))('%s has no more rights than it needs', (name) => {
    const service = services[name]
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    expect(mebibytes(service?.mem_limit)).toBeGreaterThan(0)
    expect(service?.pids_limit).toBeGreaterThan(0)
    // Ours says so in its image.
    if (service?.image !== 'otesse-auth') expect(service?.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('puts no secret on a command line, which everybody on the machine reads', () => {
    for (const { command, entrypoint, healthcheck } of Object.values(services))
      expect(JSON.stringify([command, entrypoint, healthcheck])).not.toMatch(
        /\$\{?\w*(PASSWORD|KEY)/,
      )
  })

  it('lets nobody reach the stores but the server', () => {
    expect(composition.networks['stores']).toEqual({ internal: true })
    const on = (network: string) =>
      Object.keys(services).filter((name) => services[name]?.networks?.includes(network))
    expect(on('edge')).toEqual(['server'])
    expect(on('stores').sort()).toEqual(['migrate', 'postgres', 'redis', 'server'])
  })

  it('gives Redis less memory than its container has, with room for a rewrite of its file', () => {
    const [, maxmemory] = /^maxmemory (\S+)$/m.exec(read('deploy/redis.conf')) ?? []
    expect(mebibytes(maxmemory)).toBeLessThanOrEqual(0.7 * mebibytes(services['redis']?.mem_limit))
  })

  it('names every image by its whole version', () => {
    for (const { image } of Object.values(services))
      if (image !== 'otesse-auth')
        expect(image).toMatch(/^[a-z]+:\d+\.\d+(\.\d+)?-bookworm(@sha256:\w+)?$/)
  })
})

describe('the stores as the composition sets them up', () => {
  const password = 'd5ef7d1c0a5e4f31a9'

  /**
   * deploy/redis-start.sh and deploy/redis.conf as they are, with a port and a directory of the
   * test's.
   */
  async function startComposedRedis() {
    const { port, ...server } = await onFreePort(async (port) => {
      const directory = createServerDirectory('composed-redis')
      const settings = {
        OTESSE_REDIS_PASSWORD: password,
        REDIS_STATE: directory,
        REDIS_DATA: directory,
      }
      const running = await launchServer({
        binary: '/usr/bin/env',
        args: [
          ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
          `PATH=${join(getBinary('redis-server', 'redis-server'), '..')}:/usr/bin:/bin`,
          ...['sh', join(HOME, 'deploy/redis-start.sh'), '--port', String(port)],
          ...['--bind', '127.0.0.1'],
        ],
        directory,
        readyText: 'Ready to accept connections',
      })
      return { ...running, port, directory }
    })
    return { ...server, port, url: `redis://otesse:${password}@127.0.0.1:${port}` }
  }

  async function startComposedPostgres() {
    const server = await startPostgres('postgres')
    const owner = new URL(server.url)
    await run('sh', [join(HOME, 'deploy/postgres-init.sh')], {
      env: {
        PATH: process.env['PATH'],
        PGHOST: owner.hostname,
        PGPORT: owner.port,
        PGPASSWORD: owner.password,
        POSTGRES_USER: 'postgres',
        OTESSE_POSTGRES_PASSWORD: password,
      },
    })
    return {
      server,
      url: `postgres://otesse:${password}@${owner.host}/otesse`,
      ownerUrl: server.url,
    }
  }

  it('carry a server that migrates, signs in, issues, refreshes and revokes, and that doctor calls well', async () => {
    await using redis = await startComposedRedis()
    const postgres = await startComposedPostgres()
    await using _server = postgres.server
    const settings = {
      OTESSE_DATABASE_URL: postgres.url,
      OTESSE_REDIS_URL: redis.url,
      OTESSE_OPS_PORT: '0',
    }
    const migrated = await runCli(['migrate'], {
      ...settings,
      ...SECRETS,
      OTESSE_ISSUER: 'http://localhost',
    })
    expect([migrated.code, migrated.stderr]).toEqual([0, ''])

    const stores: TestStores = {
      backend: 'redis',
      settings,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    await using server = await startTestApp({ backend: 'redis', stores })
    await createScopes(server)
    const web = createOAuthClient(server, await registerApp(server))
    const tokens = await web.authorize()
    const refreshed = await web.refresh(tokens.refresh)
    expect(refreshed.status).toBe(200)
    await web.revoke(tokens.refresh)
    expect((await web.refresh(tokens.refresh)).status).toBe(400)

    const doctor = await runCli(['doctor', '--json'], {
      ...settings,
      ...SECRETS,
      OTESSE_ISSUER: server.url,
    })
    expect(doctor.stdout).not.toMatch(/"(?:failed|error)"/)
    expect(doctor.code).toBe(0)
    expect(server.log.filter((line) => /"level":"(?:error|warn)"/.test(line))).toEqual([])
  })

  it('give the server a role of Postgres that rules nothing but its own database', async () => {
    const postgres = await startComposedPostgres()
    await using _server = postgres.server
    const client = new Client({ connectionString: postgres.url })
    await client.connect()
    try {
      const { rows } = await client.query(
        `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls
         FROM pg_roles WHERE rolname = current_user`,
      )
      expect(Object.values(rows[0] as object)).toEqual([false, false, false, false, false])
      await expect(client.query(`COPY (SELECT 1) TO PROGRAM 'true'`)).rejects.toThrow(
        /permission denied|must be superuser/,
      )
      await expect(client.query('CREATE ROLE other')).rejects.toThrow(/permission denied/)
    } finally {
      await client.end()
    }
  })

  it('let nobody into Redis without the password, and the server do nothing that ends all tokens', async () => {
    await using redis = await startComposedRedis()
    const stranger = new Redis(redis.port, '127.0.0.1', { retryStrategy: () => null }).on(
      'error',
      () => undefined,
    )
    await expect(stranger.get('x')).rejects.toThrow('NOAUTH')
    stranger.disconnect()
    const client = new Redis(redis.url)
    await expect(client.set('x', '1')).resolves.toBe('OK')
    await expect(client.flushall()).rejects.toThrow('NOPERM')
    await expect(client.config('SET', 'appendonly', 'no')).rejects.toThrow('NOPERM')
    await expect(client.keys('*')).rejects.toThrow('NOPERM')
    await expect(client.config('GET', 'maxmemory-policy')).resolves.toEqual([
      'maxmemory-policy',
      'noeviction',
    ])
    await expect(client.config('GET', 'appendfsync')).resolves.toEqual(['appendfsync', 'always'])
    await expect(client.config('GET', 'maxmemory')).resolves.toEqual([
      'maxmemory',
      String(640 * 1024 * 1024),
    ])
    client.disconnect()
    // The command line of the process, as `ps` shows it.
    const { stdout } = await run('ps', ['-eo', 'args'])
    expect(
      stdout
        .split('\n')
        .filter((line) => line.startsWith('redis-server') && line.includes(password)),
    ).toEqual([])
    expect(readFileSync(join(redis.directory, 'users.acl'), 'utf8')).not.toContain(password)
  })
})
