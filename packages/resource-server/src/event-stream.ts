// Reads server-sent events (the part of the HTML standard that a server of ours uses): fields id,
// event and data, and comments.

/** An event; a comment is one without a type. */
export interface StreamEvent {
  readonly type: string
  readonly id: string | undefined
  readonly data: string
}

// Far more than any event of the server.
const LONGEST_LINE = 64 * 1024

/** Creates a reader that is fed with text as it arrives and returns the events that are complete. */
export function createEventReader(): (text: string) => StreamEvent[] {
  let rest = ''
  let type = ''
  let id: string | undefined
  let data = ''

  return function feed(text) {
    const events: StreamEvent[] = []
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LONGEST_LINE) throw new Error('The stream of revocations is not one.')
    for (const withReturn of lines) {
      const line = withReturn.endsWith('\r') ? withReturn.slice(0, -1) : withReturn
      if (line === '') {
        if (type !== '') events.push({ type, id, data })
        type = data = ''
        id = undefined
        continue
      }
      const colon = line.indexOf(':')
      if (colon === 0) {
        events.push({ type: '', id: undefined, data: '' })
        continue
      }
      const field = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'event') type = value
      else if (field === 'id') id = value
      else if (field === 'data') data = data === '' ? value : `${data}\n${value}`
    }
    return events
  }
}
