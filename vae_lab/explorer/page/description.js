// --- what the decoded image is, in words ------------------------------------------------------------------------------

function testImage(point, inBrackets) {
  const label = DATA.labels && `labelled ${DATA.classes[DATA.labels[point]]}`;
  return `test image ${point + 1}${!label ? "" : inBrackets ? ` (${label})` : `, ${label}`}`;
}

function condition(y, own) { // "decoded as 3"; between classes "decoded as 70 % 3 and 30 % 8"; "decoded with beard 1.00"
  const { names, one } = DATA.y;
  const differ = names.flatMap((name, i) => Math.abs(y[i] - (own && !one ? own[i] : 0)) < 0.005 ? [] : [{ name, value: y[i] }]);
  if (one) {
    if (differ.length === 1 && differ[0].value > 0.995) return `decoded as ${differ[0].name}`;
    if (!differ.length || differ.length > 2) return "decoded as a mixture of classes";
    return `decoded as ${differ.map(({ name, value }) => `${Math.round(100 * value)} % ${name}`).join(" and ")}`;
  }
  if (!own) return ""; // the sliders say it
  return differ.length > 3 ? "decoded with other attributes" : `decoded with ${differ.map(({ name, value }) => `${name} ${shown(value)}`).join(", ")}`;
}

function additions() { // "plus 0.50 × glasses and −0.20 × smile"
  const moved = state.strengths.flatMap((strength, i) => strength ? [`${shown(strength)} × ${DATA.attributes.names[i]}`] : []);
  if (!moved.length) return "";
  return `plus ${moved.join(" and ")}${!state.corrected && DATA.attributes.corrected.some(Boolean) ? " (raw)" : ""}`;
}

function codeInWords({ point = null, y = null }) { // "test image 3", "the code of test image 3 (labelled 7), decoded as 0"
  const given = y || state.y, own = point === null ? null : conditionOf(point);
  const other = given && (!own || rounded(given) !== rounded(own)) ? condition(given, own) : ""; // another y than the image's
  const extras = [other, additions()].filter(Boolean);
  if (point !== null && !extras.length) return testImage(point, false);
  return [point === null ? "a code that no test image has" : `the code of ${testImage(point, true)}`, ...extras].join(", ");
}

function described(now) {
  const { point = null, drawn = null } = now;
  if (!network) {
    if (point !== null) return `Reconstruction of ${testImage(point, false)}`;
    return drawn === null ? "The nearest of the images that were decoded beforehand" : "A sample that was drawn beforehand";
  }
  const words = codeInWords(now);
  return words.startsWith("test image") ? `Reconstruction of ${words}` : words[0].toUpperCase() + words.slice(1);
}
