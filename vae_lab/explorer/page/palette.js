// --- colours of classes, distinguishable with all common colour vision deficiencies -----------------------------------
//
// Up to ten classes have Paul Tol's "muted" scheme, on a dark page his "light" one; more are on a perceptually uniform
// scale from dark to bright. Names in the map and the legend say the same as the colours.

const MUTED = ["#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#8a8a8a"];
const BRIGHT = ["#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff", "#44bb99", "#bbcc33", "#aaaa00", "#cc99dd", "#dddddd"];
const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis

function classColours(count, dark) {
  if (count <= 10) return (dark ? BRIGHT : MUTED).slice(0, count);
  return Array.from({ length: count }, (_, i) => {
    const at = i / (count - 1) * (SCALE.length - 1), low = Math.min(Math.floor(at), SCALE.length - 2);
    return `rgb(${lerp(SCALE[low], SCALE[low + 1], at - low).map(Math.round)})`;
  });
}
