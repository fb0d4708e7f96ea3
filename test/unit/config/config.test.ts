import { inspect } from 'node:util'
import { ConfigError, loadConfig, type Environment } from '../../../src/config/config.ts'
import { listSettings } from '../../../src/config/settings.ts'
import { editDistance } from '../../../src/config/unknown-names.ts'

const SECRET = 'q8Zr2mW5xT1bN7vKc4Lj9Hd3Fg6Sp0Ya'
const OTHER_SECRET = 'aY0pS6gF3dH9jL4cKv7Nb1Tx5Wm2rZ8q'

const networked: Environment = {
  NODE_ENV: 'production',
  OTESSE_ISSUER: 'https://auth.example.com',
  OTESSE_DATABASE_URL: 'postgres://otesse:hunter2@db/otesse',
  OTESSE_REDIS_URL: 'redis://:hunter2@redis:6379',
  OTESSE_SECRET_KEY: SECRET,
  OTESSE_ENCRYPTION_KEY: OTHER_SECRET,
}

function problemsOf(env: Environment, readFile?: (path: string) => string): ConfigError {
  try {
    loadConfig(env, readFile)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

const errorsOf = (env: Environment): readonly string[] => problemsOf(env).errors

describe('the defaults', () => {
  it('run embedded, on this machine only, without any variable', () => {
    const config = loadConfig({})
    expect(config.stores).toEqual({ kind: 'embedded', dataDirectory: '.data' })
    expect(config.server).toMatchObject({
      issuer: 'http://localhost:3000',
      host: '127.0.0.1',
      port: 3000,
      trustedProxies: [],
    })
    expect(config.ops.port).toBe(0)
    expect(config.warnings).toEqual([])
    expect(config.secrets).toBeUndefined()
  })

  it('live as long as the contract says', () => {
    expect(loadConfig({}).tokens).toEqual({
      accessTtlSeconds: 3600,
      refreshTtlSeconds: 2_592_000,
      codeTtlSeconds: 60,
      grantMaxTtlSeconds: 31_536_000,
      refreshGraceSeconds: 30,
    })
  })

  it('follow the port in the issuer', () => {
    expect(loadConfig({ OTESSE_PORT: '4100' }).server.issuer).toBe('http://localhost:4100')
  })

  it('listen to the network when there are stores', () => {
    const config = loadConfig(networked)
    expect(config.server.host).toBe('0.0.0.0')
    expect(config.ops).toEqual({ host: '127.0.0.1', port: 9400 })
    expect(config.production).toBe(true)
  })

  it('take an empty variable for an absent one', () => {
    expect(loadConfig({ OTESSE_PORT: '', OTESSE_SUPPORT_URL: ' ' })).toEqual(loadConfig({}))
  })
})

describe('values', () => {
  it('are parsed into their types', () => {
    const config = loadConfig({
      ...networked,
      OTESSE_TRUSTED_PROXIES: '10.0.0.7, 192.168.0.0/16,fd00::/8',
      OTESSE_LIMIT_TOKEN_PER_CLIENT: '600/60',
      OTESSE_LIMIT_LOGIN_PER_ADDRESS: '0',
      OTESSE_LOG_LEVEL: 'warn',
      OTESSE_SUPPORT_URL: 'https://example.com/help',
      OTESSE_SECRET_KEY: `${SECRET}, 3dH9jL4cKv7Nb1Tx5Wm2rZ8qaY0pS6gF`,
    })
    expect(config.server.trustedProxies).toEqual(['10.0.0.7', '192.168.0.0/16', 'fd00::/8'])
    expect(config.limits.tokenPerClient).toEqual({ points: 600, seconds: 60 })
    expect(config.limits.loginPerAddress.points).toBe(0)
    expect(config.server.logLevel).toBe('warn')
    expect(config.pages.supportUrl).toBe('https://example.com/help')
    expect(config.secrets?.secretKeys.map((secret) => secret.reveal())).toEqual([
      SECRET,
      '3dH9jL4cKv7Nb1Tx5Wm2rZ8qaY0pS6gF',
    ])
    if (config.stores.kind !== 'networked') throw new Error('there are stores')
    expect(config.stores.database.url.reveal()).toBe('postgres://otesse:hunter2@db/otesse')
    expect(config.stores.redis.prefix).toBe('otesse:')
  })

  it.each([
    ['OTESSE_PORT', '65536'],
    ['OTESSE_PORT', '3e3'],
    ['OTESSE_PORT', 'tcp://10.0.0.1:3000'],
    ['OTESSE_REFRESH_GRACE_SECONDS', '121'],
    ['OTESSE_CODE_TTL_SECONDS', '601'],
    ['OTESSE_LOG_LEVEL', 'loud'],
    ['OTESSE_UNSAFE_HTTP_ISSUER', 'yes please'],
    ['OTESSE_LIMIT_TOKEN_PER_CLIENT', '600'],
    ['OTESSE_LIMIT_TOKEN_PER_CLIENT', '600/0'],
    ['OTESSE_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['OTESSE_TRUSTED_PROXIES', 'proxy.example.com'],
    ['OTESSE_TRUSTED_PROXIES', '0.0.0.0/0'],
    ['OTESSE_REDIS_PREFIX', 'otesse{1}:'],
    ['OTESSE_REDIS_URL', 'http://redis'],
    ['OTESSE_REDIS_URL', 'redis-sentinel://a:1,b:2'],
    ['OTESSE_DATABASE_URL', 'mysql://db/otesse'],
    ['OTESSE_SUPPORT_URL', 'javascript:alert(1)'],
    ['OTESSE_ISSUER', 'https://auth.example.com/path'],
    ['OTESSE_ISSUER', 'https://user@auth.example.com'],
    ['OTESSE_SECRET_KEY', `${SECRET},,${SECRET}`],
  ])('refuse %s=%s with one sentence', (name, value) => {
    const errors = errorsOf({ ...networked, [name]: value })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain(name)
  })

  it.each([
    'redis://redis',
    'rediss://user:p%40ss@redis:6380/1',
    'redis-sentinel://:pw@a:26379,b:26379/main',
    'rediss-cluster://a:1,b:2,c:3',
  ])('take %s', (url) => {
    expect(() => loadConfig({ ...networked, OTESSE_REDIS_URL: url })).not.toThrow()
  })
})

describe('problems', () => {
  it('suggest no name that only happens to be as short', () => {
    expect(problemsOf({ ...networked, OTESSE_SECRT: 'x' }).errors).toEqual([
      'OTESSE_SECRT is not a setting',
    ])
    expect(problemsOf({ ...networked, OTESSE_SECRT_KEY: 'x' }).errors).toEqual([
      'OTESSE_SECRT_KEY is not a setting: did you mean OTESSE_SECRET_KEY?',
    ])
  })

  it('are told all at once, errors and warnings apart', () => {
    const problems = problemsOf({
      ...networked,
      OTESSE_PRT: '3000',
      OTESSE_PORT: 'x',
      OTESSE_ISSUER: 'http://auth.example.com',
      OTESSE_SECRET_KEY: 'short',
      OTESSE_UNSAFE_EVICTING_REDIS: 'true',
    })
    expect(problems.errors).toEqual([
      'OTESSE_PRT is not a setting: did you mean OTESSE_PORT?',
      'OTESSE_PORT "x": write a whole number from 0 to 65535',
      expect.stringContaining('OTESSE_ISSUER begins with http://'),
      'OTESSE_SECRET_KEY has 5 characters and needs at least 32',
    ])
    expect(problems.warnings).toEqual([
      expect.stringContaining('OTESSE_UNSAFE_EVICTING_REDIS is on'),
    ])
    for (const line of [...problems.errors, ...problems.warnings])
      expect(problems.message).toContain(line)
  })

  it('name the missing half of the stores', () => {
    expect(errorsOf({ ...networked, OTESSE_REDIS_URL: undefined })).toEqual([
      'OTESSE_DATABASE_URL is set and OTESSE_REDIS_URL is not: set both to run on Postgres and Redis, or neither for the embedded mode',
    ])
    expect(errorsOf({ ...networked, OTESSE_DATABASE_URL: undefined })[0]).toMatch(
      /^OTESSE_REDIS_URL is set and OTESSE_DATABASE_URL is not/,
    )
  })

  it('are told for each missing setting of a networked server', () => {
    const { OTESSE_DATABASE_URL, OTESSE_REDIS_URL } = networked
    expect(errorsOf({ OTESSE_DATABASE_URL, OTESSE_REDIS_URL })).toEqual([
      expect.stringContaining('OTESSE_ISSUER is missing'),
      expect.stringContaining('OTESSE_SECRET_KEY is missing'),
      expect.stringContaining('OTESSE_ENCRYPTION_KEY is missing'),
    ])
  })

  it('hold the settings of TLS to Redis against its URL and against each other', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    const plain = errorsOf({ ...networked, OTESSE_REDIS_CA: pem, OTESSE_REDIS_SERVER_NAME: 'r' })
    expect(plain).toEqual([
      expect.stringMatching(/^OTESSE_REDIS_CA is about TLS, .* rediss:/),
      expect.stringMatching(/^OTESSE_REDIS_SERVER_NAME is about TLS/),
    ])
    const secure = { ...networked, OTESSE_REDIS_URL: 'rediss://redis:6379' }
    expect(loadConfig({ ...secure, OTESSE_REDIS_CA: pem }).stores).toMatchObject({
      kind: 'networked',
    })
    expect(errorsOf({ ...secure, OTESSE_REDIS_CERT: pem })).toEqual([
      'OTESSE_REDIS_CERT and OTESSE_REDIS_KEY belong together: set both, or neither',
    ])
    const key = pem.replaceAll('CERTIFICATE', 'PRIVATE KEY')
    expect(errorsOf({ ...secure, OTESSE_REDIS_CERT: pem, OTESSE_REDIS_KEY: key })).toEqual([
      expect.stringContaining('is not the private key of OTESSE_REDIS_CERT'),
    ])
    expect(errorsOf({ ...secure, OTESSE_REDIS_CA: 'ca.pem' })).toEqual([
      'OTESSE_REDIS_CA: write PEM, which has a line of -----BEGIN CERTIFICATE-----',
    ])
    const readFile = (): string => {
      throw Object.assign(new Error('no'), { code: 'EACCES' })
    }
    expect(problemsOf({ ...secure, OTESSE_REDIS_CA_FILE: '/x' }, readFile).errors).toContainEqual(
      'OTESSE_REDIS_CA_FILE names a file that cannot be read (EACCES)',
    )
  })

  it('keep the embedded mode out of production, unless it is named unsafe', () => {
    const embedded = { NODE_ENV: 'production', OTESSE_ISSUER: 'https://auth.example.com' }
    expect(errorsOf(embedded)).toEqual([
      expect.stringContaining('OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION'),
    ])
    const config = loadConfig({ ...embedded, OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION: 'true' })
    expect(config.warnings).toEqual([
      expect.stringContaining('OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION is on'),
    ])
  })

  it('keep http for this machine, unless it is named unsafe', () => {
    const issuer = (url: string, more: Environment = {}): Environment => ({
      OTESSE_ISSUER: url,
      ...more,
    })
    expect(loadConfig(issuer('http://127.0.0.1:3000')).server.issuer).toBe('http://127.0.0.1:3000')
    expect(loadConfig(issuer('http://[::1]:3000')).server.issuer).toBe('http://[::1]:3000')
    expect(errorsOf(issuer('http://auth.example.com'))).toHaveLength(1)
    expect(errorsOf(issuer('http://127.0.0.1.example.com'))).toHaveLength(1)
    expect(errorsOf({ ...networked, ...issuer('http://localhost:3000') })).toHaveLength(1)
    const unsafe = {
      ...networked,
      ...issuer('http://localhost'),
      OTESSE_UNSAFE_HTTP_ISSUER: 'true',
    }
    expect(loadConfig(unsafe).warnings).toHaveLength(1)
  })

  it('tell which internal networks calls may reach, and refuse all of them', () => {
    const reach = (networks: string) => ({ OTESSE_UNSAFE_PRIVATE_DESTINATIONS: networks })
    expect(loadConfig(reach('127.0.0.1,10.0.0.0/8')).warnings).toEqual([
      expect.stringContaining('OTESSE_UNSAFE_PRIVATE_DESTINATIONS is on'),
    ])
    expect(loadConfig(reach('')).warnings).toEqual([])
    expect(errorsOf(reach('10.0.0.0/8,::/0'))).toEqual([
      expect.stringContaining('::/0, which is everything'),
    ])
    expect(errorsOf(reach('crm.internal'))).toHaveLength(1)
  })

  it('need an issuer where the port is not known', () => {
    expect(errorsOf({ OTESSE_PORT: '0' })[0]).toContain('OTESSE_ISSUER is missing')
  })

  it('judge every secret of a list', () => {
    expect(errorsOf({ ...networked, OTESSE_SECRET_KEY: `${SECRET},short` })).toEqual([
      'OTESSE_SECRET_KEY, entry 2 of 2 has 5 characters and needs at least 32',
    ])
    expect(errorsOf({ ...networked, OTESSE_SECRET_KEY: 'changeme'.repeat(6) })).toEqual([
      expect.stringContaining('easily guessed'),
    ])
    expect(errorsOf({ ...networked, OTESSE_ENCRYPTION_KEY: SECRET })).toEqual([
      expect.stringContaining('also in OTESSE_SECRET_KEY'),
    ])
  })

  it('want both secrets or neither when embedded', () => {
    expect(errorsOf({ OTESSE_SECRET_KEY: SECRET })).toEqual([
      'OTESSE_ENCRYPTION_KEY is missing: set both secrets, or neither',
    ])
  })

  it('compare lifetimes and ports', () => {
    expect(errorsOf({ OTESSE_REFRESH_TOKEN_TTL_SECONDS: '3600' })[0]).toMatch(
      /nothing is left to refresh/,
    )
    expect(errorsOf({ OTESSE_GRANT_MAX_TTL_SECONDS: '86400' })[0]).toMatch(
      /^OTESSE_GRANT_MAX_TTL_SECONDS/,
    )
    expect(errorsOf({ OTESSE_OPS_PORT: '3000' })[0]).toMatch(/metrics must not be/)
  })

  it('warn about sign-in without limits and settings without effect', () => {
    const config = loadConfig({
      ...networked,
      OTESSE_DATA_DIR: '/data',
      OTESSE_LIMIT_LOGIN_PER_ACCOUNT: '0',
      OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '0',
    })
    expect(config.warnings).toEqual([
      expect.stringContaining('passwords can be guessed'),
      expect.stringContaining('OTESSE_DATA_DIR has no effect'),
    ])
  })
})

describe('unknown names', () => {
  it('are refused with the name that was meant, when there is one', () => {
    expect(
      errorsOf({ OTESSE_ISUER: 'x', OTESSE_PORT_FILE: '/run/port', OTESSE_WHATEVER_ELSE: 'x' }),
    ).toEqual([
      'OTESSE_ISUER is not a setting: did you mean OTESSE_ISSUER?',
      'OTESSE_PORT_FILE is not a setting: only secrets come from a file, set OTESSE_PORT',
      'OTESSE_WHATEVER_ELSE is not a setting',
    ])
  })

  it('pass over other programs, the test suite and the links of Kubernetes', () => {
    const links = {
      PATH: '/bin',
      OTESSE_TEST_REDIS_URL: 'redis://x',
      OTESSE_AUTH_SERVICE_HOST: '10.0.0.1',
      OTESSE_AUTH_SERVICE_PORT_HTTP: '80',
      OTESSE_AUTH_PORT: 'tcp://10.0.0.1:80',
      OTESSE_AUTH_PORT_80_TCP_ADDR: '10.0.0.1',
    }
    expect(loadConfig(links)).toEqual(loadConfig({}))
    expect(errorsOf({ OTESSE_OPPS_PORT: '9400' })[0]).toContain('OTESSE_OPS_PORT?')
  })

  it('are compared by letters changed, added and taken away', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3)
    expect(editDistance('', 'abc')).toBe(3)
    expect(editDistance('same', 'same')).toBe(0)
  })
})

