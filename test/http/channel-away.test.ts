// Every kind of change while the channel between the processes is away: what the database has
// committed is answered as done, and announced when the channel is back.
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'

describe.each(BACKENDS)('changes while the channel is away, %s', (backend) => {
  let server: TestApp
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it.each([
    {
      name: 'an account is deactivated',
      topic: 'account',
      async change({ accounts }: TestApp['services'], { accountId }: Ids) {
        await accounts.deactivate(accountId, 'left')
        return (await accounts.get(accountId)).status
      },
      result: 'deactivated',
    },
    {
      name: 'an account is reactivated',
      topic: 'account',
      async change({ accounts }: TestApp['services'], { accountId }: Ids) {
        await accounts.reactivate(accountId)
        return (await accounts.get(accountId)).status
      },
      result: 'active',
    },
    {
      name: 'a role changes',
      topic: 'account',
      async change({ accounts }: TestApp['services'], { accountId }: Ids) {
        const { version } = await accounts.get(accountId)
        return (await accounts.update(accountId, version, { role: 'admin' })).kind
      },
      result: 'updated',
    },
    {
      name: 'a password is set',
      topic: 'account',
      async change({ accounts }: TestApp['services'], { accountId }: Ids) {
        await accounts.setPassword(accountId, 'another long password')
        const { email } = await accounts.get(accountId)
        return (await accounts.authenticate(email, 'another long password')).kind
      },
      result: 'authenticated',
    },
    {
      name: 'a one-time link is spent',
      topic: 'account',
      async change(services: TestApp['services'], { accountId }: Ids) {
        const account = await services.accounts.get(accountId)
        const { url } = await services.accountLinks.make(account, 'https://auth.otesse.com')
        const token = url.reveal().split('/').at(-1) ?? ''
        return (await services.accountLinks.choosePassword(token, PASSWORD)).account.id
      },
      result: (ids: Ids) => ids.accountId,
    },
    {
      name: 'an app is suspended',
      topic: 'app',
      change: async ({ apps }: TestApp['services'], { appId }: Ids) =>
        (await apps.suspend(appId, 'why')).status,
      result: 'suspended',
    },
    {
      name: 'an app gets a secret',
      topic: 'app',
      change: async ({ apps }: TestApp['services'], { appId }: Ids) =>
        (await apps.createSecret(appId)).kind,
      result: 'created',
    },
    {
      name: 'a scope is created',
      topic: 'scopes',
      change: async ({ scopes }: TestApp['services']) =>
        (
          await scopes.create({
            name: 'away:read',
            sentence: 'Read it',
            group: 'Away',
            sensitive: false,
            deprecated: false,
            audience: undefined,
          })
        ).kind,
      result: 'saved',
    },
    {
      name: 'the keys are sealed anew',
      topic: 'keys',
      change: ({ keyRing }: TestApp['services']) => keyRing.reseal(),
      result: 0,
    },
  ])('$name, and that is the answer', async ({ topic, result, ...row }) => {
    const { services, infrastructure } = server
    const { invalidation } = infrastructure
    const ids = {
      accountId: (await createAccount(server)).id,
      appId: (await registerApp(server)).id,
    }
    const original: (...args: Parameters<typeof invalidation.publish>) => Promise<void> =
      invalidation.publish.bind(invalidation)
    const published: string[] = []
    invalidation.publish = () => Promise.reject(new Error('the channel is away'))
    try {
      const answer = await row.change(services, ids)
      expect(answer).toBe(typeof result === 'function' ? result(ids) : result)
      const back = new Promise<void>((resolve) => {
        invalidation.publish = async (at, id) => {
          await original(at, id)
          published.push(at)
          if (at === topic) resolve()
        }
      })
      await back
      expect(published).toContain(topic)
    } finally {
      invalidation.publish = original
    }
  })
})

interface Ids {
  accountId: string
  appId: string
}
