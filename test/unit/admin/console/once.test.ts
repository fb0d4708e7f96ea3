// The one phase of all forms that count once.
import { once } from '../../../../src/admin/console/once.ts'

function createForms() {
  const taken = new Set<string>()
  return {
    taken,
    take(key: string) {
      const isFree = !taken.has(key)
      taken.add(key)
      return Promise.resolve(isFree)
    },
    note: () => Promise.resolve(),
    giveBack: (key: string) => Promise.resolve(void taken.delete(key)),
  }
}

test('a form whose act succeeded does nothing a second time', async () => {
  const forms = createForms()
  let acts = 0
  const send = () =>
    once(forms, 'form', () => Promise.resolve({ kind: 'created', at: (acts += 1) }))
  expect(await send()).toEqual({ kind: 'acted', outcome: { kind: 'created', at: 1 } })
  expect(await send()).toEqual({ kind: 'used' })
  expect(acts).toBe(1)
})

test('of forms that are sent while the first is under way none acts', async () => {
  const forms = createForms()
  let acts = 0
  const sent = await Promise.all(
    Array.from({ length: 10 }, () =>
      once(forms, 'form', () => Promise.resolve({ at: (acts += 1) })),
    ),
  )
  expect(sent.filter(({ kind }) => kind === 'acted')).toHaveLength(1)
  expect(acts).toBe(1)
})

test.each([
  ['was refused', () => Promise.resolve({ kind: 'refused' }), undefined],
  ['met a conflict', () => Promise.resolve({ kind: 'conflict' }), undefined],
  ['failed', () => Promise.reject(new Error('the server is away')), 'the server is away'],
])('a form whose act %s can be sent again', async (_name, act, message) => {
  const forms = createForms()
  const sent = once(forms, 'form', act)
  if (message === undefined) expect((await sent).kind).toBe('acted')
  else await expect(sent).rejects.toThrow(message)
  expect(forms.taken.size).toBe(0)
})

test('an act that failed is told as what it failed of, also where the form cannot be given back', async () => {
  const forms = { ...createForms(), giveBack: () => Promise.reject(new Error('away as well')) }
  await expect(
    once(forms, 'form', () => Promise.reject(new Error('the act failed'))),
  ).rejects.toThrow('the act failed')
})