describe('secrets', () => {
  const files: Record<string, string> = { '/run/key': `${SECRET}\n`, '/run/empty': '\n' }
  const readFile = (path: string): string => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
    return text
  }

  it('come from files, without the line end', () => {
    const env = { ...networked, OTESSE_SECRET_KEY: undefined, OTESSE_SECRET_KEY_FILE: '/run/key' }
    const config = loadConfig(env, readFile)
    expect(config.secrets?.secretKeys[0]?.reveal()).toBe(SECRET)
  })

  it('have one source', () => {
    const env = { ...networked, OTESSE_SECRET_KEY_FILE: '/run/key' }
    expect(problemsOf(env, readFile).errors).toEqual([
      'OTESSE_SECRET_KEY and OTESSE_SECRET_KEY_FILE are both set: keep one',
    ])
  })

  it.each([
    ['/run/none', 'cannot be read (ENOENT)'],
    ['/run/empty', 'is empty'],
  ])('are told when %s %s', (path, sentence) => {
    const env = { ...networked, OTESSE_SECRET_KEY: undefined, OTESSE_SECRET_KEY_FILE: path }
    expect(problemsOf(env, readFile).errors).toEqual([expect.stringContaining(sentence)])
  })

  it('are printed nowhere', () => {
    const config = loadConfig(networked)
    const printed = [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      problemsOf({
        ...networked,
        OTESSE_DATABASE_URL: 'hunter2',
        OTESSE_REDIS_URL: 'hunter2',
        OTESSE_ENCRYPTION_KEY: 'hunter2',
      }).message,
    ].join('\n')
    for (const secret of ['hunter2', SECRET, OTHER_SECRET]) expect(printed).not.toContain(secret)
  })
})

describe('the result', () => {
  it('is frozen to the bottom', () => {
    const config = loadConfig({ ...networked, OTESSE_TRUSTED_PROXIES: '10.0.0.0/8' })
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(isFrozen))
    expect(isFrozen(config)).toBe(true)
  })

  it('knows each variable by one name', () => {
    const names = listSettings().map(({ setting }) => setting.env)
    expect(new Set(names).size).toBe(names.length)
    for (const { section, setting } of listSettings())
      expect(setting.env.startsWith('OTESSE_UNSAFE_')).toBe(section === 'unsafe')
  })
})
