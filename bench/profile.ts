// Reads a V8 CPU profile and prints self time by package (or by our own folder), and the most
// expensive functions.
import type { Profiler } from 'node:inspector'

const SHOWN_PACKAGES = 20
const SHOWN_FUNCTIONS = 30
const IDLE = new Set(['(idle)', '(root)'])
const PROFILER = 'node:inspector'

interface Row {
  label: string
  micros: number
}

/**
 * Writes the two tables of one profile. Idle time and the profiler itself are left out of the 100
 * %.
 */
export function formatProfile(profile: Profiler.Profile): string {
  const microsById = selfMicros(profile)
  const byPackage = new Map<string, number>()
  const byFunction = new Map<string, number>()
  let busy = 0
  for (const node of profile.nodes) {
    const micros = microsById.get(node.id) ?? 0
    const { functionName, url, lineNumber } = node.callFrame
    if (micros === 0 || IDLE.has(functionName) || url === PROFILER) continue
    busy += micros
    const home = homeOf(functionName, url)
    add(byPackage, home, micros)
    const place = url === '' ? '' : `:${lineNumber + 1}`
    add(
      byFunction,
      `${functionName || '(anonymous)'}  ${home}${url === '' ? '' : ` ${fileName(url)}${place}`}`,
      micros,
    )
  }
  const packages = rows(byPackage, SHOWN_PACKAGES, busy)
  const functions = rows(byFunction, SHOWN_FUNCTIONS, busy)
  return `self time by package (busy ${(busy / 1000).toFixed(0)} ms)\n${packages}\nmost expensive functions\n${functions}`
}

function selfMicros(profile: Profiler.Profile): Map<number, number> {
  const micros = new Map<number, number>()
  const { samples = [], timeDeltas = [] } = profile
  for (const [index, id] of samples.entries()) {
    micros.set(id, (micros.get(id) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return micros
}

/** Names the package, our own folder, or the part of Node that a function belongs to. */
function homeOf(functionName: string, url: string): string {
  const packages = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (packages !== undefined) return packages
  if (url.startsWith('node:')) return `node:${/^node:(?:internal\/)?([^/]+)/.exec(url)?.[1] ?? ''}`
  const own = /\/((?:src|dist|bench)\/(?:src\/)?(?:[^/]+(?=\/))?)/.exec(url)?.[1]
  if (own !== undefined) return own
  return functionName.startsWith('(') ? functionName : '(native)'
}

function fileName(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

function add(sums: Map<string, number>, label: string, micros: number): void {
  sums.set(label, (sums.get(label) ?? 0) + micros)
}

function rows(sums: ReadonlyMap<string, number>, shown: number, total: number): string {
  const sorted = [...sums]
    .map(([label, micros]): Row => ({ label, micros }))
    .sort((a, b) => b.micros - a.micros)
  return sorted
    .slice(0, shown)
    .map(
      ({ label, micros }) => `  ${((micros / total) * 100).toFixed(1).padStart(5)} %  ${label}\n`,
    )
    .join('')
}
