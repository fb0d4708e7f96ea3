// `otesse provider check` on files as they are written.
import { runCli } from '../support/cli-process.ts'

const check = (text: string) => runCli(['provider', 'check', '-'], {}, text)

it('names the line of each problem', async () => {
  const { code, stderr } = await check('key: crm\nname: 5\nauth:\n  authorize_url: http://x\n')
  expect(code).toBe(1)
  expect(stderr).toContain('The file has problems.')
  expect(stderr).toContain('line 2: name: ')
  expect(stderr).toContain('line 4: auth.authorize_url: ')
})

it('understands merge keys as a file of apps does', async () => {
  const { stderr } = await check('key: crm\nauth: &a\n  <<: { authorize_url: http://x }\n')
  expect(stderr).toContain('auth.authorize_url: It must begin with https://.')
})

it('says where a file is not well-formed, and changes nothing', async () => {
  const { code, stderr } = await check('key: crm\nname: [1\n')
  expect(code).toBe(1)
  expect(stderr).toMatch(/line \d: file: This is not well-formed YAML or JSON: /)
  expect(stderr).not.toMatch(/Nothing was changed|--file/)
})
