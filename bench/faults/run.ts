// `npm run faults`: hurts built servers on real stores in the ways of the catalogue, and prints
// what held. Ends with 1 when anything was broken beyond a documented bound.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { FAULTS } from './catalogue.ts'
import { explanations, isWell, spellTable } from './table.ts'
import { joinShort } from './medley.ts'
import { Skipped } from './skipped.ts'
import { runTrial, type TrialResult } from './trial.ts'
import { openOrigin } from './world.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    dist: { type: 'string', default: 'dist' },
    variant: { type: 'string' },
    lenience: { type: 'string', default: '1' },
    json: { type: 'string' },
    keep: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})

if (options.list) {
  for (const { id, title, variants } of FAULTS)
    for (const { name, isShort } of variants)
      console.log(`${id.padEnd(4)} ${title}: ${name}${isShort ? ' (short)' : ''}`)
  process.exit(0)
}
const known = FAULTS.map(({ id }) => id)
const wanted = positionals.map((name) => name.toUpperCase())
const unknown = wanted.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`There is no fault ${unknown.join(', ')}. There are ${known.join(' ')}.`)
  process.exit(2)
}
const chosen = FAULTS.filter(({ id }) => wanted.length === 0 || wanted.includes(id))
const isMedley = options.short && wanted.length === 0
const trials = isMedley
  ? joinShort(chosen)
  : chosen.flatMap((fault) => fault.variants.map((variant) => ({ fault, variant })))

// Default signals would end this process without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await using origin = await openOrigin(options.dist)
const results: TrialResult[] = []
for (const { fault, variant } of trials) {
  if (options.variant !== undefined && !variant.name.includes(options.variant)) continue
  const settings = {
    seed: Number(options.seed),
    isShort: options.short,
    lenience: Number(options.lenience),
    ...(options.keep !== undefined && { keepIn: options.keep }),
  }
  try {
    const result = await runTrial(origin, fault, variant, settings)
    results.push(result)
    const state = isWell(result) ? 'held' : 'BROKEN'
    console.error(`${fault.id} ${variant.name}: ${state}, ${result.seconds.toFixed(0)} s`)
    if (!isWell(result)) console.error(explanations([result]).join('\n'))
  } catch (error) {
    if (error instanceof Skipped) {
      console.error(`${fault.id} ${variant.name} is left out: ${error.message}`)
      continue
    }
    // One trial that cannot be carried out is a failure, and no reason to leave out the others.
    process.exitCode = 1
    console.error(`${fault.id} ${variant.name} could not be carried out:`, error)
  }
}
if (results.length > 0) console.log(spellTable(results))
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, null, 2))
if (results.length === 0 || !results.every(isWell)) process.exitCode = 1
