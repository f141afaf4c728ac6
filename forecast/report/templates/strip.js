/* The strip: numbers are read from text, drawn as wide as the page is, and looked into. */
const CODES = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
function decode(text) {
  const found = [];
  let at = 0, last = 0;
  const number = () => {
    let value = 0, scale = 1, five;
    do { five = CODES.indexOf(text[at++]); value += five % 32 * scale; scale *= 32 } while (five > 31);
    return value;
  };
  while (at < text.length) {
    if (text[at] === '.') { at++; for (let n = number(); n > 0; n--) found.push(NaN) }
    else if (text[at] === '~') { at++; for (let n = number(); n > 0; n--) found.push(last) }
    else { const twice = number(); last += twice % 2 ? -(twice + 1) / 2 : twice / 2; found.push(last) }
  }
  return found;
}
const MINUTE = 60000, DAY = 1440 * MINUTE;
const FIXED = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200];
const NAMES = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const two = value => String(value).padStart(2, '0');
function written(moment, day = true, year = true) {
  const at = new Date(moment), clock = moment % DAY
    ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}` : '';
  const date = `${at.getUTCDate()} ${NAMES[at.getUTCMonth()]}${year ? ` ${at.getUTCFullYear()}` : ''}`;
  return day || !clock ? `${date} ${clock}`.trim() : clock;
}
function roundMoments(from, to, most) {
  for (const minutes of FIXED) {
    const step = minutes * MINUTE, first = Math.ceil(from / step), last = Math.floor(to / step);
    if (last - first < most) return Array.from({length: Math.max(0, last - first + 1)}, (_, n) =>
      [(first + n) * step, written((first + n) * step, false, n === 0)]);
  }
  const month = at => new Date(at).getUTCFullYear() * 12 + new Date(at).getUTCMonth();
  const begin = months => { const at = new Date(0); at.setUTCFullYear(Math.floor(months / 12), months % 12, 1); return at.getTime() };
  const low = month(from) + (begin(month(from)) < from), high = month(to);
  const step = MONTHS.find(n => Math.floor(high / n) - Math.ceil(low / n) < most) ?? 1200;
  const found = [];
  for (let n = Math.ceil(low / step) * step; n <= high; n += step) found.push([begin(n),
    step % 12 ? `${NAMES[n % 12]} ${Math.floor(n / 12)}` : `${n / 12}`]);
  return found;
}
function roundNumbers(low, high, most, whole) {
  const least = (high - low) / most, power = 10 ** Math.floor(Math.log10(least));
  let step = power * [1, 2, 5, 10].find(n => n * power >= least * (1 - 1e-9));
  if (whole) step = Math.max(1, step);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step + 1e-9); n++) found.push(n * step);
  return found;
}
const minus = text => text.replace('-', '−');
const plainly = value => minus(String(+value.toPrecision(6)));
for (const strip of document.querySelectorAll('.strip')) {
  const about = JSON.parse(strip.dataset.strip), $ = name => strip.querySelector(name);
  const stage = $('.stage'), svg = $('svg'), pickBox = $('.pick select'), leadBox = $('.lead');
  const slider = $('.origin input'), told = $('output'), tip = document.createElement('div');
  tip.className = 'tip'; tip.hidden = true; stage.append(tip);
  stage.tabIndex = 0; stage.setAttribute('role', 'group');
  stage.setAttribute('aria-label', 'Forecast and actual values; arrow keys read them');
  strip.querySelectorAll('.controls').forEach(box => { box.hidden = false });
  about.picks.forEach((pick, n) => pickBox.add(new Option(pick.name, n)));
  about.leads.forEach((lead, n) =>
    leadBox.add(new Option(`${lead} step${lead > 1 ? 's' : ''} ahead`, n)));
  const horizon = about.leads.at(-1);
  if (horizon > 1) leadBox.add(new Option(`all ${horizon} steps from one origin`, 'origin'));
  $('.pick').hidden = about.picks.length < 2;
  pickBox.autocomplete = leadBox.autocomplete = 'off';
  pickBox.value = about.pick; leadBox.value = about.lead;
  let series, lines, from, to, cursor = null, dragged = null, across, width;
  /* Values of a forecast and, in pairs, of the ends of its bands. */
  function read(pick, channels) {
    const value = code => code * pick.step + pick.low, [middle, ...reach] = channels.map(decode);
    const found = [middle.map(value)];
    for (let n = 0; n < reach.length; n += 2) found.push(
      middle.map((code, i) => value(code - reach[n][i])),
      middle.map((code, i) => value(code + reach[n][i] + reach[n + 1][i])));
    return found;
  }
  function choose() {
    const pick = about.picks[pickBox.value];
    let at = 0;
    const x = [0, ...decode(pick.time).map(step => at += step)].map(n => pick.start + n * pick.apart);
    series = {pick, x, true: decode(pick.true).map(code => code * pick.step + pick.low)};
    series.digits = Math.max(0, -Math.floor(Math.log10(pick.step)) - 1);
    slider.max = pick.origins.length - 1;
    if (!series.kept) slider.value = Math.min(slider.dataset.at ?? pick.origins.length >> 1, slider.max);
    turn();
  }
  const single = () => leadBox.value === 'origin';
  /* What is drawn: places along the time, and a forecast with its bands. */
  function turn() {
    const {pick, x} = series;
    if (single()) {
      const n = Number(slider.value), all = series.ahead ??= read(pick, pick.ahead);
      const first = pick.origins[n], each = horizon;
      lines = {places: Array.from({length: each}, (_, i) => first + i),
        values: all.map(line => line.slice(n * each, (n + 1) * each))};
    } else {
      const values = (series.leads ??= {})[leadBox.value] ??= read(pick, pick.leads[leadBox.value]);
      const at = pick.at[leadBox.value];
      lines = {places: values[0].map((_, n) => n * pick.thin + at), values};
    }
    $('.origin').hidden = !single();
    slider.setAttribute('aria-valuetext', pick.stamps[slider.value]);
  }
  const ends = () => [series.x[0], Math.max(series.x.at(-1), series.x[0] + 1)];
  function view(low, high) {
    const [first, last] = ends(), least = Math.min(last - first, 4 * (last - first) / series.x.length);
    const size = Math.min(last - first, Math.max(least, high - low));
    from = Math.max(first, Math.min(last - size, (low + high - size) / 2)); to = from + size;
    draw();
  }
  const whole = () => view(...ends());
  function near() {
    const {x} = series, first = lines.places[0], reach = Math.max(horizon, about.season);
    view(x[Math.max(0, first - 2 * reach)], x[Math.min(x.length - 1, first + horizon + reach >> 0)]);
  }
  const truth = place => place % series.pick.thin ? NaN : series.true[place / series.pick.thin];
  function draw(wide) {
    const {x, pick} = series, W = width = wide || stage.clientWidth, H = W < 560 ? 240 : 300;
    const L = 52, R = W - 10, T = 10, B = H - 28, bands = about.bands.length;
    across = {low: L, high: R, to: at => L + (at - from) / (to - from) * (R - L)};
    const seen = at => x[at] >= from && x[at] <= to;
    const near = at => seen(at) || at > 0 && seen(at - pick.thin) || seen(at + pick.thin);
    const shown = lines.places.map((_, n) => n).filter(n => near(lines.places[n]));
    const actual = series.true.map((_, n) => n * pick.thin).filter(near);
    let low = Infinity, high = -Infinity;
    const reach = value => { if (value < low) low = value; if (value > high) high = value };
    actual.forEach(at => reach(truth(at)));
    shown.forEach(n => lines.values.forEach(line => reach(line[n])));
    if (low > high) { low = 0; high = 1 }
    if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1 }
    const steps = roundNumbers(low, high, 8), step = steps[1] - steps[0] || high - low;
    low = step * Math.floor(low / step + 1e-9); high = step * Math.ceil(high / step - 1e-9);
    const joined = single() ? 1 : Math.max(pick.thin, pick.gap); /* farther apart something is missing */
    const above = value => B - (value - low) / (high - low) * (B - T);
    const spot = (at, value) => `${across.to(x[at]).toFixed(1)} ${above(value).toFixed(1)}`;
    const path = (places, value, most) => {
      let text = '', last = -Infinity;
      for (const n of places) {
        const [at, y] = value(n);
        if (!isFinite(y)) continue;
        text += at - last <= most ? `L${spot(at, y)}` : `M${spot(at, y)}h0`; last = at;
      }
      return text;
    };
    const area = (below, over) => {
      let text = '', up = [], down = [], last = -Infinity;
      const close = () => { if (up.length) text += `M${up.concat(down.reverse()).join('L')}z`; up = []; down = [] };
      for (const n of shown) {
        if (!isFinite(below[n] + over[n])) continue;
        if (lines.places[n] - last > joined) close();
        last = lines.places[n];
        up.push(spot(lines.places[n], over[n])); down.push(spot(lines.places[n], below[n]));
      }
      close();
      return text;
    };
    const label = (left, top, text, anchor = 'middle') =>
      `<text x="${left.toFixed(1)}" y="${top.toFixed(1)}" text-anchor="${anchor}">${text}</text>`;
    let drawn = roundNumbers(low, high, 6).map(v => `<path class="grid" d="M${L} ${above(v).toFixed(1)}H${R}"/>`
      + label(L - 8, above(v) + 4.5, plainly(v), 'end')).join('');
    const most = Math.max(2, Math.floor((R - L) / 95));
    const marks = about.clock ? roundMoments(from, to, most)
      : roundNumbers(from, to, most, true).map(v => [v, v.toLocaleString('en')]);
    drawn += marks.map(([at, text]) => `<path class="grid" d="M${across.to(at).toFixed(1)} ${B}v5"/>`
      + (across.to(at) > R - 24 ? label(R, B + 20, text, 'end') : label(across.to(at), B + 20, text))).join('');
    drawn += `<clipPath id="ground"><path d="M${L} 0H${R}V${B + 1}H${L}z"/></clipPath><g clip-path="url(#ground)">`;
    for (let n = 0; n < bands; n++) drawn += `<path class="band${n ? ' inner' : ''}" d="${area(lines.values[1 + 2 * n], lines.values[2 + 2 * n])}"/>`;
    drawn += `<path class="line true${about.dots ? ' dotted' : ''}" d="${about.dots
      ? actual.filter(at => isFinite(truth(at))).map(at => `M${spot(at, truth(at))}h0`).join('')
      : path(actual, at => [at, truth(at)], pick.thin)}"/>`;
    drawn += `<path class="line model" d="${path(shown, n => [lines.places[n], lines.values[0][n]], joined)}"/>`;
    if (single()) drawn += `<path class="rule" d="M${across.to(x[lines.places[0]]).toFixed(1)} ${T}V${B}"/>`;
    for (const fold of about.folds) if (fold.at >= from && fold.at <= to) drawn +=
      `<path class="rule" d="M${across.to(fold.at).toFixed(1)} ${T}V${B}"/>` + label(across.to(fold.at) + 4, T + 10, fold.name, 'start');
    drawn += `</g><path class="chosen" d=""/><line class="at" y1="${T}" y2="${B}"/>`;
    svg.setAttribute('viewBox', `0 0 ${W} ${H}`); svg.innerHTML = drawn;
    across.above = above;
    caption();
    point(cursor);
  }
  const number = value => minus(value.toFixed(series.digits));
  const moment = at => about.clock ? written(series.x[at]) : `row ${series.x[at]}`;
  const named = value => `${number(value)} ${series.pick.unit}`.trim();
  function caption() {
    const {pick} = series, {places, values} = lines;
    let wrong = 0, inside = 0, count = 0, sure = 0;
    places.forEach((at, n) => {
      const y = truth(at);
      if (series.x[at] < from || series.x[at] > to || !isFinite(y + values[0][n])) return;
      count++; wrong += about.dots ? (values[0][n] - y) ** 2 : Math.abs(values[0][n] - y);
      if (about.bands.length && isFinite(values[1][n])) { sure++; inside += values[1][n] <= y && y <= values[2][n] }
    });
    const all = from <= ends()[0] && to >= ends()[1];
    const lead = about.leads[leadBox.value], how = single() ? `${horizon} steps after ${pick.stamps[slider.value]}`
      : `${lead} step${lead > 1 ? 's' : ''} ahead`;
    $('.where').textContent = `${pick.title} · ${how}${all ? ' · whole test span' : ''}`;
    const error = about.dots ? 'mean squared error' : 'MAE';
    let text = count ? `In view: ${error} ${minus((wrong / count).toPrecision(3))}${about.dots ? '' : ` ${pick.unit}`.trimEnd()}` : '';
    if (sure) text += `, ${(100 * inside / sure).toFixed(0)} % inside the ${about.bands[0]}`;
    $('.seen').textContent = text && `${text}.`;
    svg.setAttribute('aria-label', `${$('.where').textContent}. ${text}`);
  }
  /* Show the values at a place; null shows none. */
  function point(at, aloud) {
    cursor = at;
    const line = svg.querySelector('.at'), dots = svg.querySelector('.chosen');
    tip.hidden = at === null || series.x[at] < from || series.x[at] > to;
    if (line) line.style.display = tip.hidden ? 'none' : 'inline';
    if (dots && tip.hidden) dots.setAttribute('d', '');
    if (tip.hidden) return;
    const left = across.to(series.x[at]), y = truth(at), n = lines.places.indexOf(at);
    const texts = [moment(at)], marks = [];
    if (isFinite(y)) { texts.push(`actual ${named(y)}`); marks.push(y) }
    if (n >= 0 && isFinite(lines.values[0][n])) {
      const said = lines.values[0][n], gap = said - y;
      texts.push(`forecast ${named(said)}${isFinite(gap) ? ` (${gap < 0 ? '' : '+'}${number(gap)})` : ''}`);
      marks.push(said);
      about.bands.forEach((name, b) => { if (isFinite(lines.values[1 + 2 * b][n])) texts.push(
        `${name} ${number(lines.values[1 + 2 * b][n])} to ${number(lines.values[2 + 2 * b][n])}`) });
    }
    line.setAttribute('x1', left); line.setAttribute('x2', left);
    dots.setAttribute('d', marks.map(value => `M${left - 3.5} ${across.above(value)}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0`).join(''));
    tip.replaceChildren(...texts.map(text => Object.assign(document.createElement('div'), {textContent: text})));
    const room = width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, left + 14 > room ? left - 14 - tip.offsetWidth : left + 14)}px`;
    tip.style.top = '12px';
    if (aloud) told.textContent = texts.join(', ');
  }
  const place = event => {
    const left = event.clientX - svg.getBoundingClientRect().left;
    return from + (Math.min(across.high, Math.max(across.low, left)) - across.low) / (across.high - across.low) * (to - from);
  };
  /* The nearest place that has values. */
  function nearest(moment) {
    let best = null;
    for (const n of [series.true.map((_, i) => i * series.pick.thin), single() ? lines.places : []].flat())
      if (best === null || Math.abs(series.x[n] - moment) < Math.abs(series.x[best] - moment)) best = n;
    return best;
  }
  svg.addEventListener('pointerdown', event => {
    if (event.button) return;
    dragged = {from: place(event), box: null}; svg.setPointerCapture(event.pointerId);
    point(nearest(dragged.from));
  });
  svg.addEventListener('pointermove', event => {
    if (dragged && Math.abs(across.to(place(event)) - across.to(dragged.from)) > 6) {
      if (!dragged.box) {
        dragged.box = document.createElementNS(svg.namespaceURI, 'rect');
        dragged.box.setAttribute('class', 'drag'); svg.append(dragged.box);
      }
      const [a, b] = [across.to(dragged.from), across.to(place(event))].sort((m, n) => m - n);
      for (const [name, value] of Object.entries({x: a, width: b - a, y: 0, height: svg.viewBox.baseVal.height - 28}))
        dragged.box.setAttribute(name, value);
      point(null);
    } else point(nearest(place(event)));
  });
  svg.addEventListener('pointerup', event => {
    const begun = dragged; dragged = null;
    if (begun?.box) { cursor = null; view(...[begun.from, place(event)].sort((a, b) => a - b)) }
  });
  svg.addEventListener('pointercancel', () => { dragged = null; draw() });
  svg.addEventListener('pointerleave', event => { if (!dragged && event.pointerType === 'mouse') point(null) });
  svg.addEventListener('dblclick', whole);
  const zoom = by => {
    const middle = cursor === null ? (from + to) / 2 : series.x[cursor], half = (to - from) / 2 * by;
    view(middle - half, middle + half);
  };
  const pan = by => { const size = to - from; view(from + by * size, to + by * size) };
  const deeds = {earlier: () => pan(-.5), later: () => pan(.5), in: () => zoom(.5), out: () => zoom(2), whole};
  strip.querySelectorAll('button').forEach(button => button.addEventListener('click', deeds[button.dataset.do]));
  stage.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = Math.max(1, event.shiftKey ? about.season : 1) * (single() ? 1 : series.pick.thin);
    const go = at => {
      const last = series.x.length - 1, next = Math.max(0, Math.min(last - last % (single() ? 1 : series.pick.thin), at));
      cursor = next;
      if (series.x[next] < from || series.x[next] > to) view(series.x[next] - (to - from) / 2, series.x[next] + (to - from) / 2);
      point(next, true);
    };
    const now = cursor ?? nearest((from + to) / 2);
    const keys = {ArrowLeft: () => go(now - step), ArrowRight: () => go(now + step), Home: () => go(0),
      End: () => go(series.x.length - 1), '+': () => zoom(.5), '=': () => zoom(.5), '-': () => zoom(2), Escape: whole};
    if (!keys[event.key]) return;
    event.preventDefault(); keys[event.key]();
  });
  stage.addEventListener('blur', () => point(null));
  pickBox.addEventListener('change', () => { slider.dataset.at = slider.value; cursor = null; const kept = [from, to]; choose(); view(...kept) });
  leadBox.addEventListener('change', () => { cursor = null; turn(); single() ? near() : whole() });
  slider.addEventListener('input', () => { cursor = null; turn(); near() });
  choose();
  [from, to] = ends();
  new ResizeObserver(() => draw()).observe(stage);
  addEventListener('beforeprint', () => draw(700));
  addEventListener('afterprint', () => draw());
}
