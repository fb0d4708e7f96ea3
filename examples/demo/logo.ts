// The logo of the demo's app: plain shapes, so that the server takes it as an app's logo as well.
export const LOGO_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">
<rect width="96" height="96" rx="22" fill="#5b3bd1"/>
<rect x="20" y="26" width="56" height="50" rx="8" fill="#f6f4ff"/>
<path d="M20 34a8 8 0 0 1 8-8h40a8 8 0 0 1 8 8v8H20z" fill="#b9a8ff"/>
<rect x="32" y="18" width="6" height="14" rx="3" fill="#2a1a6b"/>
<rect x="58" y="18" width="6" height="14" rx="3" fill="#2a1a6b"/>
<path d="M34 58l10 10 19-19" fill="none" stroke="#5b3bd1" stroke-width="7" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
`
