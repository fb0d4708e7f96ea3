// Finds OTESSE_… variables that no setting reads: a typing error must not leave a limit or a secret
// at its default unseen.
import { listSettings } from './settings.ts'

// The test-suite's own variables live in the same environment.
const NOT_OURS = /^OTESSE_TEST_/
// Kubernetes puts these into every pod beside a Service whose name begins with "otesse"; nobody
// wrote them.
const SERVICE_LINK =
  /^OTESSE_(\w+_)?SERVICE_(HOST|PORT(_\w+)?)$|^OTESSE_(\w+_)?PORT_\d+_(TCP|UDP)(_\w+)?$/
const SERVICE_LINK_URL = /^(tcp|udp):\/\//
const MAX_DISTANCE = 4

/** Returns one sentence for each unknown OTESSE_… variable; Kubernetes' service links are passed over. */
export function complainAboutUnknownNames(
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const plain = listSettings().map(({ setting }) => setting.env)
  const files = listSettings().flatMap(({ setting }) =>
    setting.secret ? [`${setting.env}_FILE`] : [],
  )
  const known = new Set([...plain, ...files])
  return Object.keys(env)
    .filter((name) => name.startsWith('OTESSE_') && !known.has(name) && !NOT_OURS.test(name))
    .filter((name) => !SERVICE_LINK.test(name) && !SERVICE_LINK_URL.test(env[name] ?? ''))
    .sort()
    .map((name) => `${name} is not a setting${hint(name, [...known])}`)
}

function hint(name: string, known: readonly string[]): string {
  if (name.endsWith('_FILE') && known.includes(name.slice(0, -'_FILE'.length)))
    return `: only secrets come from a file, set ${name.slice(0, -'_FILE'.length)}`
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const [nearest] = ranked
  // A short name is near to everything: OTESSE_SECRT is four letters from OTESSE_PORT.
  const reach = Math.min(MAX_DISTANCE, Math.floor((name.length - 'OTESSE_'.length) / 3))
  return nearest !== undefined && nearest.distance <= reach
    ? `: did you mean ${nearest.candidate}?`
    : ''
}

/** Returns how many letters must be changed, added or taken away to make one text of the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const changed = from[row - 1] === to[column - 1] ? 0 : 1
      current.push(
        Math.min(
          (above[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (above[column - 1] ?? 0) + changed,
        ),
      )
    }
    above = current
  }
  return above[to.length] ?? 0
}
