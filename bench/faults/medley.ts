// The short run: all short variants one after the other in as few worlds as possible, because
// opening a world and asking the last questions take longer than most of the faults.
import type { Fault, Variant } from './fault.ts'

export interface Trial {
  fault: Fault
  variant: Variant
}

/** Joins the short variants that are judged by the same terms. */
export function joinShort(faults: readonly Fault[]): Trial[] {
  const groups = new Map<string, Trial[]>()
  for (const fault of faults)
    for (const variant of fault.variants.filter(({ isShort }) => isShort)) {
      const key = termsOf(variant)
      groups.set(key, [...(groups.get(key) ?? []), { fault, variant }])
    }
  return [...groups.values()].map(join)
}

/** What counts as broken, and what kind of server it is. */
function termsOf({ mayLoseAnswers, hasBalancer, losesLimits, ...rest }: Variant) {
  const isEmbedded = rest.world?.isEmbedded === true
  return JSON.stringify([
    ...[mayLoseAnswers, hasBalancer, losesLimits, isEmbedded].map(Boolean),
    rest.bounds ?? {},
  ])
}

function join(trials: readonly Trial[]): Trial {
  const variants = trials.map(({ variant }) => variant)
  const ids = [...new Set(trials.map(({ fault }) => fault.id))].join('+')
  const variant: Variant = {
    ...variants[0]!,
    name: `short${variants[0]!.world?.isEmbedded ? ', embedded' : ''}`,
    world: Object.assign({}, ...variants.map(({ world }) => world)) as Variant['world'] & object,
    endsServers: variants.some(({ endsServers }) => endsServers),
    slowness: Math.max(...variants.map(({ slowness = 1 }) => slowness)),
    async run(stage) {
      for (const { fault, variant: one } of trials) {
        stage.recorder.mark(`${fault.id} ${one.name}`)
        await one.run(stage)
        await stage.recovered()
      }
    },
  }
  return { fault: { id: ids, title: 'one after the other', variants: [variant] }, variant }
}
