// The logo of the demo's app: plain shapes, so that the server takes it as an app's logo as well.
export const LOGO_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">
<rect width="96" height="96" rx="22" fill="#0f766e"/>
<rect x="20" y="26" width="56" height="50" rx="8" fill="#f0fdfa"/>
<path d="M20 34a8 8 0 0 1 8-8h40a8 8 0 0 1 8 8v8H20z" fill="#5eead4"/>
<rect x="32" y="18" width="6" height="14" rx="3" fill="#134e4a"/>
<rect x="58" y="18" width="6" height="14" rx="3" fill="#134e4a"/>
<path d="M34 58l10 10 19-19" fill="none" stroke="#0f766e" stroke-width="7" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
`
